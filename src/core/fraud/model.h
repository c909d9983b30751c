// core/fraud/model.h: the state of one fraud check, the child workflow of a payment.
//
// It runs beside the gateway call (or before it, in version 2 of the payment), has an id and a
// history of its own, and always ends: by a verdict, by its time-out or because its payment ended.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/money.h"
#include "base/time.h"
#include "core/retry.h"
#include "core/types.h"

namespace payonce::core {

// Numbers of all enums here are stored and never reused.
enum class FraudMode : std::uint8_t {
  kNone = 0,    // no check: payments of before there were any
  kInline = 1,  // automatic, with nothing to wait for: approved within the create
  kTask = 2,    // an activity asks somebody (automatic with a delay, or over HTTP)
  kManual = 3,  // a person decides
};

enum class FraudResult : std::uint8_t {
  kNone = 0,
  kRunning = 1,
  kApproved = 2,
  kRejected = 3,
  kTimedOut = 4,
  kCancelled = 5,  // its payment ended first
};

// What happens to a running check when its payment ends without it.
enum class ParentClose : std::uint8_t { kTerminate = 1, kAbandon = 2 };

[[nodiscard]] std::string_view name(FraudMode mode);
[[nodiscard]] std::string_view name(FraudResult result);
[[nodiscard]] std::string_view name(ParentClose close);

struct FraudRules {
  FraudMode mode = FraudMode::kNone;
  Duration timeout = Duration::ms(600'000);
  Duration delay;     // before the first call
  RetryPolicy retry;  // of the activity; when it is exhausted the time-out decides
  ParentClose parent_close = ParentClose::kTerminate;
  bool operator==(const FraudRules&) const = default;

  template <class Visitor, class Self>
  static void fields(Visitor& v, Self& self) {
    v("mode", self.mode);
    v("timeout_us", self.timeout);
    v("delay_us", self.delay);
    v("retry", self.retry);
    v("parent_close", self.parent_close);
  }
};

struct FraudCheck {
  std::string id;
  std::string payment_id;
  std::string user_id;
  Money amount;
  std::string payment_method;
  FraudRules rules;
  FraudResult result = FraudResult::kRunning;
  std::string reason;
  std::uint32_t attempts = 0;  // calls that have been answered
  Timestamp not_before;        // the pending call may not start earlier
  std::string error;           // of the last call, empty when it was good
  Timestamp deadline;
  Timestamp created_at;
  Timestamp updated_at;
  Seq created_seq = 0;
  Seq stream_last = 0;

  template <class Visitor, class Self>
  static void fields(Visitor& v, Self& self) {
    v("id", self.id);
    v("payment_id", self.payment_id);
    v("user_id", self.user_id);
    v("amount", self.amount);
    v("payment_method", self.payment_method);
    v("rules", self.rules);
    v("result", self.result);
    v("reason", self.reason);
    v("attempts", self.attempts);
    v("not_before", self.not_before);
    v("error", self.error);
    v("deadline", self.deadline);
    v("created_at", self.created_at);
    v("updated_at", self.updated_at);
    v("created_seq", self.created_seq);
    v("stream_last", self.stream_last);
  }
};

// "fraud-check-<payment>".
[[nodiscard]] std::string fraud_check_id(std::string_view payment_id);
inline constexpr std::string_view kFraudCheckPrefix = "fraud-check-";

// The call that the check waits for; none in manual mode, after the end, or when attempts are used
// up.
[[nodiscard]] std::optional<PendingCall> pending_fraud_call(const FraudCheck& check);
// The time-out that it waits for.
[[nodiscard]] std::optional<Timestamp> pending_timer(const FraudCheck& check);

}  // namespace payonce::core
