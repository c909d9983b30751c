#include "sim/life.h"

#include <chrono>
#include <utility>

#include "log/checkpoint.h"

namespace payonce::sim {
namespace {

constexpr std::uint64_t kMapSize = std::uint64_t{256} << 20;
constexpr std::size_t kSliceAtStart = 50'000;

core::Command fire(const core::Effect& task) {
  const auto& timer = std::get<core::StartTimer>(task);
  return core::TimerFired{.kind = timer.kind, .id = timer.id, .due = timer.due};
}

engine::SteadyClock steady_of(World& world) {
  return [&world] {
    return std::chrono::steady_clock::time_point(std::chrono::microseconds(world.steady_us()));
  };
}

}  // namespace

Life::Life(const Place& place, core::Machine::Position position)
    : place_(place),
      random_(place.world.random.fork()),
      position_(position),
      clock_(
          position.last_time, [&world = place.world] { return world.wall_us(); },
          [&world = place.world] { return world.steady_us(); }),
      scheduler_(clock_, place.setup.limits.open_max) {}

Life::~Life() { *alive_ = false; }

Result<std::unique_ptr<Life>> Life::start(const Place& place) {
  place.disk.reopen();
  const auto identity =
      log::identify(place.disk, /*fresh_salt=*/0x5eed, Timestamp{place.world.wall_us()});
  if (!identity) {
    return std::unexpected(identity.error());
  }
  std::unique_ptr<Life> life(new Life(place, {.last_seq = place.disk.last_seq(),
                                              .last_time = identity->last_time,
                                              .salt = identity->salt}));
  if (auto begun = life->begin(); !begun) {
    return std::unexpected(begun.error());
  }
  return life;
}

Result<void> Life::begin() {
  auto state = log::StateStore::open(place_.state_dir, kMapSize, position_.salt, log::Sync::kNever);
  if (!state) {
    return std::unexpected(state.error());
  }
  state_ = std::move(*state);
  const auto folded = log::catch_up(place_.disk, *state_, position_.salt, kSliceAtStart);
  if (!folded) {
    return std::unexpected(folded.error());
  }
  auto snapshot = state_->snapshot();
  if (!snapshot) {
    return std::unexpected(snapshot.error());
  }
  const auto on_failure = [this](const Error& error) {
    failed_ = true;
    place_.world.trace([&] { return "the process fails: " + error.message; });
  };
  engine_.emplace(engine::Engine::Parts{.log = place_.disk,
                                        .state = *state_,
                                        .clock = clock_,
                                        .tasks = scheduler_,
                                        .on_failure = on_failure},
                  position_, *std::move(snapshot), place_.setup.limits);
  retention_.emplace(engine::Retention::Parts{.log = place_.disk,
                                              .state = *state_,
                                              .salt = position_.salt,
                                              .steady = steady_of(place_.world)});
  retention_->keep(place_.setup.retention);
  checkpointer_.emplace(engine::Checkpointer::Parts{.engine = *engine_,
                                                    .log = place_.disk,
                                                    .state = *state_,
                                                    .salt = position_.salt,
                                                    .storage_low = place_.storage_low,
                                                    .on_failure = on_failure,
                                                    .retention = &*retention_,
                                                    .steady = steady_of(place_.world)},
                        place_.setup.checkpoint, position_.last_seq);
  add_queues();
  const auto recovered = engine_->recover();
  return recovered ? Result<void>{} : std::unexpected(recovered.error());
}

void Life::add_queues() {
  scheduler_.set_post(
      [this](std::vector<core::Command> results) { engine_->post_all(std::move(results)); });
  scheduler_.set_wanted(
      [this](std::span<const core::Effect> tasks) { return engine_->wanted(tasks); });
  add_calls(core::TaskClass::kGateway, "gateway");
  add_calls(core::TaskClass::kFraud, "fraud");
  add_calls(core::TaskClass::kNotify, "notify");
  add_calls(core::TaskClass::kWebhook, "webhook");
  add_calls(core::TaskClass::kSmtp, "smtp");
  scheduler_.add_queue({.name = "timers",
                        .takes = core::TaskClass::kTimer,
                        .workers = 1,
                        .memory_max = place_.setup.timers_max,
                        .batch_max = 16},
                       fire);
}

// Their answers come to the process that asked, or to nobody.
void Life::add_calls(core::TaskClass task, std::string name) {
  if (place_.setup.at_once &&
      (task == core::TaskClass::kGateway || task == core::TaskClass::kFraud)) {
    scheduler_.add_queue(
        {.name = std::move(name), .takes = task, .workers = 1, .batch_max = 64},
        [this](const core::Effect& effect) { return place_.outside.at_once(effect); });
    return;
  }
  tasks::QueueOptions options{.name = std::move(name), .takes = task};
  options.calls_max = place_.setup.calls_max;
  if (task != core::TaskClass::kGateway && task != core::TaskClass::kFraud) {
    options.memory_max = place_.setup.notify_max;
  }
  scheduler_.add_queue(std::move(options), [this](const core::Effect& effect,
                                                  const tasks::Done& done) {
    place_.outside.call(effect, [this, alive = alive_, done](std::optional<core::Command> result) {
      if (*alive) {
        repeat_later(*result);
        done(std::move(result));
        const std::function<void()> on_result = place_.on_result;  // may be the end of this
        on_result();
      }
    });
  });
}

// Results come at least once: now and then also again, when nothing waits for them any more.
void Life::repeat_later(const core::Command& result) {
  World& world = place_.world;
  if (random_.chance_ppm(world.rates.twice)) {
    world.after(Duration{random_.magnitude(Duration::seconds(300).us)},
                [this, alive = alive_, result] {
                  if (*alive) {
                    engine_->post(result);
                    // Which may have been its end: then this is gone while it is told.
                    const std::function<void()> on_result = place_.on_result;
                    on_result();
                  }
                });
  }
}

bool Life::turn() {
  const bool tasks = scheduler_.turn();
  const bool commands = engine_->turn();
  return tasks || commands;
}

bool Life::checkpoint_due() const {
  return engine_->durable_seq() > checkpointer_->applied() || engine_->waits();
}

void Life::stop() {
  *alive_ = false;
  engine_->stop();
  checkpointer_->turn();
}

}  // namespace payonce::sim
