#include "core/payment/decide.h"

#include <utility>

#include "base/planted.h"

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
  if (payer->available() < content.amount.minor && !planted(Bug::kOverdraft)) {
    return {FailureCode::kInsufficientFunds,
            "insufficient funds: available " + format_amount(payer->available(), payer->currency) +
                ", payment " + format_amount(content.amount.minor, payer->currency)};
  }
  return {};
}

// The check's whole life when it has nothing to wait for, else its beginning.
void start_fraud_check(const CreatePayment& command, const std::string& id, Decision& out) {
  const FraudRules& rules = command.rules.fraud;
  if (rules.mode == FraudMode::kNone) {
    return;
  }
  const std::string child = fraud_check_id(id);
  out.push_back({StreamKind::kFraud, child,
                 FraudCheckOpened{.payment_id = id,
                                  .user_id = command.content.user_id,
                                  .amount = command.content.amount,
                                  .payment_method = command.content.payment_method,
                                  .rules = rules}});
  out.push_back({StreamKind::kPayment, id, FraudCheckStarted{.workflow_id = child}});
  if (rules.mode == FraudMode::kInline) {
    out.push_back(
        {StreamKind::kFraud, child,
         FraudCheckDecided{.result = FraudResult::kApproved, .attempt = 0, .reason = "automatic"}});
    out.push_back({StreamKind::kPayment, id, FraudCheckEnded{.result = FraudResult::kApproved}});
  }
}

}  // namespace

void push(const Payment& payment, Event event, Decision& out) {
  out.push_back({StreamKind::kPayment, payment.id, std::move(event)});
}

void succeed(const Payment& payment, Decision& out) {
  push(payment, HoldPosted{.step = std::string(kHoldStep), .amount = payment.content.amount}, out);
  push(payment, PaymentSucceeded{}, out);
}

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
  start_fraud_check(command, id, out);
  return OutcomeKind::kPaymentAccepted;
}

void decide_fraud_ended(const Payment& payment, FraudResult result, const std::string& reason,
                        Decision& out) {
  if (payment.fraud != FraudResult::kRunning) {
    return;  // abandoned: its payment has gone on without it
  }
  push(payment, FraudCheckEnded{.result = result}, out);
  if (result == FraudResult::kApproved || planted(Bug::kFraudIgnored)) {
    if (payment.gateway == GatewayState::kConfirmed) {
      succeed(payment, out);
    }
    return;
  }
  const bool late = result == FraudResult::kTimedOut;
  undo(payment, late ? FailureCode::kFraudTimeout : FailureCode::kFraudRejected,
       late ? "the fraud check gave no verdict in time" : "the fraud check rejected it: " + reason,
       out);
}

}  // namespace payonce::core
