// app/clock.h: the wall clock of a serving process. Thread-safe.
#pragma once

#include <chrono>

#include "engine/ports.h"

namespace payonce::app {

class SystemClock final : public engine::Clock {
 public:
  [[nodiscard]] Timestamp now() override {
    const auto since = std::chrono::system_clock::now().time_since_epoch();
    return Timestamp{std::chrono::duration_cast<std::chrono::microseconds>(since).count()};
  }
};

}  // namespace payonce::app
