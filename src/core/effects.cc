#include "core/effects.h"

namespace payonce::core {
namespace {

bool ended(const Refund& refund) {
  return refund.status == RefundStatus::kSuccess || refund.status == RefundStatus::kFail;
}

void append_calls(const Payment& payment, const Waits& now, const Waits& before,
                  std::vector<Effect>& out) {
  const PaymentContent& content = payment.content;
  if (now.gateway && now.gateway != before.gateway) {
    out.emplace_back(CallGateway{.payment_id = payment.id,
                                 .attempt = now.gateway->attempt,
                                 .not_before = now.gateway->not_before,
                                 .amount = content.amount,
                                 .payment_method = content.payment_method});
  }
  if (now.inquiry && now.inquiry != before.inquiry) {
    out.emplace_back(InquireGateway{.payment_id = payment.id,
                                    .inquiry = now.inquiry->attempt,
                                    .not_before = now.inquiry->not_before,
                                    .payment_method = content.payment_method});
  }
  if (now.undo && now.undo != before.undo) {
    out.emplace_back(UndoAtGateway{.payment_id = payment.id,
                                   .kind = next_compensation_step(payment)->kind,
                                   .call = now.undo->attempt,
                                   .not_before = now.undo->not_before,
                                   .amount = content.amount,
                                   .payment_method = content.payment_method});
  }
  if (now.callback && now.callback != before.callback) {
    out.emplace_back(StartTimer{.kind = StreamKind::kPayment,
                                .id = payment.id,
                                .due = *now.callback,
                                .payment_method = content.payment_method});
  }
}

void append_notifications(const Payment& payment, const Waits& now, const Waits& before,
                          std::vector<Effect>& out) {
  for (std::size_t i = 0; i < kNotifyChannels.size(); ++i) {
    const auto& call = now.notifications[i];
    if (call && call != before.notifications[i]) {
      out.emplace_back(SendNotification{.payment_id = payment.id,
                                        .channel = kNotifyChannels[i],
                                        .attempt = call->attempt,
                                        .not_before = call->not_before,
                                        .user_id = payment.content.user_id,
                                        .amount = payment.content.amount,
                                        .status = payment.status,
                                        .failure = payment.failure,
                                        .ended_at = payment.ended_at,
                                        .payment_method = payment.content.payment_method});
    }
  }
}

void append_effects(const Payment& payment, const Waits& now, const Waits& before,
                    std::vector<Effect>& out) {
  append_calls(payment, now, before, out);
  append_notifications(payment, now, before, out);
  if (now.payment_ended && !before.payment_ended) {
    out.emplace_back(WorkflowEnded{.kind = StreamKind::kPayment, .id = payment.id});
  }
}

void append_effects(const FraudCheck& check, const Waits& now, const Waits& before,
                    std::vector<Effect>& out) {
  if (now.fraud && now.fraud != before.fraud) {
    out.emplace_back(CheckFraud{.fraud_id = check.id,
                                .attempt = now.fraud->attempt,
                                .not_before = now.fraud->not_before,
                                .payment_id = check.payment_id,
                                .user_id = check.user_id,
                                .amount = check.amount,
                                .payment_method = check.payment_method});
  }
  if (now.fraud_deadline && now.fraud_deadline != before.fraud_deadline) {
    out.emplace_back(StartTimer{.kind = StreamKind::kFraud,
                                .id = check.id,
                                .due = *now.fraud_deadline,
                                .payment_method = check.payment_method});
  }
}

void append_effects(const Refund& refund, const Waits& now, const Waits& before,
                    std::vector<Effect>& out) {
  if (now.refund && now.refund != before.refund) {
    out.emplace_back(RefundAtGateway{.refund_id = refund.id,
                                     .payment_id = refund.payment_id,
                                     .call = now.refund->attempt,
                                     .not_before = now.refund->not_before,
                                     .amount = refund.amount,
                                     .payment_method = refund.payment_method});
  }
  if (now.refund_ended && !before.refund_ended) {
    out.emplace_back(WorkflowEnded{.kind = StreamKind::kRefund, .id = refund.id});
  }
}

bool is(const std::optional<PendingCall>& call, std::uint32_t number) {
  return call && call->attempt == number;
}

}  // namespace

Waits waits_of(const Payment* payment, const FraudCheck* check, const Refund* refund) {
  Waits waits;
  if (payment != nullptr) {
    waits.gateway = pending_gateway_call(*payment);
    waits.inquiry = pending_inquiry(*payment);
    waits.undo = pending_undo(*payment);
    waits.callback = pending_timer(*payment);
    for (std::size_t i = 0; i < kNotifyChannels.size(); ++i) {
      const Delivery* delivery = find_delivery(*payment, kNotifyChannels[i]);
      if (delivery != nullptr) {
        waits.notifications[i] = pending_notification(*delivery);
      }
    }
    waits.payment_ended = terminal(payment->status);
  }
  if (check != nullptr) {
    waits.fraud = pending_fraud_call(*check);
    waits.fraud_deadline = pending_timer(*check);
  }
  if (refund != nullptr) {
    waits.refund = pending_refund_call(*refund);
    waits.refund_ended = ended(*refund);
  }
  return waits;
}

void append_new_effects(const Outcome& outcome, const Waits& before, std::vector<Effect>& out) {
  const Waits now = waits_of(outcome.payment, outcome.fraud, outcome.refund);
  if (outcome.payment != nullptr) {
    append_effects(*outcome.payment, now, before, out);
  }
  if (outcome.fraud != nullptr) {
    append_effects(*outcome.fraud, now, before, out);
  }
  if (outcome.refund != nullptr) {
    append_effects(*outcome.refund, now, before, out);
  }
}

void append_pending_effects(const Payment& payment, std::vector<Effect>& out) {
  Waits before;
  before.payment_ended = true;  // whoever waited for that end has gone with the process
  append_effects(payment, waits_of(&payment, nullptr, nullptr), before, out);
}

void append_pending_effects(const FraudCheck& check, std::vector<Effect>& out) {
  append_effects(check, waits_of(nullptr, &check, nullptr), Waits{}, out);
}

void append_pending_effects(const Refund& refund, std::vector<Effect>& out) {
  Waits before;
  before.refund_ended = true;
  append_effects(refund, waits_of(nullptr, nullptr, &refund), before, out);
}

bool wanted(const Effect& effect, const Payment* payment) {
  if (payment == nullptr) {
    return false;
  }
  if (const auto* call = std::get_if<CallGateway>(&effect)) {
    return is(pending_gateway_call(*payment), call->attempt);
  }
  if (const auto* inquiry = std::get_if<InquireGateway>(&effect)) {
    return is(pending_inquiry(*payment), inquiry->inquiry);
  }
  if (const auto* undo = std::get_if<UndoAtGateway>(&effect)) {
    return is(pending_undo(*payment), undo->call);
  }
  if (const auto* send = std::get_if<SendNotification>(&effect)) {
    const Delivery* delivery = find_delivery(*payment, send->channel);
    return delivery != nullptr && is(pending_notification(*delivery), send->attempt);
  }
  if (const auto* timer = std::get_if<StartTimer>(&effect)) {
    return pending_timer(*payment) == timer->due;
  }
  return false;
}

bool wanted(const Effect& effect, const FraudCheck* check) {
  if (check == nullptr) {
    return false;
  }
  if (const auto* call = std::get_if<CheckFraud>(&effect)) {
    return is(pending_fraud_call(*check), call->attempt);
  }
  const auto* timer = std::get_if<StartTimer>(&effect);
  return timer != nullptr && pending_timer(*check) == timer->due;
}

bool wanted(const Effect& effect, const Refund* refund) {
  const auto* call = std::get_if<RefundAtGateway>(&effect);
  return call != nullptr && refund != nullptr && is(pending_refund_call(*refund), call->call);
}

}  // namespace payonce::core
