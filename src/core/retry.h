// core/retry.h: when to try an activity again, as a pure function.
//
// The terms are the ones people know from workflow engines: the delay before attempt n + 1 is
// initial_interval × backoff_coefficient^(n-1), at most maximum_interval, less a seeded jitter of
// up to 10 % that keeps many workflows from coming back in one instant.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/time.h"

namespace payonce::core {

// A call to the outside that some state waits for. Attempts count from 1.
struct PendingCall {
  std::uint32_t attempt = 0;
  Timestamp not_before;
  bool operator==(const PendingCall&) const = default;
};

struct RetryPolicy {
  std::uint32_t initial_interval_ms = 1000;
  std::uint32_t backoff_coefficient_permille = 2000;  // 2000 means × 2; at least 1000
  std::uint32_t maximum_interval_ms = 60'000;
  std::uint32_t maximum_attempts = 10;  // 0 means no limit, 1 means no retry

  bool operator==(const RetryPolicy&) const = default;

  template <class Visitor, class Self>
  static void fields(Visitor& v, Self& self) {
    v("initial_interval_ms", self.initial_interval_ms);
    v("backoff_coefficient_permille", self.backoff_coefficient_permille);
    v("maximum_interval_ms", self.maximum_interval_ms);
    v("maximum_attempts", self.maximum_attempts);
  }
};

// True when no attempt may follow `attempt` (the first is 1).
[[nodiscard]] bool exhausted(const RetryPolicy& policy, std::uint32_t attempt);

// The delay between the failed `attempt` (from 1) and the next one. `seed` names the task, so that
// the same task always draws the same jitter.
[[nodiscard]] Duration retry_delay(const RetryPolicy& policy, std::uint32_t attempt,
                                   std::string_view seed);

}  // namespace payonce::core
