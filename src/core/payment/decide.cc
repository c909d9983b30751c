#include "core/payment/decide.h"

#include <utility>

namespace payonce::core {
namespace {

struct Refusal {
  FailureCode code = FailureCode::kNone;
  std::string message;
};

// Why the payment cannot be accepted; code kNone when it can.
Refusal validate(const PaymentContent& content, const Account* payer) {
  if (payer == nullptr || payer->system) {
    return {FailureCode::kAccountNotFound, "account " + content.user_id + " not found"};
  }
  if (payer->currency != content.amount.currency) {
    return {FailureCode::kCurrencyMismatch, std::string("account ")
                                                .append(payer->id)
                                                .append(" holds ")
                                                .append(payer->currency.code())
                                                .append(", the payment is in ")
                                                .append(content.amount.currency.code())};
  }
  if (payer->available() < content.amount.minor) {
    return {FailureCode::kInsufficientFunds,
            "insufficient funds: available " + format_amount(payer->available(), payer->currency) +
                ", payment " + format_amount(content.amount.minor, payer->currency)};
  }
  return {};
}

void fail_after_hold(const Payment& payment, FailureCode code, std::string message, Decision& out) {
  out.push_back({StreamKind::kPayment, payment.id, HoldVoided{.step = std::string(kHoldStep)}});
  out.push_back({StreamKind::kPayment, payment.id,
                 PaymentFailed{.code = code, .message = std::move(message)}});
}

void confirm(const Payment& payment, const RecordGatewayReply& command, Decision& out) {
  out.push_back({StreamKind::kPayment, payment.id,
                 GatewayConfirmed{.attempt = command.attempt, .reference = command.detail}});
  out.push_back({StreamKind::kPayment, payment.id,
                 HoldPosted{.step = std::string(kHoldStep), .amount = payment.content.amount}});
  out.push_back({StreamKind::kPayment, payment.id, PaymentSucceeded{}});
}

void retry_or_give_up(const Payment& payment, const RecordGatewayReply& command,
                      const Context& context, Decision& out) {
  const RetryPolicy& policy = payment.rules.gateway_retry;
  if (exhausted(policy, command.attempt)) {
    out.push_back({StreamKind::kPayment, payment.id,
                   GatewayExhausted{.attempt = command.attempt, .error = command.detail}});
    fail_after_hold(payment, FailureCode::kGatewayUnavailable,
                    "the gateway did not answer after " + std::to_string(command.attempt) +
                        " attempts: " + command.detail,
                    out);
    return;
  }
  out.push_back(
      {StreamKind::kPayment, payment.id,
       GatewayRetryScheduled{
           .attempt = command.attempt,
           .error = command.detail,
           .not_before = context.now + retry_delay(policy, command.attempt, payment.id)}});
}

}  // namespace

OutcomeKind decide_create_payment(const CreatePayment& command, const std::string& id,
                                  const PaymentParties& parties, const Context& context,
                                  Decision& out) {
  if (parties.existing != nullptr) {
    return parties.existing->content == command.content ? OutcomeKind::kPaymentExisting
                                                        : OutcomeKind::kPaymentExists;
  }
  out.push_back({StreamKind::kPayment, id,
                 PaymentCreated{.content = command.content, .rules = command.rules}});
  Refusal refusal = validate(command.content, parties.payer);
  if (refusal.code != FailureCode::kNone) {
    out.push_back({StreamKind::kPayment, id,
                   PaymentRefused{.code = refusal.code, .message = std::move(refusal.message)}});
    return OutcomeKind::kPaymentRefused;
  }
  const Currency currency = command.content.amount.currency;
  if (parties.clearing == nullptr) {
    out.push_back({StreamKind::kAccount, gateway_account(currency),
                   AccountOpened{.currency = currency, .metadata = {}, .system = true}});
  }
  out.push_back({StreamKind::kPayment, id,
                 FundsHeld{.transfer_id = context.make_id("tr_"),
                           .step = std::string(kHoldStep),
                           .debit_account = command.content.user_id,
                           .credit_account = gateway_account(currency),
                           .amount = command.content.amount}});
  return OutcomeKind::kPaymentAccepted;
}

OutcomeKind decide_gateway_reply(const RecordGatewayReply& command, const Payment* payment,
                                 const Context& context, Decision& out) {
  const auto awaited = payment == nullptr ? std::nullopt : pending_gateway_call(*payment);
  if (!awaited || awaited->attempt != command.attempt) {
    return OutcomeKind::kResultStale;
  }
  switch (command.reply) {
    case GatewayReply::kConfirmed:
      confirm(*payment, command, out);
      break;
    case GatewayReply::kDeclined:
      out.push_back({StreamKind::kPayment, payment->id,
                     GatewayDeclined{.attempt = command.attempt, .reason = command.detail}});
      fail_after_hold(*payment, FailureCode::kGatewayDeclined,
                      "the gateway declined the payment: " + command.detail, out);
      break;
    case GatewayReply::kTemporaryFailure:
      retry_or_give_up(*payment, command, context, out);
      break;
  }
  return OutcomeKind::kResultApplied;
}

OutcomeKind decide_notification(const RecordNotification& command, const Payment* payment,
                                const Context& context, Decision& out) {
  const auto awaited = payment == nullptr ? std::nullopt : pending_notification(*payment);
  if (!awaited || awaited->attempt != command.attempt) {
    return OutcomeKind::kResultStale;
  }
  const RetryPolicy& policy = payment->rules.notify_retry;
  Event event;
  if (command.delivered) {
    event = NotificationSent{.attempt = command.attempt};
  } else if (exhausted(policy, command.attempt)) {
    event = NotificationExhausted{.attempt = command.attempt, .error = command.error};
  } else {
    event = NotificationRetryScheduled{
        .attempt = command.attempt,
        .error = command.error,
        .not_before = context.now + retry_delay(policy, command.attempt, payment->id + "/notify")};
  }
  out.push_back({StreamKind::kPayment, payment->id, std::move(event)});
  return OutcomeKind::kResultApplied;
}

}  // namespace payonce::core
