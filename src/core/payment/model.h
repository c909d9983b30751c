// core/payment/model.h: the state of one payment, a fold of its events.
//
// Status and step are what clients see; the task states say what the outside still owes us. Pending
// tasks are derived from this state alone, so recovery releases exactly what was pending.
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

// The definition that new payments follow; an instance keeps the number it was born with.
inline constexpr std::uint32_t kPaymentVersion1 = 1;

// Numbers of all enums here are stored and never reused.
enum class PaymentStatus : std::uint8_t {
  kPending = 1,  // accepted, no answer from the gateway yet
  kProcessing = 2,
  kSuccess = 3,
  kFail = 4,
  kCancelled = 5,
};

enum class PaymentStep : std::uint8_t {
  kValidate = 1,
  kHold = 2,
  kGateway = 3,
  kPost = 7,
  kCompensate = 8,
  kNotify = 9,
  kDone = 10,
};

enum class FailureCode : std::uint8_t {
  kNone = 0,
  kAccountNotFound = 1,
  kAccountClosed = 2,
  kCurrencyMismatch = 3,
  kInsufficientFunds = 4,
  kLimitExceeded = 5,
  kGatewayDeclined = 6,
  kGatewayUnavailable = 7,
};

enum class GatewayState : std::uint8_t {
  kNone = 0,      // refused before anything was sent
  kPending = 1,   // a first call is due or running
  kRetrying = 2,  // a further call is due or running
  kConfirmed = 3,
  kDeclined = 4,
  kUnavailable = 5,  // gave up after the last attempt
};

enum class NotifyState : std::uint8_t { kNone = 0, kPending = 1, kSent = 2, kExhausted = 3 };

enum class CompensationState : std::uint8_t { kNone = 0, kCompleted = 1 };

[[nodiscard]] std::string_view name(PaymentStatus status);
[[nodiscard]] std::string_view name(PaymentStep step);
[[nodiscard]] std::string_view name(FailureCode code);
[[nodiscard]] std::string_view name(GatewayState state);
[[nodiscard]] std::string_view name(NotifyState state);
[[nodiscard]] std::string_view name(CompensationState state);

[[nodiscard]] constexpr bool terminal(PaymentStatus status) {
  return status == PaymentStatus::kSuccess || status == PaymentStatus::kFail ||
         status == PaymentStatus::kCancelled;
}

// What the client asked for; two creates with the same id are one when this is equal.
struct PaymentContent {
  std::string user_id;  // the account debited
  Money amount;
  std::string payment_method;
  std::string description;
  std::string metadata;  // a JSON object as text, may be empty
  bool operator==(const PaymentContent&) const = default;

  template <class Visitor, class Self>
  static void fields(Visitor& v, Self& self) {
    v("user_id", self.user_id);
    v("amount", self.amount);
    v("payment_method", self.payment_method);
    v("description", self.description);
    v("metadata", self.metadata);
  }
};

// The rules that an instance was born with, so that its history can be judged without today's
// configuration.
struct PaymentRules {
  std::uint32_t version = kPaymentVersion1;
  RetryPolicy gateway_retry;
  RetryPolicy notify_retry;
  bool operator==(const PaymentRules&) const = default;

  template <class Visitor, class Self>
  static void fields(Visitor& v, Self& self) {
    v("version", self.version);
    v("gateway_retry", self.gateway_retry);
    v("notify_retry", self.notify_retry);
  }
};

struct Payment {
  std::string id;
  PaymentContent content;
  PaymentRules rules;
  PaymentStatus status = PaymentStatus::kPending;
  PaymentStep step = PaymentStep::kValidate;
  FailureCode failure = FailureCode::kNone;
  std::string failure_message;
  GatewayState gateway = GatewayState::kNone;
  std::uint32_t gateway_attempts = 0;  // calls that have been answered
  Timestamp gateway_not_before;        // the pending call may not start earlier
  std::string gateway_reference;
  std::string gateway_error;  // of the last call, empty when it was good
  CompensationState compensation = CompensationState::kNone;
  NotifyState notify = NotifyState::kNone;
  std::uint32_t notify_attempts = 0;
  Timestamp notify_not_before;
  Timestamp created_at;
  Timestamp updated_at;
  Seq created_seq = 0;
  Seq stream_last = 0;  // newest event of the payment's history

  template <class Visitor, class Self>
  static void fields(Visitor& v, Self& self) {
    v("id", self.id);
    v("content", self.content);
    v("rules", self.rules);
    v("status", self.status);
    v("step", self.step);
    v("failure", self.failure);
    v("failure_message", self.failure_message);
    v("gateway", self.gateway);
    v("gateway_attempts", self.gateway_attempts);
    v("gateway_not_before", self.gateway_not_before);
    v("gateway_reference", self.gateway_reference);
    v("gateway_error", self.gateway_error);
    v("compensation", self.compensation);
    v("notify", self.notify);
    v("notify_attempts", self.notify_attempts);
    v("notify_not_before", self.notify_not_before);
    v("created_at", self.created_at);
    v("updated_at", self.updated_at);
    v("created_seq", self.created_seq);
    v("stream_last", self.stream_last);
  }
};

// Step names of the payment's transfers.
inline constexpr std::string_view kHoldStep = "hold";

// A call to the outside that the state waits for. Attempts count from 1.
struct PendingCall {
  std::uint32_t attempt = 0;
  Timestamp not_before;
  bool operator==(const PendingCall&) const = default;
};
[[nodiscard]] std::optional<PendingCall> pending_gateway_call(const Payment& payment);
[[nodiscard]] std::optional<PendingCall> pending_notification(const Payment& payment);

}  // namespace payonce::core
