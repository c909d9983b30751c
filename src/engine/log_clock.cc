#include "engine/log_clock.h"

#include <chrono>
#include <utility>

#include "base/planted.h"

namespace payonce::engine {
namespace {

template <class Clock>
std::int64_t micros_of() {
  const auto since = Clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::microseconds>(since).count();
}

}  // namespace

LogClock::LogClock(Timestamp newest_entry)
    : LogClock(newest_entry, micros_of<std::chrono::system_clock>,
               micros_of<std::chrono::steady_clock>) {}

LogClock::LogClock(Timestamp newest_entry, Micros wall, Micros steady)
    : wall_(std::move(wall)),
      steady_(std::move(steady)),
      anchor_us_(newest_entry.us),
      anchor_steady_us_(steady_()) {}

Timestamp LogClock::now() {
  const std::lock_guard lock(mutex_);
  const std::int64_t steady = steady_();
  const std::int64_t wall = wall_();
  // From the anchor, not from the last call: rounding would add up.
  const std::int64_t slewed = anchor_us_ + (steady - anchor_steady_us_) * 9 / 10;
  if (wall < slewed && !planted(Bug::kClockRunsBack)) {
    return Timestamp{slewed};
  }
  anchor_us_ = wall;
  anchor_steady_us_ = steady;
  return Timestamp{wall};
}

}  // namespace payonce::engine
