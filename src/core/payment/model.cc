#include "core/payment/model.h"

namespace payonce::core {

std::string_view name(PaymentStatus status) {
  switch (status) {
    case PaymentStatus::kPending:
      return "pending";
    case PaymentStatus::kProcessing:
      return "processing";
    case PaymentStatus::kSuccess:
      return "success";
    case PaymentStatus::kFail:
      return "fail";
    case PaymentStatus::kCancelled:
      return "cancelled";
  }
  return "";
}

std::string_view name(PaymentStep step) {
  switch (step) {
    case PaymentStep::kValidate:
      return "validate";
    case PaymentStep::kHold:
      return "hold";
    case PaymentStep::kGateway:
      return "gateway";
    case PaymentStep::kPost:
      return "post";
    case PaymentStep::kCompensate:
      return "compensate";
    case PaymentStep::kNotify:
      return "notify";
    case PaymentStep::kDone:
      return "done";
    case PaymentStep::kFraudCheck:
      return "fraud_check";
    case PaymentStep::kAwaitCallback:
      return "await_callback";
    case PaymentStep::kInquiry:
      return "inquiry";
  }
  return "";
}

std::string_view name(FailureCode code) {
  switch (code) {
    case FailureCode::kNone:
      return "none";
    case FailureCode::kAccountNotFound:
      return "account_not_found";
    case FailureCode::kAccountClosed:
      return "account_closed";
    case FailureCode::kCurrencyMismatch:
      return "currency_mismatch";
    case FailureCode::kInsufficientFunds:
      return "insufficient_funds";
    case FailureCode::kLimitExceeded:
      return "limit_exceeded";
    case FailureCode::kGatewayDeclined:
      return "gateway_declined";
    case FailureCode::kGatewayUnavailable:
      return "gateway_unavailable";
    case FailureCode::kCallbackTimeout:
      return "callback_timeout";
    case FailureCode::kFraudRejected:
      return "fraud_rejected";
    case FailureCode::kFraudTimeout:
      return "fraud_timeout";
    case FailureCode::kCancelled:
      return "cancelled";
    case FailureCode::kCompensationFailed:
      return "compensation_failed";
  }
  return "";
}

std::string_view name(GatewayState state) {
  switch (state) {
    case GatewayState::kNone:
      return "none";
    case GatewayState::kPending:
      return "pending";
    case GatewayState::kRetrying:
      return "retrying";
    case GatewayState::kConfirmed:
      return "confirmed";
    case GatewayState::kDeclined:
      return "declined";
    case GatewayState::kUnavailable:
      return "unavailable";
    case GatewayState::kInDoubt:
      return "in_doubt";
    case GatewayState::kAccepted:
      return "accepted";
    case GatewayState::kGated:
      return "gated";
    case GatewayState::kUndoing:
      return "undoing";
    case GatewayState::kUndone:
      return "undone";
  }
  return "";
}

std::string_view name(NotifyState state) {
  switch (state) {
    case NotifyState::kNone:
      return "none";
    case NotifyState::kPending:
      return "pending";
    case NotifyState::kSent:
      return "sent";
    case NotifyState::kExhausted:
      return "exhausted";
  }
  return "";
}

std::string_view name(CompensationState state) {
  switch (state) {
    case CompensationState::kNone:
      return "none";
    case CompensationState::kCompleted:
      return "completed";
    case CompensationState::kRunning:
      return "running";
    case CompensationState::kFailed:
      return "failed";
  }
  return "";
}

std::string_view name(NotifyChannel channel) {
  switch (channel) {
    case NotifyChannel::kLog:
      return "log";
    case NotifyChannel::kWebhook:
      return "webhook";
    case NotifyChannel::kSmtp:
      return "smtp";
  }
  return "";
}

std::string_view name(CompensationKind kind) {
  switch (kind) {
    case CompensationKind::kNone:
      return "none";
    case CompensationKind::kVoidCharge:
      return "void_charge";
    case CompensationKind::kRefundCharge:
      return "refund_charge";
    case CompensationKind::kReleaseHold:
      return "release_hold";
  }
  return "";
}

std::string_view name(CompensationStepState state) {
  switch (state) {
    case CompensationStepState::kPending:
      return "pending";
    case CompensationStepState::kDone:
      return "completed";
    case CompensationStepState::kFailed:
      return "failed";
  }
  return "";
}

std::string_view name(CallbackOutcome outcome) {
  switch (outcome) {
    case CallbackOutcome::kConfirmed:
      return "confirmed";
    case CallbackOutcome::kDeclined:
      return "declined";
  }
  return "";
}

std::string_view name(CallbackEffect effect) {
  switch (effect) {
    case CallbackEffect::kApplied:
      return "applied";
    case CallbackEffect::kLateSuccess:
      return "late_success";
    case CallbackEffect::kContradicts:
      return "contradicts";
  }
  return "";
}

std::optional<PendingCall> pending_gateway_call(const Payment& payment) {
  if (payment.gateway != GatewayState::kPending && payment.gateway != GatewayState::kRetrying) {
    return std::nullopt;
  }
  return PendingCall{.attempt = payment.gateway_attempts + 1,
                     .not_before = payment.gateway_not_before};
}

std::optional<PendingCall> pending_inquiry(const Payment& payment) {
  if (payment.gateway != GatewayState::kInDoubt) {
    return std::nullopt;
  }
  return PendingCall{.attempt = payment.inquiries + 1, .not_before = payment.inquiry_not_before};
}

const CompensationStep* next_compensation_step(const Payment& payment) {
  for (const CompensationStep& step : payment.compensation_steps) {
    if (step.state != CompensationStepState::kDone) {
      return &step;
    }
  }
  return nullptr;
}

std::optional<PendingCall> pending_undo(const Payment& payment) {
  const CompensationStep* step = next_compensation_step(payment);
  if (payment.compensation != CompensationState::kRunning || step == nullptr ||
      step->kind == CompensationKind::kReleaseHold) {
    return std::nullopt;
  }
  return PendingCall{.attempt = payment.compensation_calls + 1,
                     .not_before = payment.compensation_not_before};
}

std::optional<PendingCall> pending_notification(const Delivery& delivery) {
  if (delivery.state != NotifyState::kPending) {
    return std::nullopt;
  }
  return PendingCall{.attempt = delivery.calls + 1, .not_before = delivery.not_before};
}

std::optional<Timestamp> pending_timer(const Payment& payment) {
  if (payment.gateway != GatewayState::kAccepted) {
    return std::nullopt;
  }
  return payment.callback_deadline;
}

const Delivery* find_delivery(const Payment& payment, NotifyChannel channel) {
  for (const Delivery& delivery : payment.deliveries) {
    if (delivery.channel == channel) {
      return &delivery;
    }
  }
  return nullptr;
}

bool compensating(const Payment& payment) {
  return payment.compensation == CompensationState::kRunning ||
         payment.compensation == CompensationState::kFailed;
}

}  // namespace payonce::core
