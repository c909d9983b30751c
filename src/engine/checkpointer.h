// engine/checkpointer.h: the thread that writes the state behind the log.
//
// Folds durable entries into the state store every `events` entries or `interval`, whichever comes
// first, then lets the engine drop from memory what the checkpoint holds. Lists and reports ask it
// to catch up first, and then read the state alone: so they show everything that was acknowledged,
// without holding the engine up. It also watches the free space, brings in the tasks that have
// waited in the state, and says what of the old history may go. A failing checkpoint is a failing
// disk: it is reported to on_failure like a failed commit.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

#include "base/result.h"
#include "engine/engine.h"
#include "engine/retention.h"
#include "log/log_store.h"
#include "log/state_store.h"

namespace payonce::engine {

struct CheckpointPolicy {
  std::size_t events = 20'000;               // entries behind the log that start a checkpoint
  std::chrono::milliseconds interval{1000};  // the longest time that entries stay unfolded
  std::size_t rows_max = 200'000;            // rows in memory that start a trim
  std::size_t slice_events = 50'000;         // most entries folded in one transaction
};

class Checkpointer {
 public:
  struct Parts {
    Engine& engine;
    const log::LogStore& log;
    log::StateStore& state;
    std::uint64_t salt = 0;
    std::function<bool()> storage_low;  // asked once per round; may be empty
    std::function<void(const Error&)> on_failure;
    Retention* retention = nullptr;  // asked once per round; may be null
    SteadyClock steady = std::chrono::steady_clock::now;
  };

  Checkpointer(Parts parts, CheckpointPolicy policy, core::Seq applied);
  ~Checkpointer();
  Checkpointer(const Checkpointer&) = delete;
  Checkpointer& operator=(const Checkpointer&) = delete;

  void start();
  // One last checkpoint up to the log's end, then the thread ends.
  void stop();

  // Blocks until the state holds entry `seq`, which must be durable. False when it failed, or
  // stopped before it got there.
  [[nodiscard]] bool wait_applied(core::Seq seq);

  // One round and a look at what has waited, for whoever drives it without start().
  void turn();
  [[nodiscard]] core::Seq applied() const;

 private:
  void run();
  [[nodiscard]] bool due() const;
  void round();
  void bring_in();
  [[nodiscard]] bool catch_up();
  void retain();
  void give_up(const Error& error);

  Parts parts_;
  CheckpointPolicy policy_;
  mutable std::mutex mutex_;
  std::condition_variable wake_;
  std::condition_variable applied_changed_;
  core::Seq applied_;     // guarded by mutex_, as all below
  core::Seq wanted_ = 0;  // somebody waits for this entry
  bool stopping_ = false;
  bool failed_ = false;
  bool stopped_ = false;                             // the last round is over
  std::chrono::steady_clock::time_point dropped_{};  // of the thread alone
  std::thread thread_;
};

}  // namespace payonce::engine
