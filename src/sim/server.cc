#include "sim/server.h"

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <utility>

namespace payonce::sim {
namespace {

constexpr Duration kDownMax = Duration::seconds(30);
constexpr Duration kTurnDelayMax = Duration::ms(5);
constexpr Duration kIdleLook = Duration::seconds(2);
constexpr Duration kFullMax = Duration::seconds(1800);
constexpr Duration kJumpMax = Duration::seconds(86'400);

}  // namespace

Server::Server(World& world, Outside& outside, const Setup& setup, std::string dir)
    : world_(&world),
      random_(world.random.fork()),
      outside_(&outside),
      setup_(&setup),
      dir_(std::move(dir)),
      disk_(world) {
  disk_.set_on_crash([this] { ++counts_.crashes; });
}

Server::~Server() {
  disk_.cut_off();
  life_.reset();
}

void Server::begin() {
  start();
  plan_faults();
}

void Server::start() {
  spoil_state();
  ++counts_.starts;
  ++lives_;
  turn_planned_ = false;
  wake_up_us_ = 0;
  auto life = Life::start({.world = *world_,
                           .disk = disk_,
                           .outside = *outside_,
                           .setup = *setup_,
                           .state_dir = dir_ + "/state",
                           .storage_low = [this] { return storage_low_; },
                           .on_result =
                               [this] {
                                 settle();
                                 plan_turn(Duration{random_.magnitude(kTurnDelayMax.us)});
                               }});
  if (!life) {
    // Only an unreadable or full disk keeps it from starting, never what it has written itself.
    if (life.error().code != Errc::kIo && life.error().code != Errc::kFull) {
      world_->violate("state_follows_log", life.error().message);
    }
    world_->trace([&] { return "the process does not start: " + life.error().message; });
    world_->after(Duration{random_.between(1, kDownMax.us)}, [this] { start(); });
    return;
  }
  life_ = std::move(*life);
  world_->trace([&] {
    return "the process has started, the log ends at " + std::to_string(disk_.last_seq());
  });
  plan_turn({});
  plan_checkpoint();
  on_start_();
}

void Server::send(core::Input input, core::Renderer& renderer, OnReply on_reply) {
  if (life_ == nullptr) {
    on_reply({});
    return;
  }
  auto exchange = std::make_unique<Exchange>(std::move(input), renderer, std::move(on_reply));
  if (const auto refused = life_->engine().submit(exchange->request)) {
    exchange->on_reply({.verdict = *refused, .kind = {}, .answer = {}});
    return;
  }
  open_.push_back(std::move(exchange));
  plan_turn(Duration{random_.magnitude(kTurnDelayMax.us)});
}

void Server::plan_turn(Duration delay) {
  if (turn_planned_ || life_ == nullptr) {
    return;
  }
  turn_planned_ = true;
  world_->after(delay, [this, life = lives_] {
    if (life_ == nullptr || life != lives_) {
      return;
    }
    turn_planned_ = false;
    const bool more = life_->turn();
    settle();
    if (life_ == nullptr) {
      return;
    }
    if (more) {
      plan_turn(Duration{random_.magnitude(kTurnDelayMax.us)});
    } else if (const auto due = life_->next_due()) {
      plan_wake_up(std::max(*due, Duration{1}));
    }
  });
}

// One plan is enough: whatever becomes due before it is seen in the turn that makes it so.
void Server::plan_wake_up(Duration delay) {
  const std::int64_t at_us = world_->steady_us() + delay.us;
  if (wake_up_us_ > world_->steady_us() && wake_up_us_ <= at_us) {
    return;
  }
  wake_up_us_ = at_us;
  world_->after(delay, [this, at_us, life = lives_] {
    if (life == lives_ && wake_up_us_ == at_us) {
      plan_turn({});
    }
  });
}

void Server::plan_checkpoint() {
  const Duration interval = Duration::ms(setup_->checkpoint.interval.count());
  const bool due = life_->checkpoint_due();
  world_->after(due ? interval : std::max(interval, kIdleLook), [this, life = lives_] {
    if (life_ == nullptr || life != lives_) {
      return;
    }
    life_->checkpoint();
    settle();
    if (life_ != nullptr) {
      keep_old_state();
      plan_turn({});
      plan_checkpoint();
    }
  });
}

void Server::settle() {
  if (life_ != nullptr && (life_->failed() || disk_.dead())) {
    bury();
    return;
  }
  answer_finished();
}

void Server::answer_finished() {
  for (auto place = open_.begin(); place != open_.end();) {
    if ((*place)->request.verdict() == engine::Verdict::kWaiting) {
      ++place;
      continue;
    }
    const std::unique_ptr<Exchange> done = std::move(*place);
    place = open_.erase(place);
    reply_to(*done);
  }
}

void Server::reply_to(Exchange& done) {
  engine::Request& request = done.request;
  done.on_reply(
      {.verdict = request.verdict(), .kind = request.kind, .answer = std::move(request.answer)});
}

// What it was about to say may have left: so it must have been true.
void Server::bury() {
  disk_.cut_off();
  life_.reset();
  outside_->caller_died();
  const auto broken = std::exchange(open_, {});
  for (const auto& exchange : broken) {
    if (exchange->request.verdict() == engine::Verdict::kDone && random_.chance(50)) {
      reply_to(*exchange);
      continue;
    }
    exchange->on_reply({.verdict = engine::Verdict::kIndeterminate, .kind = {}, .answer = {}});
  }
  world_->after(Duration{random_.between(1, kDownMax.us)}, [this, life = lives_] {
    if (life_ == nullptr && life == lives_) {
      start();
    }
  });
}

void Server::crash() {
  if (life_ != nullptr) {
    world_->trace([] { return "crash"; });
    ++counts_.crashes;
    bury();
  }
}

void Server::stop_and_start() {
  if (life_ != nullptr) {
    world_->trace([] { return "stop"; });
    ++counts_.stops;
    life_->stop();
    settle();
    if (life_ != nullptr) {
      bury();
    }
  }
}

Duration Server::until_next(Duration mean) { return Duration{random_.between(1, 2 * mean.us)}; }

void Server::plan_faults() {
  const auto every = [this](Duration mean, void (Server::*fault)(), const auto& again) -> void {
    if (mean.us > 0) {
      world_->after(until_next(mean), [this, mean, fault, again] {
        if (world_->rates.crash_every.us + world_->rates.full_every.us +
                world_->rates.clock_every.us + world_->rates.stop_every.us >
            0) {
          (this->*fault)();
          again(mean, fault, again);
        }
      });
    }
  };
  every(world_->rates.crash_every, &Server::crash, every);
  every(world_->rates.stop_every, &Server::stop_and_start, every);
  every(world_->rates.full_every, &Server::fill_disk, every);
  every(world_->rates.clock_every, &Server::jump_clock, every);
}

// First the watermark is seen; when that does not help, commits fail.
void Server::fill_disk() {
  world_->trace([] { return "the disk fills up"; });
  storage_low_ = true;
  const std::int64_t lasts_us = random_.magnitude(kFullMax.us) + 1;
  if (random_.chance(50)) {
    world_->after(Duration{random_.between(0, lasts_us - 1)},
                  [this] { disk_.set_full(storage_low_); });
  }
  world_->after(Duration{lasts_us}, [this] {
    storage_low_ = false;
    disk_.set_full(false);
  });
}

void Server::jump_clock() {
  const std::int64_t by = random_.magnitude(kJumpMax.us);
  world_->trace([&] { return "the clock jumps by " + std::to_string(by) + " us, or back"; });
  world_->jump(Duration{random_.chance(50) ? by : -by});
  plan_turn({});
}

// A state that is gone, or an old one: both are folded anew from the log, if it is whole.
void Server::spoil_state() {
  if (!random_.chance_ppm(world_->rates.state_lost) || disk_.first_seq() != 1) {
    return;
  }
  std::error_code ignored;
  std::filesystem::remove_all(dir_ + "/state", ignored);
  if (random_.chance(50) && std::filesystem::exists(dir_ + "/old", ignored)) {
    std::filesystem::copy(dir_ + "/old", dir_ + "/state", ignored);
  }
  ++counts_.rebuilds;
}

void Server::keep_old_state() {
  if (world_->rates.state_lost > 0 && random_.chance_ppm(1'000)) {
    std::error_code ignored;
    std::filesystem::remove_all(dir_ + "/old", ignored);
    std::filesystem::copy(dir_ + "/state", dir_ + "/old", ignored);
  }
}

void Server::heal() {
  storage_low_ = false;
  disk_.set_full(false);
}

}  // namespace payonce::sim
