#include "core/retry.h"

#include <algorithm>

#include "base/ids.h"

namespace payonce::core {
namespace {

// FNV-1a over the task's name, finished by mix64: enough to spread jitter, and pure.
std::uint64_t seed_of(std::string_view name, std::uint32_t attempt) {
  std::uint64_t hash = 0xcbf29ce484222325U;
  for (const char c : name) {
    hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3U;
  }
  return mix64(hash ^ attempt);
}

}  // namespace

bool exhausted(const RetryPolicy& policy, std::uint32_t attempt) {
  return policy.maximum_attempts != 0 && attempt >= policy.maximum_attempts;
}

Duration retry_delay(const RetryPolicy& policy, std::uint32_t attempt, std::string_view seed) {
  const std::uint64_t maximum_us = std::uint64_t{policy.maximum_interval_ms} * 1000;
  std::uint64_t delay_us = std::uint64_t{policy.initial_interval_ms} * 1000;
  // Stops at the maximum, so the product stays below 2^32 ms × 2^32 ‰ = 2^64 µs (which 63 bits
  // would not hold) and the loop ends after at most log(maximum / initial) rounds; a coefficient of
  // 1 ends it at once.
  for (std::uint32_t i = 1; i < attempt && delay_us < maximum_us; ++i) {
    const std::uint64_t next = delay_us / 1000 * policy.backoff_coefficient_permille;
    if (next <= delay_us) {
      break;
    }
    delay_us = next;
  }
  delay_us = std::min(delay_us, maximum_us);
  const std::uint64_t jitter_permille = seed_of(seed, attempt) % 101;
  return Duration{static_cast<std::int64_t>(delay_us - delay_us / 1000 * jitter_permille)};
}

}  // namespace payonce::core
