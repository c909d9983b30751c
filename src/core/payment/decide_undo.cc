// Cancel and compensation: what has been done is undone in reverse, each step until it is done.
#include <utility>

#include "core/payment/decide.h"

#include "base/planted.h"

namespace payonce::core {
namespace {

void end(const Payment& payment, FailureCode code, std::string message, Decision& out) {
  if (code == FailureCode::kCancelled) {
    push(payment, PaymentCancelled{.reason = std::move(message)}, out);
  } else {
    push(payment, PaymentFailed{.code = code, .message = std::move(message)}, out);
  }
}

// What has to happen at the gateway so that it holds nothing of this payment.
CompensationKind gateway_undo(const Payment& payment) {
  switch (payment.gateway) {
    case GatewayState::kPending:
    case GatewayState::kRetrying:
    case GatewayState::kInDoubt:
    case GatewayState::kAccepted:
      return CompensationKind::kVoidCharge;
    case GatewayState::kConfirmed:
      return CompensationKind::kRefundCharge;
    case GatewayState::kNone:
    case GatewayState::kDeclined:
    case GatewayState::kUnavailable:
    case GatewayState::kGated:
    case GatewayState::kUndoing:
    case GatewayState::kUndone:
      break;
  }
  return CompensationKind::kNone;
}

bool holds_money(const Payment& payment) {
  for (const CompensationStep& step : payment.compensation_steps) {
    if (step.kind == CompensationKind::kReleaseHold) {
      return step.state != CompensationStepState::kDone;
    }
  }
  return true;
}

void finish_undo(const Payment& payment, Decision& out) {
  if (holds_money(payment)) {
    push(payment, HoldVoided{.step = std::string(kHoldStep)}, out);
  }
  if (terminal(payment.status)) {
    push(payment, CompensationCompleted{}, out);
  } else {
    end(payment, payment.cause, payment.cause_message, out);
  }
}

void retry_or_give_up(const Payment& payment, const RecordUndoReply& command,
                      const Context& context, Decision& out) {
  const RetryPolicy& policy = payment.rules.compensation_retry;
  const std::uint32_t attempt = payment.compensation_attempts + 1;
  if (!exhausted(policy, attempt)) {
    push(payment,
         CompensationRetryScheduled{
             .call = command.call,
             .error = command.detail,
             .not_before = context.now + retry_delay(policy, attempt, payment.id + "/undo")},
         out);
    return;
  }
  push(payment, CompensationExhausted{.call = command.call, .error = command.detail}, out);
  if (!terminal(payment.status)) {
    end(payment, FailureCode::kCompensationFailed,
        std::string(name(payment.cause))
            .append(", and undoing it at the gateway failed: ")
            .append(command.detail),
        out);
  }
}

}  // namespace

bool decided(const Payment& payment) { return terminal(payment.status) || compensating(payment); }

void close_fraud_check(const Payment& payment, Decision& out) {
  if (payment.fraud != FraudResult::kRunning) {
    return;
  }
  if (payment.rules.fraud.parent_close == ParentClose::kTerminate) {
    out.push_back(
        {StreamKind::kFraud, fraud_check_id(payment.id),
         FraudCheckDecided{
             .result = FraudResult::kCancelled, .attempt = 0, .reason = "the payment ended"}});
  }
  push(payment, FraudCheckEnded{.result = FraudResult::kCancelled}, out);
}

void fail_after_hold(const Payment& payment, FailureCode code, std::string message, Decision& out) {
  if (!planted(Bug::kHoldKept)) {
    push(payment, HoldVoided{.step = std::string(kHoldStep)}, out);
  }
  end(payment, code, std::move(message), out);
}

void undo(const Payment& payment, FailureCode code, std::string message, Decision& out) {
  const CompensationKind kind = gateway_undo(payment);
  if (kind == CompensationKind::kNone) {
    fail_after_hold(payment, code, std::move(message), out);
    return;
  }
  push(payment, CompensationStarted{.code = code, .message = std::move(message), .undo = kind},
       out);
}

void refund_late_success(const Payment& payment, const std::string& reference, Decision& out) {
  push(payment, LateRefundStarted{.reference = reference}, out);
}

OutcomeKind decide_cancel(const CancelPayment& command, const Payment* payment, Decision& out) {
  if (payment == nullptr) {
    return OutcomeKind::kPaymentNotFound;
  }
  if (payment->status == PaymentStatus::kCancelled) {
    return OutcomeKind::kCancelled;
  }
  if (decided(*payment)) {
    const bool cancelling = !terminal(payment->status) && payment->cause == FailureCode::kCancelled;
    return cancelling ? OutcomeKind::kCancelAccepted : OutcomeKind::kPaymentClosed;
  }
  push(*payment, CancelRequested{.reason = command.reason}, out);
  if (planted(Bug::kCancelForgotten) && payment->gateway == GatewayState::kConfirmed) {
    return OutcomeKind::kCancelAccepted;
  }
  close_fraud_check(*payment, out);
  undo(*payment, FailureCode::kCancelled, command.reason, out);
  return OutcomeKind::kCancelAccepted;
}

OutcomeKind decide_undo_reply(const RecordUndoReply& command, const Payment* payment,
                              const Context& context, Decision& out) {
  const auto awaited = payment == nullptr ? std::nullopt : pending_undo(*payment);
  if (!awaited || awaited->attempt != command.call) {
    return OutcomeKind::kResultStale;
  }
  if (command.reply == UndoReply::kFailed) {
    retry_or_give_up(*payment, command, context, out);
    return OutcomeKind::kResultApplied;
  }
  push(*payment,
       CompensationStepDone{.step = next_compensation_step(*payment)->kind,
                            .call = command.call,
                            .detail = command.detail},
       out);
  finish_undo(*payment, out);
  return OutcomeKind::kResultApplied;
}

OutcomeKind decide_retry_compensation(const Payment* payment, Decision& out) {
  if (payment == nullptr) {
    return OutcomeKind::kPaymentNotFound;
  }
  if (payment->compensation != CompensationState::kFailed) {
    return OutcomeKind::kNotCompensationFailed;
  }
  push(*payment, CompensationResumed{}, out);
  return OutcomeKind::kCompensationRetried;
}

}  // namespace payonce::core
