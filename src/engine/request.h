// engine/request.h: one command on its way through the engine.
#pragma once

#include <atomic>
#include <cstdint>

#include "core/commands.h"
#include "core/machine.h"
#include "engine/parker.h"

namespace payonce::engine {

// Why a command was not carried out, or that it was.
enum class Verdict : std::uint8_t {
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

  [[nodiscard]] Verdict verdict() const { return verdict_.load(std::memory_order_acquire); }

 private:
  friend class Engine;

  void finish(Verdict verdict) {
    // Whoever waits may be gone, and this request with it, as soon as it can see the verdict.
    Parker* const waiter = waiter_;
    verdict_.store(verdict, std::memory_order_release);
    waiter->unpark();
  }
  [[nodiscard]] Verdict wait() const {
    while (verdict() == Verdict::kWaiting) {
      waiter_->park();
    }
    return verdict();
  }

  std::atomic<Verdict> verdict_{Verdict::kWaiting};
  Parker* waiter_ = nullptr;  // set when it is submitted
  bool detached_ = false;     // nobody waits: the engine deletes it
  bool patient_ = false;      // may wait for company (Limits::patience)
};

}  // namespace payonce::engine
