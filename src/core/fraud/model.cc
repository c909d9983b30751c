#include "core/fraud/model.h"

namespace payonce::core {

std::string_view name(FraudMode mode) {
  switch (mode) {
    case FraudMode::kNone:
      return "none";
    case FraudMode::kInline:
      return "inline";
    case FraudMode::kTask:
      return "task";
    case FraudMode::kManual:
      return "manual";
  }
  return "";
}

std::string_view name(FraudResult result) {
  switch (result) {
    case FraudResult::kNone:
      return "none";
    case FraudResult::kRunning:
      return "running";
    case FraudResult::kApproved:
      return "approved";
    case FraudResult::kRejected:
      return "rejected";
    case FraudResult::kTimedOut:
      return "timed_out";
    case FraudResult::kCancelled:
      return "cancelled";
  }
  return "";
}

std::string_view name(ParentClose close) {
  switch (close) {
    case ParentClose::kTerminate:
      return "terminate";
    case ParentClose::kAbandon:
      return "abandon";
  }
  return "";
}

std::string fraud_check_id(std::string_view payment_id) {
  return std::string(kFraudCheckPrefix).append(payment_id);
}

std::optional<PendingCall> pending_fraud_call(const FraudCheck& check) {
  if (check.result != FraudResult::kRunning || check.rules.mode != FraudMode::kTask ||
      exhausted(check.rules.retry, check.attempts)) {
    return std::nullopt;
  }
  return PendingCall{.attempt = check.attempts + 1, .not_before = check.not_before};
}

std::optional<Timestamp> pending_timer(const FraudCheck& check) {
  if (check.result != FraudResult::kRunning) {
    return std::nullopt;
  }
  return check.deadline;
}

}  // namespace payonce::core
