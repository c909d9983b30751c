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

std::optional<PendingCall> pending_notification(const Payment& payment) {
  if (payment.notify != NotifyState::kPending) {
    return std::nullopt;
  }
  return PendingCall{.attempt = payment.notify_attempts + 1,
                     .not_before = payment.notify_not_before};
}

}  // namespace payonce::core
