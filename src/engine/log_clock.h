// engine/log_clock.h: the clock whose times the log's entries get. Thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <mutex>

#include "engine/ports.h"

namespace payonce::engine {

// The time of the log: never before the newest entry, and never standing still or running backwards
// when the wall clock is set back. It then runs at nine tenths of the speed until the wall clock
// has caught up, so what is due comes at most a ninth later than it should; a clock that was a day
// ahead is followed back within ten days. A wall clock that is ahead is followed at once.
class LogClock final : public Clock {
 public:
  using Micros = std::function<std::int64_t()>;

  explicit LogClock(Timestamp newest_entry);
  // For tests: `wall` counts from the epoch, `steady` from anywhere, and never backwards.
  LogClock(Timestamp newest_entry, Micros wall, Micros steady);

  [[nodiscard]] Timestamp now() override;

 private:
  Micros wall_;
  Micros steady_;
  std::mutex mutex_;
  std::int64_t anchor_us_;         // the wall clock when it was last right; guarded by mutex_
  std::int64_t anchor_steady_us_;  // when that was; guarded by mutex_
};

}  // namespace payonce::engine
