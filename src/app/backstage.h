// app/backstage.h: everything behind the HTTP server, from the data directory up.
//
// Made once the address is taken, so that a recovering server already answers that it is not ready.
// Owner: the main thread.
#pragma once

#include <chrono>
#include <optional>

#include "app/clock.h"
#include "app/outside.h"
#include "app/store.h"
#include "config/options.h"
#include "engine/checkpointer.h"
#include "engine/engine.h"
#include "engine/log_clock.h"
#include "engine/retention.h"
#include "http/api.h"
#include "log/give_back.h"
#include "observe/logger.h"
#include "tasks/scheduler.h"

namespace payonce::app {

class Backstage {
 public:
  // `options`, `outside` and `log` outlive it.
  Backstage(const config::Options& options, Store store, Outside& outside, observe::Logger& log);

  // Recovers and starts all threads. The number of workflows whose tasks were released again.
  [[nodiscard]] Result<std::size_t> start();

  [[nodiscard]] http::Backend& backend() { return *backend_; }
  [[nodiscard]] std::size_t folded() const { return store_.folded; }
  void stop_accepting() { engine_->stop_accepting(); }

  // Takes over what may change while serving.
  void retune(const config::Options& options);

  // For a stop that cannot wait for everybody: what is durable is folded as well. Safe while others
  // still run.
  void last_checkpoint() { static_cast<void>(checkpointer_->wait_applied(engine_->durable_seq())); }

  // In the order of the flow: no more tasks, then no more commands, then the last checkpoint.
  void stop();

 private:
  void make_engine(log::StateStore::Snapshot snapshot);
  void add_queues();
  // A queue of calls that either answer at once, or hold no worker while they wait.
  void add_calls(tasks::QueueOptions queue, std::size_t calls_max, bool answers_at_once,
                 tasks::Activity now, tasks::Call call);
  [[nodiscard]] std::vector<http::QueueInfo> queues() const;
  // Both are told how much of the disk is free.
  void allocate_ahead(const Result<std::uint64_t>& disk);
  // Free pages of both files, now and then.
  void give_back();
  [[nodiscard]] bool storage_low(const Result<std::uint64_t>& disk);
  void grow(log::LmdbEnv& map, const char* key, std::uint64_t wanted);
  [[noreturn]] void die(const Error& error) noexcept;  // whatever fails on the way

  const config::Options* options_;
  observe::Logger* log_;
  Store store_;
  Outside* outside_;
  engine::LogClock clock_;
  tasks::Scheduler scheduler_;
  CallbackWatch tasks_;
  std::optional<engine::Engine> engine_;
  std::optional<engine::Retention> retention_;
  std::optional<engine::Checkpointer> checkpointer_;
  std::optional<http::Backend> backend_;
  bool was_low_ = false;          // touched by start() and then by the checkpointer only
  bool cannot_allocate_ = false;  // likewise
  struct Pages {
    std::optional<log::GiveBack> give_back;  // empty once the file system has refused
    std::uint64_t given = 0;                 // bytes, since there was nothing to give
  };
  Pages log_pages_;  // likewise, and so is all that follows
  Pages state_pages_;
  std::chrono::steady_clock::time_point next_give_back_;
};

}  // namespace payonce::app
