// core/payment/events.h: facts of a payment's life.
//
// Type numbers and field order are stored: see docs/log-format.md for what may change.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/time.h"
#include "core/payment/model.h"

namespace payonce::core {

struct PaymentCreated {
  static constexpr std::uint16_t kType = 30;
  static constexpr std::string_view kName = "payment_created";
  PaymentContent content;
  PaymentRules rules;

  template <class Visitor, class Self>
  static void fields(Visitor& v, Self& self) {
    v("content", self.content);
    v("rules", self.rules);
  }
};

// The payment could not be accepted: nothing was held, nothing will be sent.
struct PaymentRefused {
  static constexpr std::uint16_t kType = 31;
  static constexpr std::string_view kName = "payment_refused";
  FailureCode code = FailureCode::kNone;
  std::string message;

  template <class Visitor, class Self>
  static void fields(Visitor& v, Self& self) {
    v("code", self.code);
    v("message", self.message);
  }
};

struct GatewayRetryScheduled {
  static constexpr std::uint16_t kType = 32;
  static constexpr std::string_view kName = "gateway_retry_scheduled";
  std::uint32_t attempt = 0;  // the one that failed
  std::string error;
  Timestamp not_before;

  template <class Visitor, class Self>
  static void fields(Visitor& v, Self& self) {
    v("attempt", self.attempt);
    v("error", self.error);
    v("not_before", self.not_before);
  }
};

struct GatewayConfirmed {
  static constexpr std::uint16_t kType = 33;
  static constexpr std::string_view kName = "gateway_confirmed";
  std::uint32_t attempt = 0;
  std::string reference;

  template <class Visitor, class Self>
  static void fields(Visitor& v, Self& self) {
    v("attempt", self.attempt);
    v("reference", self.reference);
  }
};

struct GatewayDeclined {
  static constexpr std::uint16_t kType = 34;
  static constexpr std::string_view kName = "gateway_declined";
  std::uint32_t attempt = 0;
  std::string reason;

  template <class Visitor, class Self>
  static void fields(Visitor& v, Self& self) {
    v("attempt", self.attempt);
    v("reason", self.reason);
  }
};

// The last permitted attempt failed as well.
struct GatewayExhausted {
  static constexpr std::uint16_t kType = 35;
  static constexpr std::string_view kName = "gateway_exhausted";
  std::uint32_t attempt = 0;
  std::string error;

  template <class Visitor, class Self>
  static void fields(Visitor& v, Self& self) {
    v("attempt", self.attempt);
    v("error", self.error);
  }
};

struct PaymentSucceeded {
  static constexpr std::uint16_t kType = 36;
  static constexpr std::string_view kName = "payment_succeeded";

  template <class Visitor, class Self>
  static void fields(Visitor& /*v*/, Self& /*self*/) {}
};

struct PaymentFailed {
  static constexpr std::uint16_t kType = 37;
  static constexpr std::string_view kName = "payment_failed";
  FailureCode code = FailureCode::kNone;
  std::string message;

  template <class Visitor, class Self>
  static void fields(Visitor& v, Self& self) {
    v("code", self.code);
    v("message", self.message);
  }
};

struct NotificationSent {
  static constexpr std::uint16_t kType = 38;
  static constexpr std::string_view kName = "notification_sent";
  std::uint32_t attempt = 0;
  NotifyChannel channel = NotifyChannel::kLog;

  template <class Visitor, class Self>
  static void fields(Visitor& v, Self& self) {
    v("attempt", self.attempt);
    v("channel", self.channel);
  }
};

struct NotificationRetryScheduled {
  static constexpr std::uint16_t kType = 39;
  static constexpr std::string_view kName = "notification_retry_scheduled";
  std::uint32_t attempt = 0;
  std::string error;
  Timestamp not_before;
  NotifyChannel channel = NotifyChannel::kLog;

  template <class Visitor, class Self>
  static void fields(Visitor& v, Self& self) {
    v("attempt", self.attempt);
    v("error", self.error);
    v("not_before", self.not_before);
    v("channel", self.channel);
  }
};

struct NotificationExhausted {
  static constexpr std::uint16_t kType = 40;
  static constexpr std::string_view kName = "notification_exhausted";
  std::uint32_t attempt = 0;
  std::string error;
  NotifyChannel channel = NotifyChannel::kLog;

  template <class Visitor, class Self>
  static void fields(Visitor& v, Self& self) {
    v("attempt", self.attempt);
    v("error", self.error);
    v("channel", self.channel);
  }
};

// The call ended without an answer: whether the money was taken is not known, and only an inquiry
// under the same key can tell.
struct GatewayInDoubt {
  static constexpr std::uint16_t kType = 41;
  static constexpr std::string_view kName = "gateway_in_doubt";
  std::uint32_t attempt = 0;
  std::string error;
  Timestamp not_before;  // of the inquiry

  template <class Visitor, class Self>
  static void fields(Visitor& v, Self& self) {
    v("attempt", self.attempt);
    v("error", self.error);
    v("not_before", self.not_before);
  }
};

struct InquiryRetryScheduled {
  static constexpr std::uint16_t kType = 42;
  static constexpr std::string_view kName = "inquiry_retry_scheduled";
  std::uint32_t inquiry = 0;
  std::string error;
  Timestamp not_before;

  template <class Visitor, class Self>
  static void fields(Visitor& v, Self& self) {
    v("inquiry", self.inquiry);
    v("error", self.error);
    v("not_before", self.not_before);
  }
};

// The gateway does not know the key: the call that was in doubt took nothing.
struct InquiryFoundNothing {
  static constexpr std::uint16_t kType = 43;
  static constexpr std::string_view kName = "inquiry_found_nothing";
  std::uint32_t inquiry = 0;

  template <class Visitor, class Self>
  static void fields(Visitor& v, Self& self) {
    v("inquiry", self.inquiry);
  }
};

// The gateway took the call and will tell the outcome by a callback, until `deadline`.
struct GatewayAccepted {
  static constexpr std::uint16_t kType = 44;
  static constexpr std::string_view kName = "gateway_accepted";
  std::uint32_t attempt = 0;
  std::string reference;
  Timestamp deadline;

  template <class Visitor, class Self>
  static void fields(Visitor& v, Self& self) {
    v("attempt", self.attempt);
    v("reference", self.reference);
    v("deadline", self.deadline);
  }
};

struct CallbackReceived {
  static constexpr std::uint16_t kType = 45;
  static constexpr std::string_view kName = "callback_received";
  CallbackOutcome outcome = CallbackOutcome::kConfirmed;
  CallbackEffect effect = CallbackEffect::kApplied;
  std::string reference;
  std::string reason;
  std::string webhook_id;  // empty when it came without

  template <class Visitor, class Self>
  static void fields(Visitor& v, Self& self) {
    v("outcome", self.outcome);
    v("effect", self.effect);
    v("reference", self.reference);
    v("reason", self.reason);
    v("webhook_id", self.webhook_id);
  }
};

struct CallbackTimedOut {
  static constexpr std::uint16_t kType = 46;
  static constexpr std::string_view kName = "callback_timed_out";
  Timestamp deadline;

  template <class Visitor, class Self>
  static void fields(Visitor& v, Self& self) {
    v("deadline", self.deadline);
  }
};

struct CancelRequested {
  static constexpr std::uint16_t kType = 47;
  static constexpr std::string_view kName = "cancel_requested";
  std::string reason;

  template <class Visitor, class Self>
  static void fields(Visitor& v, Self& self) {
    v("reason", self.reason);
  }
};

// What was done is undone in reverse: first at the gateway as `undo` says, then the hold.
struct CompensationStarted {
  static constexpr std::uint16_t kType = 48;
  static constexpr std::string_view kName = "compensation_started";
  FailureCode code = FailureCode::kNone;  // what the payment will end with
  std::string message;
  CompensationKind undo = CompensationKind::kVoidCharge;

  template <class Visitor, class Self>
  static void fields(Visitor& v, Self& self) {
    v("code", self.code);
    v("message", self.message);
    v("undo", self.undo);
  }
};

// The gateway has nothing (any more) of this payment. The ledger's part is `hold_voided`.
struct CompensationStepDone {
  static constexpr std::uint16_t kType = 49;
  static constexpr std::string_view kName = "compensation_step_done";
  CompensationKind step = CompensationKind::kNone;
  std::uint32_t call = 0;
  std::string detail;

  template <class Visitor, class Self>
  static void fields(Visitor& v, Self& self) {
    v("step", self.step);
    v("call", self.call);
    v("detail", self.detail);
  }
};

struct CompensationRetryScheduled {
  static constexpr std::uint16_t kType = 60;
  static constexpr std::string_view kName = "compensation_retry_scheduled";
  std::uint32_t call = 0;
  std::string error;
  Timestamp not_before;

  template <class Visitor, class Self>
  static void fields(Visitor& v, Self& self) {
    v("call", self.call);
    v("error", self.error);
    v("not_before", self.not_before);
  }
};

// The last permitted attempt failed as well: an operator has to look at it.
struct CompensationExhausted {
  static constexpr std::uint16_t kType = 61;
  static constexpr std::string_view kName = "compensation_exhausted";
  std::uint32_t call = 0;
  std::string error;

  template <class Visitor, class Self>
  static void fields(Visitor& v, Self& self) {
    v("call", self.call);
    v("error", self.error);
  }
};

struct CompensationResumed {
  static constexpr std::uint16_t kType = 62;
  static constexpr std::string_view kName = "compensation_resumed";

  template <class Visitor, class Self>
  static void fields(Visitor& /*v*/, Self& /*self*/) {}
};

// Everything is undone after all, of a payment that had already ended.
struct CompensationCompleted {
  static constexpr std::uint16_t kType = 63;
  static constexpr std::string_view kName = "compensation_completed";

  template <class Visitor, class Self>
  static void fields(Visitor& /*v*/, Self& /*self*/) {}
};

struct FraudCheckStarted {
  static constexpr std::uint16_t kType = 64;
  static constexpr std::string_view kName = "fraud_check_started";
  std::string workflow_id;

  template <class Visitor, class Self>
  static void fields(Visitor& v, Self& self) {
    v("workflow_id", self.workflow_id);
  }
};

struct FraudCheckEnded {
  static constexpr std::uint16_t kType = 65;
  static constexpr std::string_view kName = "fraud_check_ended";
  FraudResult result = FraudResult::kNone;

  template <class Visitor, class Self>
  static void fields(Visitor& v, Self& self) {
    v("result", self.result);
  }
};

struct PaymentCancelled {
  static constexpr std::uint16_t kType = 66;
  static constexpr std::string_view kName = "payment_cancelled";
  std::string reason;

  template <class Visitor, class Self>
  static void fields(Visitor& v, Self& self) {
    v("reason", self.reason);
  }
};

// The gateway took money for a payment that had ended without it: it is given back, once.
struct LateRefundStarted {
  static constexpr std::uint16_t kType = 67;
  static constexpr std::string_view kName = "late_refund_started";
  std::string reference;

  template <class Visitor, class Self>
  static void fields(Visitor& v, Self& self) {
    v("reference", self.reference);
  }
};

// An operator asked for further attempts.
struct NotificationResumed {
  static constexpr std::uint16_t kType = 68;
  static constexpr std::string_view kName = "notification_resumed";
  NotifyChannel channel = NotifyChannel::kLog;

  template <class Visitor, class Self>
  static void fields(Visitor& v, Self& self) {
    v("channel", self.channel);
  }
};

struct RefundRequested {
  static constexpr std::uint16_t kType = 86;
  static constexpr std::string_view kName = "refund_requested";
  std::string refund_id;
  Money amount;

  template <class Visitor, class Self>
  static void fields(Visitor& v, Self& self) {
    v("refund_id", self.refund_id);
    v("amount", self.amount);
  }
};

struct RefundEnded {
  static constexpr std::uint16_t kType = 87;
  static constexpr std::string_view kName = "refund_ended";
  std::string refund_id;
  Money amount;
  bool success = false;

  template <class Visitor, class Self>
  static void fields(Visitor& v, Self& self) {
    v("refund_id", self.refund_id);
    v("amount", self.amount);
    v("success", self.success);
  }
};

}  // namespace payonce::core
