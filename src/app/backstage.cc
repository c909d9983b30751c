#include "app/backstage.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <span>
#include <utility>
#include <variant>

#include "app/exit_code.h"
#include "app/metrics.h"

namespace payonce::app {
namespace {

// Tasks that a worker takes at once where calls answer at once: a batch of the engine's is rarely
// larger.
constexpr std::size_t kBatchMax = 64;

// Timers in memory.
constexpr std::size_t kTimersMax = 65'536;

// About two commits: at moderate load a result meets the commit of some request within that.
constexpr std::chrono::microseconds kPatience{500};

// How long a map that is to grow may wait for a moment in which nobody reads or writes it. Such
// moments come with every commit.
constexpr std::chrono::seconds kGrowPatience{5};

// Goes through the list of all free pages, if there can be enough of them; where that takes long,
// less often.
constexpr std::chrono::milliseconds kGiveBackEvery{200};
constexpr int kGiveBackShare = 20;  // of the time, at most

// A queue for what goes outside.
template <class Section>
tasks::QueueOptions queue_of(std::string_view name, core::TaskClass takes, const Section& section) {
  return {.name = std::string(name), .takes = takes, .ready_max = section.queue_max};
}

// What answers at once needs one worker, which takes many tasks at a time.
tasks::QueueOptions at_once(tasks::QueueOptions queue) {
  queue.workers = 1;
  queue.batch_max = kBatchMax;
  return queue;
}

// Each channel has a queue of its own: a receiver that is down holds up no other channel.
std::string_view queue_name(core::NotifyChannel channel) {
  return channel == core::NotifyChannel::kLog ? "notify" : name(channel);
}

// A timer's whole work is to say that its time has come.
core::Command fire(const core::Effect& task) {
  const auto& timer = std::get<core::StartTimer>(task);
  return core::TimerFired{.kind = timer.kind, .id = timer.id, .due = timer.due};
}

}  // namespace

Backstage::Backstage(const config::Options& options, Store store, Outside& outside,
                     observe::Logger& log)
    : options_(&options),
      log_(&log),
      store_(std::move(store)),
      outside_(&outside),
      clock_(store_.position.last_time),
      scheduler_(clock_, options.payments.open_max),
      tasks_(scheduler_, outside) {}

void Backstage::make_engine(log::StateStore::Snapshot snapshot) {
  const auto on_failure = [this](const Error& error) { die(error); };
  engine_.emplace(engine::Engine::Parts{.log = *store_.log,
                                        .state = *store_.state,
                                        .clock = clock_,
                                        .tasks = tasks_,
                                        .on_failure = on_failure},
                  store_.position, std::move(snapshot),
                  engine::Limits{.inbox_max = options_->engine.inbox_max,
                                 .batch_max = options_->engine.batch_max,
                                 .patience = kPatience,
                                 .open_max = options_->payments.open_max,
                                 .backlog = {}});
  log_pages_.give_back.emplace(store_.log->env());
  state_pages_.give_back.emplace(store_.state->env());
  retention_.emplace(engine::Retention::Parts{
      .log = *store_.log, .state = *store_.state, .salt = store_.position.salt});
  retune(*options_);
  checkpointer_.emplace(engine::Checkpointer::Parts{.engine = *engine_,
                                                    .log = *store_.log,
                                                    .state = *store_.state,
                                                    .salt = store_.position.salt,
                                                    .storage_low =
                                                        [this] {
                                                          const auto free = store_.dir.free_bytes();
                                                          allocate_ahead(free);
                                                          give_back();
                                                          return storage_low(free);
                                                        },
                                                    .on_failure = on_failure,
                                                    .retention = &*retention_},
                        engine::CheckpointPolicy{.events = options_->storage.checkpoint_events,
                                                 .interval = options_->storage.checkpoint_interval},
                        store_.position.last_seq);
}

Result<std::size_t> Backstage::start() {
  auto snapshot = store_.state->snapshot();
  if (!snapshot) {
    return std::unexpected(snapshot.error());
  }
  make_engine(std::move(*snapshot));
  add_queues();
  scheduler_.set_post(
      [this](std::vector<core::Command> results) { engine_->post_all(std::move(results)); });
  scheduler_.set_wanted(
      [this](std::span<const core::Effect> tasks) { return engine_->wanted(tasks); });
  outside_->set_callback([this](core::RecordCallback call) { engine_->post(std::move(call)); });
  auto recovered = engine_->recover();
  if (!recovered) {
    return recovered;
  }
  engine_->set_storage_low(storage_low(store_.dir.free_bytes()));
  engine_->start();
  checkpointer_->start();
  scheduler_.start();
  backend_.emplace(http::Backend{.engine = *engine_,
                                 .checkpointer = *checkpointer_,
                                 .log = *store_.log,
                                 .state = *store_.state,
                                 .salt = store_.position.salt,
                                 .on_unreadable =
                                     [this](const Error& error) {
                                       log_->error("data_unreadable", {{"what", error.message}});
                                     },
                                 .queues = [this] { return queues(); },
                                 .metrics =
                                     [this] {
                                       return render_metrics({.engine = *engine_,
                                                              .log = *store_.log,
                                                              .state = *store_.state,
                                                              .queues = queues()});
                                     }});
  return recovered;
}

void Backstage::retune(const config::Options& options) {
  retention_->keep(options.storage.history_retention);
  grow(store_.log->env(), "storage.log_map_size", options.storage.log_map_size);
  grow(store_.state->env(), "storage.state_map_size", options.storage.state_map_size);
}

void Backstage::grow(log::LmdbEnv& map, const char* key, std::uint64_t wanted) {
  const std::uint64_t before = map.map_bytes();
  if (wanted == before) {
    return;
  }
  const auto grown = map.grow(wanted, kGrowPatience);
  if (grown) {
    log_->info("map_grown", {{"key", key}, {"from_bytes", before}, {"to_bytes", wanted}});
  } else if (grown.error().code == Errc::kIo) {
    die(grown.error());
  } else {
    log_->warn("map_size_kept", {{"key", key},
                                 {"bytes", before},
                                 {"wanted_bytes", wanted},
                                 {"why", grown.error().message}});
  }
}

void Backstage::stop() {
  outside_->stop();
  scheduler_.stop();
  engine_->stop();
  checkpointer_->stop();
}

void Backstage::add_queues() {
  add_calls(
      queue_of("gateway", core::TaskClass::kGateway, options_->gateway),
      options_->gateway.calls_max, outside_->gateway_answers_at_once(),
      [this](const core::Effect& task) { return outside_->gateway_now(task); },
      [this](const core::Effect& task, tasks::Done done) {
        outside_->gateway(task, std::move(done));
      });
  add_calls(
      queue_of("fraud", core::TaskClass::kFraud, options_->fraud), options_->fraud.calls_max,
      outside_->fraud_answers_at_once(),
      [this](const core::Effect& task) {
        return outside_->fraud_now(std::get<core::CheckFraud>(task));
      },
      [this](const core::Effect& task, tasks::Done done) {
        outside_->fraud(std::get<core::CheckFraud>(task), std::move(done));
      });
  // A notification never touches its payment, and a timer's payment only waits: what finds no room
  // in memory waits in the state, and keeps no new payment out.
  for (const core::NotifyChannel channel : core::kNotifyChannels) {
    tasks::QueueOptions notify =
        queue_of(queue_name(channel), core::task_class(channel), options_->notify);
    notify.workers = options_->notify.workers;
    notify.memory_max = options_->notify.queue_max;
    if (outside_->notifier_answers_at_once(channel)) {
      notify = at_once(std::move(notify));
    }
    scheduler_.add_queue(std::move(notify), [this](const core::Effect& task) {
      return outside_->notify(std::get<core::SendNotification>(task));
    });
  }
  scheduler_.add_queue({.name = "timers",
                        .takes = core::TaskClass::kTimer,
                        .workers = 1,
                        .memory_max = kTimersMax,
                        .batch_max = kBatchMax},
                       fire);
}

void Backstage::add_calls(tasks::QueueOptions queue, std::size_t calls_max, bool answers_at_once,
                          tasks::Activity now, tasks::Call call) {
  if (answers_at_once) {
    scheduler_.add_queue(at_once(std::move(queue)), std::move(now));
  } else {
    queue.calls_max = calls_max;
    scheduler_.add_queue(std::move(queue), std::move(call));
  }
}

// What is due late waits in the state alone, and what has just been decided in memory alone.
std::vector<http::QueueInfo> Backstage::queues() const {
  std::vector<http::QueueInfo> all;
  auto snapshot = store_.state->snapshot();
  for (const tasks::QueueStats& queue : scheduler_.stats()) {
    const std::size_t pending = snapshot ? snapshot->count(core::index_of(queue.takes)) : 0;
    all.push_back({.name = queue.name,
                   .depth = std::max(queue.waiting, pending - std::min(pending, queue.running)),
                   .running = queue.running,
                   .oldest_age = queue.oldest_age});
  }
  return all;
}

// Never with the last of the disk, and never again once there was no room: commits do without.
void Backstage::allocate_ahead(const Result<std::uint64_t>& disk) {
  const std::uint64_t ahead = options_->storage.allocate_ahead;
  if (ahead == 0 || cannot_allocate_ || !disk ||
      *disk < 4 * ahead + options_->storage.free_bytes_min) {
    return;
  }
  if (const auto done = store_.log->env().allocate_ahead(ahead); !done) {
    if (done.error().code != Errc::kFull) {
      die(done.error());
    }
    cannot_allocate_ = true;
    log_->warn("allocate_ahead_failed", {{"why", done.error().message}});
  }
}

void Backstage::give_back() {
  const auto now = std::chrono::steady_clock::now();
  if (now < next_give_back_) {
    return;
  }
  bool more = false;
  const auto look_at = [&](Pages& pages, const char* file) {
    if (!pages.give_back) {
      return;
    }
    const auto given = pages.give_back->round();
    if (!given && given.error().code != Errc::kInvalid) {
      die(given.error());
    }
    if (!given) {
      log_->warn("give_back_failed", {{"file", file}, {"why", given.error().message}});
      pages.give_back.reset();
      return;
    }
    pages.given += *given;
    more = more || pages.give_back->more();
    if (*given == 0 && pages.given > 0) {
      log_->info("gave_back", {{"file", file}, {"bytes", std::exchange(pages.given, 0)}});
    }
  };
  look_at(log_pages_, "log");
  look_at(state_pages_, "state");
  const auto done = std::chrono::steady_clock::now();
  next_give_back_ = more ? done
                         : done + std::max<std::chrono::steady_clock::duration>(
                                      kGiveBackShare * (done - now), kGiveBackEvery);
}

bool Backstage::storage_low(const Result<std::uint64_t>& disk) {
  const std::uint64_t wanted = options_->storage.free_bytes_min;
  std::uint64_t free = disk ? *disk : wanted;
  bool low = free < wanted;
  // A full map stops LMDB just as a full disk does; a small map keeps a quarter of itself free.
  const auto look_at = [&](const log::LmdbEnv& map) {
    const std::uint64_t enough = std::min(wanted, map.map_bytes() / 4);
    const std::uint64_t free_in_map = map.free_map_bytes(enough);
    free = std::min(free, free_in_map);
    low = low || free_in_map < enough;
  };
  look_at(store_.log->env());
  look_at(store_.state->env());
  if (low != was_low_) {
    was_low_ = low;
    log_->warn(low ? "storage_low" : "storage_ok",
               {{"free_bytes", free}, {"free_bytes_min", options_->storage.free_bytes_min}});
  }
  return low;
}

// Fail-stop: what reached the disk is unknown, so nothing more is said or done. Recovery decides.
void Backstage::die(const Error& error) noexcept {
  if (error.code == Errc::kCorrupt) {
    distrust_state(store_.dir.path());
  }
  log_->error("storage_failed",
              {{"what", error.message},
               {"next", "stopping; what was acknowledged is durable, start again to recover"}});
  ::_exit(kExitFailed);
}

}  // namespace payonce::app
