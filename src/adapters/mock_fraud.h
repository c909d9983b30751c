// adapters/mock_fraud.h: the automatic fraud check, for tests and demonstrations.
//
// The verdict follows from the payment method and the configuration alone. It never waits by
// itself: delay() tells whoever schedules the check when to run it, so that a slow one holds no
// worker.
//   pm_fraud        rejected
//   pm_fraud_slow   approved, after slow_delay
//   any other       the configured verdict, after delay
// Threads: a value without state that changes; any thread.
#pragma once

#include <chrono>
#include <string_view>

#include "core/commands.h"
#include "core/outcome.h"

namespace payonce::adapters {

class MockFraud {
 public:
  struct Options {
    std::chrono::milliseconds delay{0};
    std::chrono::milliseconds slow_delay{30'000};
    bool approve = true;  // the verdict about ordinary payment methods
  };

  explicit MockFraud(Options options) : options_(options) {}

  // True when the answer is an approval without a wait: such a check needs no task.
  [[nodiscard]] bool immediate(std::string_view method) const;
  // How long after its start the check is to be run.
  [[nodiscard]] std::chrono::milliseconds delay(std::string_view method) const;

  [[nodiscard]] core::RecordFraudReply check(const core::CheckFraud& task) const;

 private:
  Options options_;
};

}  // namespace payonce::adapters
