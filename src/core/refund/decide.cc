#include "core/refund/decide.h"

#include <limits>
#include <utility>

#include "base/planted.h"

namespace payonce::core {
namespace {

void push(const Refund& refund, Event event, Decision& out) {
  out.push_back({StreamKind::kRefund, refund.id, std::move(event)});
}

void end_in_payment(const Refund& refund, bool success, Decision& out) {
  out.push_back({StreamKind::kPayment, refund.payment_id,
                 RefundEnded{.refund_id = refund.id, .amount = refund.amount, .success = success}});
}

void confirm(const RefundParties& parties, const RecordRefundReply& command, const Context& context,
             Decision& out) {
  const Refund& refund = *parties.refund;
  const WideAmount after = parties.payer->posted + refund.amount.minor;
  if (after > std::numeric_limits<std::int64_t>::max()) {
    // Given back at the gateway, and asked for again under the same key once there is room.
    push(refund, RefundExhausted{.call = command.call, .error = std::string(kRefundOverflow)}, out);
    return;
  }
  push(refund, RefundConfirmed{.call = command.call, .reference = command.detail}, out);
  push(refund,
       FundsTransferred{.transfer_id = context.make_id("tr_"),
                        .workflow_id = refund.id,
                        .step = std::string(kRefundStep),
                        .debit_account = gateway_account(refund.amount.currency),
                        .credit_account = refund.user_id,
                        .amount = refund.amount,
                        .reference = refund.payment_id},
       out);
  end_in_payment(refund, true, out);
}

}  // namespace

RefundVerdict decide_create_refund(const CreateRefund& command, const std::string& id,
                                   const Payment* payment, Decision& out) {
  if (payment == nullptr) {
    return {.kind = OutcomeKind::kPaymentNotFound, .amount_error = {}};
  }
  if (payment->status != PaymentStatus::kSuccess || payment->refunds >= kRefundsMax) {
    return {.kind = OutcomeKind::kRefundNotPossible, .amount_error = {}};
  }
  const Currency currency = payment->content.amount.currency;
  const std::int64_t left = payment->content.amount.minor - payment->refunded_minor -
                            (planted(Bug::kDoubleRefund) ? 0 : payment->refunding_minor);
  std::int64_t amount = left;
  if (!command.amount.empty()) {
    const ParsedAmount parsed = parse_amount(command.amount, currency);
    if (parsed.error) {
      return {.kind = OutcomeKind::kInvalidAmount, .amount_error = *parsed.error};
    }
    amount = parsed.minor;
  }
  if (amount <= 0 || amount > left) {
    return {.kind = OutcomeKind::kRefundTooMuch, .amount_error = {}};
  }
  out.push_back({StreamKind::kRefund, id,
                 RefundCreated{.payment_id = payment->id,
                               .user_id = payment->content.user_id,
                               .amount = Money{amount, currency},
                               .payment_method = payment->content.payment_method,
                               .retry = payment->rules.compensation_retry}});
  out.push_back({StreamKind::kPayment, payment->id,
                 RefundRequested{.refund_id = id, .amount = Money{amount, currency}}});
  return {.kind = OutcomeKind::kRefundAccepted, .amount_error = {}};
}

OutcomeKind decide_refund_reply(const RecordRefundReply& command, const RefundParties& parties,
                                const Context& context, Decision& out) {
  const auto awaited =
      parties.refund == nullptr ? std::nullopt : pending_refund_call(*parties.refund);
  if (!awaited || awaited->attempt != command.call || parties.payer == nullptr) {
    return OutcomeKind::kResultStale;
  }
  const Refund& refund = *parties.refund;
  switch (command.reply) {
    case RefundReply::kConfirmed:
      confirm(parties, command, context, out);
      break;
    case RefundReply::kDeclined:
      push(refund, RefundDeclined{.call = command.call, .reason = command.detail}, out);
      end_in_payment(refund, false, out);
      break;
    case RefundReply::kFailed: {
      const std::uint32_t attempt = refund.attempts + 1;
      if (exhausted(refund.retry, attempt)) {
        push(refund, RefundExhausted{.call = command.call, .error = command.detail}, out);
      } else {
        push(refund,
             RefundRetryScheduled{
                 .call = command.call,
                 .error = command.detail,
                 .not_before = context.now + retry_delay(refund.retry, attempt, refund.id)},
             out);
      }
      break;
    }
  }
  return OutcomeKind::kResultApplied;
}

OutcomeKind decide_retry_refund(const Refund* refund, Decision& out) {
  if (refund == nullptr) {
    return OutcomeKind::kTaskNotFound;
  }
  if (refund->status != RefundStatus::kExhausted) {
    return OutcomeKind::kTaskNotExhausted;
  }
  push(*refund, RefundResumed{}, out);
  return OutcomeKind::kTaskRetried;
}

}  // namespace payonce::core
