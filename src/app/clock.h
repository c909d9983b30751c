// app/clock.h: the clocks of a serving process. Thread-safe.
#pragma once

#include <chrono>

#include "engine/ports.h"

namespace payonce::app {

// The wall clock in Unix seconds, as signatures of webhooks want it.
[[nodiscard]] std::int64_t unix_seconds();

class SystemClock final : public engine::Clock {
 public:
  [[nodiscard]] Timestamp now() override {
    const auto since = std::chrono::system_clock::now().time_since_epoch();
    return Timestamp{std::chrono::duration_cast<std::chrono::microseconds>(since).count()};
  }
};

}  // namespace payonce::app
