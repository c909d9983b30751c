// engine/ports.h: what the engine needs from others, besides the log (log/log_store.h).
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <limits>
#include <utility>
#include <vector>

#include "base/time.h"
#include "core/due.h"
#include "core/outcome.h"

namespace payonce::engine {

// The only source of time. Thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;
  [[nodiscard]] virtual Timestamp now() = 0;
};

// Measures how much time has passed; never set back. Thread-safe.
using SteadyClock = std::function<std::chrono::steady_clock::time_point()>;

// Takes calls to the outside after their commit. release() must not block and must not lose the
// task: it is called by whichever thread committed. Thread-safe.
class TaskSink {
 public:
  virtual ~TaskSink() = default;
  virtual void release(core::Effect effect) = 0;
  // All tasks of a commit together; leaves the vector empty.
  virtual void release_all(std::vector<core::Effect>& effects) {
    for (core::Effect& effect : effects) {
      release(std::move(effect));
    }
    effects.clear();
  }
  // A task that is due too late to be held in memory has been committed. Told only to who wants it,
  // from any thread; of tasks that waited before the start as well, possibly more than once.
  virtual void later(const core::Effect& /*effect*/) {}
  [[nodiscard]] virtual bool wants_later() const { return false; }
  // How many more tasks of a class may be brought in from the state.
  [[nodiscard]] virtual std::size_t room(core::TaskClass /*task*/) const {
    return std::numeric_limits<std::size_t>::max();
  }
  // True when so many tasks wait that no new workflow should be accepted.
  [[nodiscard]] virtual bool saturated() const = 0;
};

}  // namespace payonce::engine
