// What a payment has besides itself: its fraud check, its refunds and its outbox.
#include "fuzz/saga_model.h"

namespace payonce::fuzz {

// ---- The fraud check.

SagaModel::Check* SagaModel::find_check(const std::string& id) {
  const auto found = checks.find(id);
  return found == checks.end() ? nullptr : &found->second;
}

void SagaModel::end_check(Check& check, core::FraudResult result) {
  check.result = result;
  Payment& payment = payments.at(check.payment);
  if (!payment.check_open) {
    return;  // it has gone on without the check
  }
  payment.check_open = false;
  if (result != core::FraudResult::kApproved) {
    undo(payment, false);
  } else if (payment.phase == Phase::kGated) {
    payment.phase = Phase::kCalling;
    payment.sent = true;
  } else if (payment.phase == Phase::kAwaitingFraud) {
    succeed(payment);
  }
}

SagaModel::Kind SagaModel::decide(const core::RecordFraudReply& command) {
  Check* check = find_check(command.fraud_id);
  const bool awaited = check != nullptr && check->result == core::FraudResult::kRunning &&
                       check->rules.mode == core::FraudMode::kTask &&
                       command.attempt == check->attempts + 1 &&
                       (check->attempts == 0 || !used_up(check->rules.retry, check->attempts));
  if (!awaited) {
    return Kind::kResultStale;
  }
  ++check->attempts;
  if (command.reply != core::FraudReply::kFailed) {
    end_check(*check, command.reply == core::FraudReply::kApproved ? core::FraudResult::kApproved
                                                                   : core::FraudResult::kRejected);
  }
  return Kind::kResultApplied;
}

SagaModel::Kind SagaModel::decide(const core::DecideFraud& command) {
  Check* check = find_check(command.fraud_id);
  if (check == nullptr) {
    return Kind::kFraudNotFound;
  }
  const auto result =
      command.approved ? core::FraudResult::kApproved : core::FraudResult::kRejected;
  if (check->result != core::FraudResult::kRunning) {
    return check->result == result ? Kind::kFraudDecided : Kind::kFraudClosed;
  }
  end_check(*check, result);
  return Kind::kFraudDecided;
}

SagaModel::Kind SagaModel::decide(const core::TimerFired& command) {
  if (command.kind == core::StreamKind::kFraud) {
    Check* check = find_check(command.id);
    if (check == nullptr || check->result != core::FraudResult::kRunning ||
        check->due != command.due || now_ < command.due) {
      return Kind::kResultStale;
    }
    end_check(*check, core::FraudResult::kTimedOut);
    return Kind::kResultApplied;
  }
  Payment* payment = find(command.id);
  if (payment == nullptr || payment->phase != Phase::kAwaitingCallback ||
      payment->callback_due != command.due || now_ < command.due) {
    return Kind::kResultStale;
  }
  close_check(command.id, *payment);
  undo(*payment, false);
  return Kind::kResultApplied;
}

// ---- Refunds.

SagaModel::Kind SagaModel::decide(const core::CreateRefund& command) {
  Payment* payment = find(command.payment_id);
  if (payment == nullptr) {
    return Kind::kPaymentNotFound;
  }
  if (payment->phase != Phase::kSucceeded || payment->refunds >= 1000) {
    return Kind::kRefundNotPossible;
  }
  const std::int64_t left = payment->content.amount.minor - payment->refunded - payment->refunding;
  std::int64_t amount = left;
  if (!command.amount.empty()) {
    const ParsedAmount parsed = parse_amount(command.amount, payment->content.amount.currency);
    if (parsed.error) {
      return Kind::kInvalidAmount;
    }
    amount = parsed.minor;
  }
  if (amount == 0 || amount > left) {
    return Kind::kRefundTooMuch;
  }
  payment->refunding += amount;
  ++payment->refunds;
  refunds[made_] = {.payment = command.payment_id, .amount = amount};
  return Kind::kRefundAccepted;
}

SagaModel::Kind SagaModel::decide(const core::RecordRefundReply& command) {
  const auto found = refunds.find(command.refund_id);
  if (found == refunds.end() || found->second.status != core::RefundStatus::kProcessing ||
      command.call != found->second.calls + 1) {
    return Kind::kResultStale;
  }
  Refund& refund = found->second;
  Payment& payment = payments.at(refund.payment);
  Book& user = books.at(payment.content.user_id);
  ++refund.calls;
  ++refund.attempts;
  if (command.reply == core::RefundReply::kFailed) {
    if (used_up(payment.rules.compensation_retry, refund.attempts)) {
      refund.status = core::RefundStatus::kExhausted;
    }
  } else if (command.reply == core::RefundReply::kDeclined) {
    refund.status = core::RefundStatus::kFail;
    payment.refunding -= refund.amount;
  } else if (!has_room(user, refund.amount)) {
    refund.status = core::RefundStatus::kExhausted;
  } else {
    refund.status = core::RefundStatus::kSuccess;
    payment.refunding -= refund.amount;
    payment.refunded += refund.amount;
    user.posted += refund.amount;
    system("sys:gateway:", user.currency).posted -= refund.amount;
  }
  return Kind::kResultApplied;
}

SagaModel::Kind SagaModel::decide(const core::RetryRefund& command) {
  const auto found = refunds.find(command.refund_id);
  if (found == refunds.end()) {
    return Kind::kTaskNotFound;
  }
  if (found->second.status != core::RefundStatus::kExhausted) {
    return Kind::kTaskNotExhausted;
  }
  found->second.status = core::RefundStatus::kProcessing;
  found->second.attempts = 0;
  return Kind::kTaskRetried;
}

// ---- Notifications.

SagaModel::Outbox* SagaModel::find_outbox(const std::string& id, core::NotifyChannel channel) {
  Payment* payment = find(id);
  if (payment == nullptr || !payment->outbox.contains(channel)) {
    return nullptr;
  }
  return &payment->outbox.at(channel);
}

SagaModel::Kind SagaModel::decide(const core::RecordNotification& command) {
  Outbox* outbox = find_outbox(command.payment_id, command.channel);
  if (outbox == nullptr || outbox->state != core::NotifyState::kPending ||
      command.attempt != outbox->calls + 1) {
    return Kind::kResultStale;
  }
  ++outbox->calls;
  ++outbox->attempts;
  const core::PaymentRules& rules = payments.at(command.payment_id).rules;
  const bool last = command.channel == core::NotifyChannel::kWebhook
                        ? outbox->attempts > rules.webhook_delays_ms.size()
                        : used_up(rules.notify_retry, outbox->attempts);
  if (command.reply == core::NotifyReply::kDelivered) {
    outbox->state = core::NotifyState::kSent;
  } else if (command.reply == core::NotifyReply::kGone || last) {
    outbox->state = core::NotifyState::kExhausted;
  }
  return Kind::kResultApplied;
}

SagaModel::Kind SagaModel::decide(const core::RetryNotification& command) {
  Outbox* outbox = find_outbox(command.payment_id, command.channel);
  if (outbox == nullptr) {
    return Kind::kTaskNotFound;
  }
  if (outbox->state != core::NotifyState::kExhausted) {
    return Kind::kTaskNotExhausted;
  }
  outbox->state = core::NotifyState::kPending;
  outbox->attempts = 0;
  return Kind::kTaskRetried;
}

}  // namespace payonce::fuzz
