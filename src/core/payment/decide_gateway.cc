// What follows from an answer of the gateway, by whichever way it comes.
#include <utility>

#include "core/payment/decide.h"

#include "base/planted.h"

namespace payonce::core {
namespace {

// The attempt whose outcome is open. Only for payments that wait for one.
std::uint32_t open_attempt(const Payment& payment) {
  const auto call = pending_gateway_call(payment);
  return call ? call->attempt : payment.gateway_attempts;
}

void confirm(const Payment& payment, const std::string& reference, Decision& out) {
  push(payment, GatewayConfirmed{.attempt = open_attempt(payment), .reference = reference}, out);
  const bool cleared =
      payment.fraud == FraudResult::kNone || payment.fraud == FraudResult::kApproved;
  if (cleared) {
    succeed(payment, out);
  }
}

void decline(const Payment& payment, const std::string& reason, Decision& out) {
  push(payment, GatewayDeclined{.attempt = open_attempt(payment), .reason = reason}, out);
  close_fraud_check(payment, out);
  fail_after_hold(payment, FailureCode::kGatewayDeclined,
                  "the gateway declined the payment: " + reason, out);
}

void accept(const Payment& payment, const std::string& reference, const Context& context,
            Decision& out) {
  push(payment,
       GatewayAccepted{.attempt = open_attempt(payment),
                       .reference = reference,
                       .deadline = context.now + payment.rules.callback_timeout},
       out);
}

void give_up(const Payment& payment, const std::string& error, std::string message, Decision& out) {
  push(payment, GatewayExhausted{.attempt = open_attempt(payment), .error = error}, out);
  close_fraud_check(payment, out);
  if (payment.rules.void_when_given_up) {
    undo(payment, FailureCode::kGatewayUnavailable, std::move(message), out);
  } else {
    fail_after_hold(payment, FailureCode::kGatewayUnavailable, std::move(message), out);
  }
}

// The call took nothing.
void retry_or_give_up(const Payment& payment, const std::string& error, const Context& context,
                      Decision& out) {
  const RetryPolicy& policy = payment.rules.gateway_retry;
  const std::uint32_t attempt = open_attempt(payment);
  if (exhausted(policy, attempt)) {
    give_up(payment, error,
            "the gateway did not answer after " + std::to_string(attempt) + " attempts: " + error,
            out);
    return;
  }
  push(payment,
       GatewayRetryScheduled{.attempt = attempt,
                             .error = error,
                             .not_before = context.now + retry_delay(policy, attempt, payment.id)},
       out);
}

// How long until the inquiry after `asked` ones.
Duration inquiry_delay(const Payment& payment, std::uint32_t asked) {
  return retry_delay(payment.rules.inquiry_retry, asked + 1, payment.id + "/inquiry");
}

// True when a confirmation says that the gateway took money for a payment that ended without it.
bool money_came_late(const Payment& payment) {
  if (planted(Bug::kLateSuccessIgnored)) {
    return false;
  }
  const bool ended = terminal(payment.status) && payment.status != PaymentStatus::kSuccess;
  return ended && !payment.late_refund && !compensating(payment) &&
         payment.gateway != GatewayState::kNone;
}

// An answer that the state does not wait for. That money was taken is never without effect.
OutcomeKind unawaited(const Payment& payment, bool confirmed, const std::string& reference,
                      Decision& out) {
  if (!confirmed || !money_came_late(payment)) {
    return OutcomeKind::kResultStale;
  }
  refund_late_success(payment, reference, out);
  return OutcomeKind::kResultApplied;
}

}  // namespace

OutcomeKind decide_gateway_reply(const RecordGatewayReply& command, const Payment* payment,
                                 const Context& context, Decision& out) {
  if (payment == nullptr) {
    return OutcomeKind::kResultStale;
  }
  const auto awaited = pending_gateway_call(*payment);
  const bool stale = !awaited || awaited->attempt != command.attempt;
  if (stale && (!planted(Bug::kStaleResultTaken) || terminal(payment->status))) {
    return unawaited(*payment, command.reply == GatewayReply::kConfirmed, command.detail, out);
  }
  switch (command.reply) {
    case GatewayReply::kConfirmed:
      confirm(*payment, command.detail, out);
      break;
    case GatewayReply::kDeclined:
      decline(*payment, command.detail, out);
      break;
    case GatewayReply::kTemporaryFailure:
      retry_or_give_up(*payment, command.detail, context, out);
      break;
    case GatewayReply::kRefused:
      give_up(*payment, command.detail, "the gateway refused the request: " + command.detail, out);
      break;
    case GatewayReply::kAccepted:
      accept(*payment, command.detail, context, out);
      break;
    case GatewayReply::kNoAnswer:
      if (planted(Bug::kTimeoutIsDecline)) {
        decline(*payment, command.detail, out);
        break;
      }
      push(*payment,
           GatewayInDoubt{.attempt = command.attempt,
                          .error = command.detail,
                          .not_before = context.now + inquiry_delay(*payment, 0)},
           out);
      break;
  }
  return OutcomeKind::kResultApplied;
}

OutcomeKind decide_inquiry_reply(const RecordInquiryReply& command, const Payment* payment,
                                 const Context& context, Decision& out) {
  if (payment == nullptr) {
    return OutcomeKind::kResultStale;
  }
  const auto awaited = pending_inquiry(*payment);
  if (!awaited || awaited->attempt != command.inquiry) {
    return unawaited(*payment, command.reply == InquiryReply::kConfirmed, command.detail, out);
  }
  switch (command.reply) {
    case InquiryReply::kConfirmed:
      confirm(*payment, command.detail, out);
      break;
    case InquiryReply::kDeclined:
      decline(*payment, command.detail, out);
      break;
    case InquiryReply::kAccepted:
      accept(*payment, command.detail, context, out);
      break;
    case InquiryReply::kUnknownKey:
      push(*payment, InquiryFoundNothing{.inquiry = command.inquiry}, out);
      retry_or_give_up(*payment, payment->gateway_error, context, out);
      break;
    case InquiryReply::kNoAnswer:
      // Asked again without end: whether money was taken has to be known.
      push(*payment,
           InquiryRetryScheduled{
               .inquiry = command.inquiry,
               .error = command.detail,
               .not_before = context.now + inquiry_delay(*payment, command.inquiry)},
           out);
      break;
  }
  return OutcomeKind::kResultApplied;
}

OutcomeKind decide_callback(const RecordCallback& command, const Payment* payment, Decision& out) {
  if (payment == nullptr) {
    return OutcomeKind::kPaymentNotFound;
  }
  CallbackReceived received{.outcome = command.outcome,
                            .effect = CallbackEffect::kApplied,
                            .reference = command.reference,
                            .reason = command.reason,
                            .webhook_id = command.webhook_id};
  const bool confirmed = command.outcome == CallbackOutcome::kConfirmed;
  const std::string& reference =
      command.reference.empty() ? payment->gateway_reference : command.reference;
  const bool open = pending_gateway_call(*payment) || pending_inquiry(*payment) ||
                    payment->gateway == GatewayState::kAccepted;
  if (open) {
    push(*payment, std::move(received), out);
    confirmed ? confirm(*payment, reference, out) : decline(*payment, command.reason, out);
    return OutcomeKind::kCallbackAccepted;
  }
  if (confirmed && money_came_late(*payment)) {
    received.effect = CallbackEffect::kLateSuccess;
    push(*payment, std::move(received), out);
    refund_late_success(*payment, reference, out);
    return OutcomeKind::kCallbackAccepted;
  }
  // What is left says nothing new, or contradicts what is known. The first contradiction is kept.
  const bool known_confirmed = payment->gateway == GatewayState::kConfirmed || payment->late_refund;
  if (confirmed != known_confirmed && !compensating(*payment) && !payment->callback_contradicted) {
    const bool known_declined = !confirmed && payment->gateway != GatewayState::kConfirmed;
    if (!known_declined) {
      received.effect = CallbackEffect::kContradicts;
      push(*payment, std::move(received), out);
    }
  }
  return OutcomeKind::kCallbackAccepted;
}

OutcomeKind decide_callback_timer(const TimerFired& command, const Payment* payment,
                                  const Context& context, Decision& out) {
  const auto awaited = payment == nullptr ? std::nullopt : pending_timer(*payment);
  if (!awaited || *awaited != command.due || context.now < command.due) {
    return OutcomeKind::kResultStale;
  }
  push(*payment, CallbackTimedOut{.deadline = command.due}, out);
  close_fraud_check(*payment, out);
  undo(*payment, FailureCode::kCallbackTimeout, "the gateway did not call back in time", out);
  return OutcomeKind::kResultApplied;
}

}  // namespace payonce::core
