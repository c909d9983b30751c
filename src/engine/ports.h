// engine/ports.h: what the engine needs from others, besides the log (log/log_store.h).
#pragma once

#include <utility>
#include <vector>

#include "base/time.h"
#include "core/outcome.h"

namespace payonce::engine {

// The only source of time. Thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;
  [[nodiscard]] virtual Timestamp now() = 0;
};

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
  // True when so many tasks wait that no new workflow should be accepted.
  [[nodiscard]] virtual bool saturated() const = 0;
};

}  // namespace payonce::engine
