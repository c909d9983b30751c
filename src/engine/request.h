// engine/request.h: one command on its way through the engine.
#pragma once

#include <atomic>

#include "core/commands.h"
#include "core/machine.h"

namespace payonce::engine {

// Why a command was not carried out, or that it was.
enum class Verdict : int {
  kWaiting = 0,
  kDone = 1,           // answered, and everything that the answer depends on is durable
  kOverloaded = 2,     // refused before it was looked at: a bound has been reached
  kStorageFull = 3,    // refused before it was looked at: too little space for the log
  kStopped = 4,        // refused before it was looked at: not ready yet, or shutting down
  kIndeterminate = 5,  // the commit failed: nobody knows, only recovery will tell
};

// Owned by the thread that submits it, on its stack; the engine touches it until the verdict is
// set, not longer. Read `answer` and `kind` only after kDone.
class Request {
 public:
  Request(core::Input in, core::Renderer* with) : input(std::move(in)), renderer(with) {}
  Request(const Request&) = delete;
  Request& operator=(const Request&) = delete;

  core::Input input;
  core::Renderer* renderer;
  core::Answer answer;
  core::OutcomeKind kind = core::OutcomeKind::kResultStale;

 private:
  friend class Engine;

  void finish(Verdict verdict) {
    verdict_.store(static_cast<int>(verdict), std::memory_order_release);
    verdict_.notify_one();
  }
  [[nodiscard]] Verdict verdict() const {
    return static_cast<Verdict>(verdict_.load(std::memory_order_acquire));
  }
  [[nodiscard]] Verdict wait() const {
    verdict_.wait(static_cast<int>(Verdict::kWaiting), std::memory_order_acquire);
    return verdict();
  }

  std::atomic<int> verdict_{static_cast<int>(Verdict::kWaiting)};
  bool detached_ = false;  // nobody waits: the engine deletes it
};

}  // namespace payonce::engine
