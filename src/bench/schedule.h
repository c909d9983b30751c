// bench/schedule.h: when each request of an open loop is due.
//
// The times are absolute and computed from the request's number alone, so that nothing that happens
// while loading moves them: neither a slow answer nor a late wake-up. Times are nanoseconds of the
// monotonic clock. A value; any thread.
#pragma once

#include <cstdint>

#include "bench/options.h"

namespace payonce::bench {

class Schedule {
 public:
  // `count` requests at `rate` per second (at least 1), the first at `start_ns`.
  constexpr Schedule(std::int64_t start_ns, std::uint64_t rate, std::uint64_t count)
      : start_ns_(start_ns), rate_(rate), count_(count) {}

  // Whole seconds and the rest apart, so that the product fits.
  [[nodiscard]] constexpr std::int64_t time_of(std::uint64_t number) const {
    constexpr auto kSecond = static_cast<std::uint64_t>(kNsPerS);
    const std::uint64_t offset = number / rate_ * kSecond + number % rate_ * kSecond / rate_;
    return start_ns_ + static_cast<std::int64_t>(offset);
  }
  [[nodiscard]] constexpr std::uint64_t count() const { return count_; }

 private:
  std::int64_t start_ns_;
  std::uint64_t rate_;
  std::uint64_t count_;
};

// How many requests `rate` per second makes in `length_ns`.
[[nodiscard]] constexpr std::uint64_t requests_in(std::uint64_t rate, std::int64_t length_ns) {
  const auto length = static_cast<std::uint64_t>(length_ns);
  constexpr auto kSecond = static_cast<std::uint64_t>(kNsPerS);
  return length / kSecond * rate + length % kSecond * rate / kSecond;
}

}  // namespace payonce::bench
