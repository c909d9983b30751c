// core/payment/model.h: the state of one payment, a fold of its events.
//
// Status and step are what clients see; the task states say what the outside still owes us. Pending
// tasks are derived from this state alone, so recovery releases exactly what was pending.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/money.h"
#include "base/time.h"
#include "core/fraud/model.h"
#include "core/retry.h"
#include "core/types.h"

namespace payonce::core {

// The definition that new payments follow; an instance keeps the number it was born with.
inline constexpr std::uint32_t kPaymentVersion1 = 1;
// The fraud check comes before the gateway call for amounts at or above a threshold.
inline constexpr std::uint32_t kPaymentVersion2 = 2;

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
  kFraudCheck = 4,
  kAwaitCallback = 5,
  kInquiry = 6,
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
  kCallbackTimeout = 8,
  kFraudRejected = 9,
  kFraudTimeout = 10,
  kCancelled = 11,
  kCompensationFailed = 12,
};

enum class GatewayState : std::uint8_t {
  kNone = 0,      // refused before anything was sent
  kPending = 1,   // a first call is due or running
  kRetrying = 2,  // a further call is due or running
  kConfirmed = 3,
  kDeclined = 4,
  kUnavailable = 5,  // gave up after the last attempt
  kInDoubt = 6,      // no answer: an inquiry is due or running
  kAccepted = 7,     // the gateway will tell by a callback
  kGated = 8,        // version 2: not called before the fraud check has approved
  kUndoing = 9,      // being voided or refunded at the gateway
  kUndone = 10,
};

enum class NotifyState : std::uint8_t { kNone = 0, kPending = 1, kSent = 2, kExhausted = 3 };

enum class NotifyChannel : std::uint8_t { kLog = 1, kWebhook = 2, kSmtp = 3 };
inline constexpr std::array kNotifyChannels{NotifyChannel::kLog, NotifyChannel::kWebhook,
                                            NotifyChannel::kSmtp};
inline constexpr std::uint32_t channel_bit(NotifyChannel channel) {
  return 1U << static_cast<std::uint32_t>(channel);
}

enum class CompensationState : std::uint8_t {
  kNone = 0,
  kCompleted = 1,
  kRunning = 2,
  kFailed = 3,  // gave up; an operator's command goes on
};

enum class CompensationKind : std::uint8_t {
  kNone = 0,
  kVoidCharge = 1,    // at the gateway, where it may have taken the money
  kRefundCharge = 2,  // at the gateway, which has confirmed
  kReleaseHold = 3,   // in the ledger
};

enum class CompensationStepState : std::uint8_t { kPending = 1, kDone = 2, kFailed = 3 };

enum class CallbackOutcome : std::uint8_t { kConfirmed = 1, kDeclined = 2 };

// What a callback did.
enum class CallbackEffect : std::uint8_t {
  kApplied = 1,
  kLateSuccess = 2,  // money was taken after the payment had failed: it is refunded
  kContradicts = 3,  // says otherwise than what was known; changed nothing
};

[[nodiscard]] std::string_view name(PaymentStatus status);
[[nodiscard]] std::string_view name(PaymentStep step);
[[nodiscard]] std::string_view name(FailureCode code);
[[nodiscard]] std::string_view name(GatewayState state);
[[nodiscard]] std::string_view name(NotifyState state);
[[nodiscard]] std::string_view name(NotifyChannel channel);
[[nodiscard]] std::string_view name(CompensationState state);
[[nodiscard]] std::string_view name(CompensationKind kind);
[[nodiscard]] std::string_view name(CompensationStepState state);
[[nodiscard]] std::string_view name(CallbackOutcome outcome);
[[nodiscard]] std::string_view name(CallbackEffect effect);

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
  RetryPolicy notify_retry;  // of the channels log and SMTP
  RetryPolicy inquiry_retry{.maximum_attempts = 0};
  RetryPolicy compensation_retry;
  Duration callback_timeout = Duration::ms(300'000);
  FraudRules fraud;
  std::int64_t gate_minor = 0;  // version 2: from this amount on the fraud check comes first
  std::uint32_t channels = channel_bit(NotifyChannel::kLog);
  std::vector<std::uint32_t> webhook_delays_ms;  // before attempt 2, 3, …; then it is exhausted
  // Giving up voids at the gateway first: that this call took nothing does not say that no earlier
  // one, which a crash has forgotten, did. Payments of before this rule are without it.
  bool void_when_given_up = false;

  bool operator==(const PaymentRules&) const = default;

  template <class Visitor, class Self>
  static void fields(Visitor& v, Self& self) {
    v("version", self.version);
    v("gateway_retry", self.gateway_retry);
    v("notify_retry", self.notify_retry);
    v("inquiry_retry", self.inquiry_retry);
    v("compensation_retry", self.compensation_retry);
    v("callback_timeout_us", self.callback_timeout);
    v("fraud", self.fraud);
    v("gate_minor", self.gate_minor);
    v("channels", self.channels);
    v("webhook_delays_ms", self.webhook_delays_ms);
    v("void_when_given_up", self.void_when_given_up);
  }
};

// One undoing of something done, in the order in which it runs: the reverse of how it was done.
struct CompensationStep {
  CompensationKind kind = CompensationKind::kNone;
  CompensationStepState state = CompensationStepState::kPending;
  bool operator==(const CompensationStep&) const = default;

  template <class Visitor, class Self>
  static void fields(Visitor& v, Self& self) {
    v("step", self.kind);
    v("state", self.state);
  }
};

// One channel's part of the outbox.
struct Delivery {
  NotifyChannel channel = NotifyChannel::kLog;
  NotifyState state = NotifyState::kPending;
  std::uint32_t attempts = 0;  // since it was asked for, by the end or by an operator
  std::uint32_t calls = 0;     // in all: numbers a call's answer
  Timestamp not_before;
  std::string error;
  bool operator==(const Delivery&) const = default;

  template <class Visitor, class Self>
  static void fields(Visitor& v, Self& self) {
    v("channel", self.channel);
    v("state", self.state);
    v("attempts", self.attempts);
    v("calls", self.calls);
    v("not_before", self.not_before);
    v("error", self.error);
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
  std::vector<CompensationStep> compensation_steps;
  std::uint32_t compensation_attempts = 0;  // of the running step, since the last resume
  std::uint32_t compensation_calls = 0;     // in all: numbers a call's answer
  Timestamp compensation_not_before;
  std::string compensation_error;
  // Why compensation was started: what the payment ends with once everything is undone.
  FailureCode cause = FailureCode::kNone;
  std::string cause_message;
  std::uint32_t inquiries = 0;  // in all: numbers an inquiry's answer
  Timestamp inquiry_not_before;
  Timestamp callback_deadline;
  bool callback_contradicted = false;
  bool late_refund = false;  // a success after the end is being refunded, or has been
  FraudResult fraud = FraudResult::kNone;
  std::vector<Delivery> deliveries;
  std::int64_t refunding_minor = 0;  // asked for, not ended
  std::int64_t refunded_minor = 0;
  std::uint32_t refunds = 0;
  Timestamp ended_at;
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
    v("compensation_steps", self.compensation_steps);
    v("compensation_attempts", self.compensation_attempts);
    v("compensation_calls", self.compensation_calls);
    v("compensation_not_before", self.compensation_not_before);
    v("compensation_error", self.compensation_error);
    v("cause", self.cause);
    v("cause_message", self.cause_message);
    v("inquiries", self.inquiries);
    v("inquiry_not_before", self.inquiry_not_before);
    v("callback_deadline", self.callback_deadline);
    v("callback_contradicted", self.callback_contradicted);
    v("late_refund", self.late_refund);
    v("fraud", self.fraud);
    v("deliveries", self.deliveries);
    v("refunding_minor", self.refunding_minor);
    v("refunded_minor", self.refunded_minor);
    v("refunds", self.refunds);
    v("ended_at", self.ended_at);
    v("created_at", self.created_at);
    v("updated_at", self.updated_at);
    v("created_seq", self.created_seq);
    v("stream_last", self.stream_last);
  }
};

// Step names of the payment's transfers.
inline constexpr std::string_view kHoldStep = "hold";

// What the outside still owes this payment: fields of its state, nothing else.
[[nodiscard]] std::optional<PendingCall> pending_gateway_call(const Payment& payment);
[[nodiscard]] std::optional<PendingCall> pending_inquiry(const Payment& payment);
[[nodiscard]] std::optional<PendingCall> pending_undo(const Payment& payment);
[[nodiscard]] std::optional<PendingCall> pending_notification(const Delivery& delivery);
[[nodiscard]] std::optional<Timestamp> pending_timer(const Payment& payment);

// The step of the compensation that is due next, or null.
[[nodiscard]] const CompensationStep* next_compensation_step(const Payment& payment);
[[nodiscard]] const Delivery* find_delivery(const Payment& payment, NotifyChannel channel);
// True while compensation owes something: it runs, or it has given up.
[[nodiscard]] bool compensating(const Payment& payment);

}  // namespace payonce::core
