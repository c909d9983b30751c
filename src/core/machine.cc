#include "core/machine.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "base/planted.h"
#include "core/fold.h"
#include "core/idempotency/keys.h"
#include "core/ledger/decide.h"
#include "core/payment/decide.h"
#include "core/refund/decide.h"

namespace payonce::core {
Outcome Machine::handle(const Input& input, Timestamp now, Renderer* renderer, Answer& answer,
                        Produced& out) {
  // The log's time never runs backwards, whatever the clock does.
  now = planted(Bug::kClockRunsBack) ? now : std::max(now, position_.last_time);
#ifdef PAYONCE_PLANTED_BUGS
  if (late_key_) {
    append(*std::exchange(late_key_, std::nullopt), now, out);
  }
#endif
  if (input.keyed) {
    const KeyRecord* record = rows_->keys.find(input.keyed->key);
    if (const auto earlier = check_key(*input.keyed, record, now)) {
      const Outcome outcome{
          .kind = *earlier, .key = record, .depends_on = rows_->keys.changed_at(input.keyed->key)};
      if (renderer != nullptr) {
        renderer->render(outcome, answer);
      }
      return outcome;
    }
  }
  const Context context{.now = now, .salt = position_.salt, .next_seq = position_.last_seq + 1};
  const Verdict verdict =
      std::visit([&](const auto& command) { return decide(command, context); }, input.command);
  const bool changed = !decision_.empty();
  const Waits before = changed ? waits_of(verdict) : Waits{};
  commit_decision(now, out);
  Outcome outcome = resolve(verdict);
  if (!changed) {
    outcome.depends_on = std::max(
        {rows_->accounts.changed_at(verdict.account), rows_->payments.changed_at(verdict.payment),
         rows_->frauds.changed_at(verdict.fraud), rows_->refunds.changed_at(verdict.refund),
         rows_->keys.changed_at(verdict.key)});
  } else {
    append_new_effects(outcome, before, out.effects);
  }
  if (outcome.kind == OutcomeKind::kKeyCompleted) {
    out.effects.emplace_back(WorkflowEnded{.kind = StreamKind::kIdempotency, .id = verdict.key});
  }
  if (renderer != nullptr) {
    renderer->render(outcome, answer);
    if (input.keyed && keeps_answer(outcome.kind)) {
      keep_answer(*input.keyed, outcome, answer, now, out);
    }
  }
  return outcome;
}

const Payment* Machine::find_payment(const std::string& id) {
  return id.empty() ? nullptr : rows_->payments.find(id);
}

const FraudCheck* Machine::find_fraud(const std::string& id) {
  return id.empty() ? nullptr : rows_->frauds.find(id);
}

const Refund* Machine::find_refund(const std::string& id) {
  return id.empty() ? nullptr : rows_->refunds.find(id);
}

Waits Machine::waits_of(const Verdict& verdict) {
  return core::waits_of(find_payment(verdict.payment), find_fraud(verdict.fraud),
                        find_refund(verdict.refund));
}

Outcome Machine::resolve(const Verdict& verdict) {
  Outcome outcome{.kind = verdict.kind, .amount_error = verdict.amount_error};
  if (!verdict.account.empty()) {
    outcome.account = rows_->accounts.find(verdict.account);
  }
  if (!verdict.transfer.empty()) {
    outcome.transfer = rows_->transfers.find(verdict.transfer);
  }
  outcome.payment = find_payment(verdict.payment);
  outcome.fraud = find_fraud(verdict.fraud);
  outcome.refund = find_refund(verdict.refund);
  if (!verdict.key.empty()) {
    outcome.key = rows_->keys.find(verdict.key);
  }
  return outcome;
}

Machine::Verdict Machine::decide(const OpenAccount& command, const Context& context) {
  Verdict verdict;
  verdict.account = command.id.empty() ? context.make_id("acct_") : command.id;
  verdict.kind = decide_open_account(
      command, verdict.account, rows_->accounts.find(verdict.account),
      rows_->accounts.find(funding_account(command.currency)), context, decision_);
  return verdict;
}

Machine::Verdict Machine::decide(const Deposit& command, const Context& context) {
  const Account* account = rows_->accounts.find(command.account_id);
  const Account* funding =
      account == nullptr ? nullptr : rows_->accounts.find(funding_account(account->currency));
  DepositVerdict deposit = decide_deposit(command, account, funding, context, decision_);
  Verdict verdict;
  verdict.kind = deposit.kind;
  verdict.amount_error = deposit.amount_error;
  verdict.account = command.account_id;
  verdict.transfer = std::move(deposit.transfer_key);
  return verdict;
}

Machine::Verdict Machine::decide(const CreatePayment& command, const Context& context) {
  Verdict verdict;
  verdict.payment = command.id.empty() ? context.make_id("pay_") : command.id;
  const PaymentParties parties{
      .existing = rows_->payments.find(verdict.payment),
      .payer = rows_->accounts.find(command.content.user_id),
      .clearing = rows_->accounts.find(gateway_account(command.content.amount.currency))};
  verdict.kind = decide_create_payment(command, verdict.payment, parties, context, decision_);
  const FraudMode mode = command.rules.fraud.mode;
  if (verdict.kind == OutcomeKind::kPaymentAccepted &&
      (mode == FraudMode::kTask || mode == FraudMode::kManual)) {
    verdict.fraud = fraud_check_id(verdict.payment);
  }
  return verdict;
}

Machine::Verdict Machine::about_payment(const std::string& id) {
  Verdict verdict;
  verdict.payment = id;
  return verdict;
}

Machine::Verdict Machine::decide(const RecordGatewayReply& command, const Context& context) {
  Verdict verdict = about_payment(command.payment_id);
  verdict.kind = decide_gateway_reply(command, find_payment(verdict.payment), context, decision_);
  return verdict;
}

Machine::Verdict Machine::decide(const RecordInquiryReply& command, const Context& context) {
  Verdict verdict = about_payment(command.payment_id);
  verdict.kind = decide_inquiry_reply(command, find_payment(verdict.payment), context, decision_);
  return verdict;
}

Machine::Verdict Machine::decide(const RecordCallback& command, const Context& /*context*/) {
  Verdict verdict = about_payment(command.payment_id);
  verdict.kind = decide_callback(command, find_payment(verdict.payment), decision_);
  return verdict;
}

Machine::Verdict Machine::decide(const CancelPayment& command, const Context& /*context*/) {
  Verdict verdict = about_payment(command.payment_id);
  verdict.kind = decide_cancel(command, find_payment(verdict.payment), decision_);
  return verdict;
}

Machine::Verdict Machine::decide(const RecordUndoReply& command, const Context& context) {
  Verdict verdict = about_payment(command.payment_id);
  verdict.kind = decide_undo_reply(command, find_payment(verdict.payment), context, decision_);
  return verdict;
}

Machine::Verdict Machine::decide(const RetryCompensation& command, const Context& /*context*/) {
  Verdict verdict = about_payment(command.payment_id);
  verdict.kind = decide_retry_compensation(find_payment(verdict.payment), decision_);
  return verdict;
}

Machine::Verdict Machine::decide(const RecordNotification& command, const Context& context) {
  Verdict verdict = about_payment(command.payment_id);
  verdict.kind = decide_notification(command, find_payment(verdict.payment), context, decision_);
  return verdict;
}

Machine::Verdict Machine::decide(const RetryNotification& command, const Context& /*context*/) {
  Verdict verdict = about_payment(command.payment_id);
  verdict.kind = decide_retry_notification(command, find_payment(verdict.payment), decision_);
  return verdict;
}

Machine::Verdict Machine::about_fraud(const std::string& id, FraudParties& parties) {
  Verdict verdict;
  verdict.fraud = id;
  parties.check = find_fraud(id);
  if (parties.check != nullptr) {
    verdict.payment = parties.check->payment_id;
    parties.payment = find_payment(verdict.payment);
  }
  return verdict;
}

Machine::Verdict Machine::decide(const RecordFraudReply& command, const Context& context) {
  FraudParties parties;
  Verdict verdict = about_fraud(command.fraud_id, parties);
  verdict.kind = decide_fraud_reply(command, parties, context, decision_);
  return verdict;
}

Machine::Verdict Machine::decide(const DecideFraud& command, const Context& /*context*/) {
  FraudParties parties;
  Verdict verdict = about_fraud(command.fraud_id, parties);
  verdict.kind = decide_fraud_verdict(command, parties, decision_);
  return verdict;
}

Machine::Verdict Machine::decide(const TimerFired& command, const Context& context) {
  if (command.kind == StreamKind::kFraud) {
    FraudParties parties;
    Verdict verdict = about_fraud(command.id, parties);
    verdict.kind = decide_fraud_timer(command, parties, context, decision_);
    return verdict;
  }
  Verdict verdict = about_payment(command.id);
  verdict.kind = decide_callback_timer(command, find_payment(verdict.payment), context, decision_);
  return verdict;
}

Machine::Verdict Machine::decide(const CreateRefund& command, const Context& context) {
  Verdict verdict = about_payment(command.payment_id);
  verdict.refund = context.make_id(kRefundPrefix);  // there is none of that id if it is refused
  const RefundVerdict refund =
      decide_create_refund(command, verdict.refund, find_payment(verdict.payment), decision_);
  verdict.kind = refund.kind;
  verdict.amount_error = refund.amount_error;
  return verdict;
}

Machine::Verdict Machine::decide(const RecordRefundReply& command, const Context& context) {
  Verdict verdict;
  verdict.refund = command.refund_id;
  RefundParties parties{.refund = find_refund(command.refund_id)};
  if (parties.refund != nullptr) {
    verdict.payment = parties.refund->payment_id;
    parties.payer = rows_->accounts.find(parties.refund->user_id);
  }
  verdict.kind = decide_refund_reply(command, parties, context, decision_);
  return verdict;
}

Machine::Verdict Machine::decide(const RetryRefund& command, const Context& /*context*/) {
  Verdict verdict;
  verdict.refund = command.refund_id;
  verdict.kind = decide_retry_refund(find_refund(command.refund_id), decision_);
  return verdict;
}

Machine::Verdict Machine::decide(const CompleteKey& command, const Context& /*context*/) {
  Verdict verdict;
  verdict.key = command.key;
  verdict.kind = decide_complete_key(command, rows_->keys.find(command.key), decision_);
  return verdict;
}

void Machine::keep_answer(const KeyedRequest& request, const Outcome& outcome, const Answer& answer,
                          Timestamp now, Produced& out) {
  const bool running = (outcome.kind == OutcomeKind::kPaymentAccepted ||
                        outcome.kind == OutcomeKind::kPaymentExisting) &&
                       !terminal(outcome.payment->status);
  if (request.answer_later && running) {
    append({StreamKind::kIdempotency,
            {},
            KeyClaimed{.key = request.key,
                       .fingerprint = request.fingerprint,
                       .workflow_kind = StreamKind::kPayment,
                       .workflow_id = outcome.payment->id,
                       .retention = request.retention}},
           now, out);
    return;
  }
  NewEvent recorded{StreamKind::kIdempotency,
                    {},
                    AnswerRecorded{.key = request.key,
                                   .fingerprint = request.fingerprint,
                                   .retention = request.retention,
                                   .answer = answer}};
#ifdef PAYONCE_PLANTED_BUGS
  if (planted(Bug::kKeyAfterEffect)) {
    late_key_ = std::move(recorded);
    return;
  }
#endif
  append(std::move(recorded), now, out);
}

void Machine::commit_decision(Timestamp now, Produced& out) {
  for (NewEvent& event : decision_) {
    append(std::move(event), now, out);
  }
  decision_.clear();
}

void Machine::append(NewEvent&& event, Timestamp now, Produced& out) {
  Record& record = out.records.emplace_back();
  record.seq = position_.last_seq + 1;
  record.at = now;
  record.kind = event.kind;
  record.previous = previous_of(event);
  record.stream = std::move(event.stream);
  record.event = std::move(event.event);
  // A decision that its own fold refuses is a bug of the rules, never of the input.
  PAYONCE_ASSERT(fold(*rows_, record));
  position_.last_seq = record.seq;
  position_.last_time = now;
}

Seq Machine::previous_of(const NewEvent& event) {
  const auto last_of = [&](auto& rows) -> Seq {
    const auto* row = rows.find(event.stream);
    return row == nullptr ? 0 : row->stream_last;
  };
  switch (event.kind) {
    case StreamKind::kAccount:
      return last_of(rows_->accounts);
    case StreamKind::kPayment:
      return last_of(rows_->payments);
    case StreamKind::kFraud:
      return last_of(rows_->frauds);
    case StreamKind::kRefund:
      return last_of(rows_->refunds);
    case StreamKind::kLog:
    case StreamKind::kIdempotency:
      break;
  }
  return 0;
}

}  // namespace payonce::core
