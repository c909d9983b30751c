#include "core/machine.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "core/fold.h"
#include "core/idempotency/keys.h"
#include "core/ledger/decide.h"
#include "core/payment/decide.h"

namespace payonce::core {
namespace {

CallGateway gateway_effect(const Payment& payment, const PendingCall& call) {
  return CallGateway{.payment_id = payment.id,
                     .attempt = call.attempt,
                     .not_before = call.not_before,
                     .amount = payment.content.amount,
                     .payment_method = payment.content.payment_method};
}

SendNotification notification_effect(const Payment& payment, const PendingCall& call) {
  return SendNotification{.payment_id = payment.id,
                          .attempt = call.attempt,
                          .not_before = call.not_before,
                          .user_id = payment.content.user_id,
                          .amount = payment.content.amount,
                          .status = payment.status,
                          .failure = payment.failure};
}

// What a payment waited for before a command, to find out what the command made it wait for.
struct Waits {
  std::optional<PendingCall> gateway;
  std::optional<PendingCall> notification;
  bool ended = false;
};

Waits waits_of(const Payment* payment) {
  if (payment == nullptr) {
    return {};
  }
  return {.gateway = pending_gateway_call(*payment),
          .notification = pending_notification(*payment),
          .ended = terminal(payment->status)};
}

void append_new_effects(const Payment& payment, const Waits& before, std::vector<Effect>& out) {
  const Waits now = waits_of(&payment);
  if (now.gateway && now.gateway != before.gateway) {
    out.emplace_back(gateway_effect(payment, *now.gateway));
  }
  if (now.notification && now.notification != before.notification) {
    out.emplace_back(notification_effect(payment, *now.notification));
  }
  if (now.ended && !before.ended) {
    out.emplace_back(WorkflowEnded{.kind = StreamKind::kPayment, .id = payment.id});
  }
}

}  // namespace

void append_pending_effects(const Payment& payment, std::vector<Effect>& out) {
  append_new_effects(payment, Waits{.gateway = {}, .notification = {}, .ended = true}, out);
}

Outcome Machine::handle(const Input& input, Timestamp now, Renderer* renderer, Answer& answer,
                        Produced& out) {
  // The log's time never runs backwards, whatever the clock does.
  now = std::max(now, position_.last_time);
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
  const Waits before = changed ? waits_of(find_payment(verdict.payment)) : Waits{};
  commit_decision(now, out);
  Outcome outcome = resolve(verdict);
  if (!changed) {
    outcome.depends_on = std::max({rows_->accounts.changed_at(verdict.account),
                                   rows_->payments.changed_at(verdict.payment),
                                   rows_->keys.changed_at(verdict.key)});
  }
  if (changed && outcome.payment != nullptr) {
    append_new_effects(*outcome.payment, before, out.effects);
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

Outcome Machine::resolve(const Verdict& verdict) {
  Outcome outcome{.kind = verdict.kind, .amount_error = verdict.amount_error};
  if (!verdict.account.empty()) {
    outcome.account = rows_->accounts.find(verdict.account);
  }
  if (!verdict.transfer.empty()) {
    outcome.transfer = rows_->transfers.find(verdict.transfer);
  }
  outcome.payment = find_payment(verdict.payment);
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
  return verdict;
}

Machine::Verdict Machine::decide(const RecordGatewayReply& command, const Context& context) {
  Verdict verdict;
  verdict.payment = command.payment_id;
  verdict.kind =
      decide_gateway_reply(command, find_payment(command.payment_id), context, decision_);
  return verdict;
}

Machine::Verdict Machine::decide(const RecordNotification& command, const Context& context) {
  Verdict verdict;
  verdict.payment = command.payment_id;
  verdict.kind = decide_notification(command, find_payment(command.payment_id), context, decision_);
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
  append({StreamKind::kIdempotency,
          {},
          AnswerRecorded{.key = request.key,
                         .fingerprint = request.fingerprint,
                         .retention = request.retention,
                         .answer = answer}},
         now, out);
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
  if (event.kind == StreamKind::kAccount) {
    const Account* account = rows_->accounts.find(event.stream);
    return account == nullptr ? 0 : account->stream_last;
  }
  if (event.kind == StreamKind::kPayment) {
    const Payment* payment = rows_->payments.find(event.stream);
    return payment == nullptr ? 0 : payment->stream_last;
  }
  return 0;
}

}  // namespace payonce::core
