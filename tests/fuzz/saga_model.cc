#include "fuzz/saga_model.h"

#include <limits>
#include <variant>

namespace payonce::fuzz {

SagaModel::Kind SagaModel::take(const core::Input& input, Timestamp now, const std::string& made,
                                const std::string& body) {
  now_ = now;
  made_ = made;
  body_ = body;
  if (input.keyed) {
    const auto key = keys.find(input.keyed->key);
    const bool gone = key == keys.end() || (key->second.completed && key->second.expires <= now);
    if (!gone) {
      return key->second.fingerprint != input.keyed->fingerprint ? Kind::kKeyReused
             : key->second.completed                             ? Kind::kKeyReplayed
                                                                 : Kind::kKeyInFlight;
    }
  }
  const Kind kind = std::visit([&](const auto& command) { return decide(command); }, input.command);
  if (input.keyed && is_kept(kind)) {
    keep(*input.keyed, kind, input.command);
  }
  return kind;
}

// ---- Keys.

bool SagaModel::is_kept(Kind kind) {
  return kind == Kind::kAccountOpened || kind == Kind::kDeposited ||
         kind == Kind::kPaymentAccepted || kind == Kind::kPaymentRefused ||
         kind == Kind::kPaymentExisting || kind == Kind::kCancelAccepted ||
         kind == Kind::kCompensationRetried || kind == Kind::kCallbackAccepted ||
         kind == Kind::kFraudDecided || kind == Kind::kRefundAccepted || kind == Kind::kTaskRetried;
}

void SagaModel::keep(const core::KeyedRequest& request, Kind kind, const core::Command& command) {
  const bool create = kind == Kind::kPaymentAccepted || kind == Kind::kPaymentExisting;
  const bool running =
      create && !core::terminal(payments.at(std::get<core::CreatePayment>(command).id).end);
  Key& key = keys[request.key];
  key = {.fingerprint = request.fingerprint,
         .completed = !(running && request.answer_later),
         .body = body_,
         .retention = request.retention,
         .expires = now_ + request.retention};
}

SagaModel::Kind SagaModel::decide(const core::CompleteKey& command) {
  const auto found = keys.find(command.key);
  if (found == keys.end()) {
    return Kind::kResultStale;
  }
  Key& key = found->second;
  if (key.completed) {
    return Kind::kKeyReplayed;
  }
  key.completed = true;
  key.body = command.answer.body;
  key.expires = now_ + key.retention;
  return Kind::kKeyCompleted;
}

// ---- The ledger.

SagaModel::Book& SagaModel::system(const std::string& prefix, Currency currency) {
  Book& book = books[prefix + std::string(currency.code())];
  book.currency = currency;
  book.system = true;
  return book;
}

bool SagaModel::has_room(const Book& book, std::int64_t amount) {
  return book.posted + amount <= std::numeric_limits<std::int64_t>::max();
}

SagaModel::Kind SagaModel::decide(const core::OpenAccount& command) {
  if (command.id.starts_with("sys:")) {
    return Kind::kReservedId;
  }
  if (books.contains(command.id)) {
    return Kind::kAccountExists;
  }
  books[command.id] = {.currency = command.currency, .posted = command.opening_minor};
  if (command.opening_minor > 0) {
    system("sys:funding:", command.currency).posted -= command.opening_minor;
  }
  return Kind::kAccountOpened;
}

SagaModel::Kind SagaModel::decide(const core::Deposit& command) {
  const auto found = books.find(command.account_id);
  if (found == books.end() || found->second.system) {
    return Kind::kAccountNotFound;
  }
  Book& book = found->second;
  const ParsedAmount amount = parse_amount(command.amount, book.currency);
  if (amount.error) {
    return Kind::kInvalidAmount;
  }
  if (!has_room(book, amount.minor)) {
    return Kind::kBalanceOverflow;
  }
  book.posted += amount.minor;
  system("sys:funding:", book.currency).posted -= amount.minor;
  return Kind::kDeposited;
}

// ---- The payment.

SagaModel::Payment* SagaModel::find(const std::string& id) {
  const auto found = payments.find(id);
  return found == payments.end() ? nullptr : &found->second;
}

bool SagaModel::used_up(const core::RetryPolicy& policy, std::uint32_t attempt) {
  return policy.maximum_attempts != 0 && attempt >= policy.maximum_attempts;
}

bool SagaModel::is_open(const Payment& payment) {
  return payment.phase == Phase::kCalling || payment.phase == Phase::kInDoubt ||
         payment.phase == Phase::kAwaitingCallback;
}

bool SagaModel::is_being_undone(const Payment& payment) {
  return payment.phase == Phase::kUndoing || payment.phase == Phase::kUndoingAfterEnd ||
         payment.phase == Phase::kStuck;
}

SagaModel::Kind SagaModel::decide(const core::CreatePayment& command) {
  if (const Payment* existing = find(command.id)) {
    return existing->content == command.content ? Kind::kPaymentExisting : Kind::kPaymentExists;
  }
  Payment& payment = payments[command.id];
  payment.content = command.content;
  payment.rules = command.rules;
  const Money amount = command.content.amount;
  const auto payer = books.find(command.content.user_id);
  if (payer == books.end() || payer->second.system || payer->second.currency != amount.currency ||
      payer->second.posted - payer->second.held < amount.minor) {
    payment.end = Status::kFail;
    return Kind::kPaymentRefused;
  }
  payer->second.held += amount.minor;
  payment.holds = true;
  system("sys:gateway:", amount.currency);
  const core::FraudMode mode = command.rules.fraud.mode;
  if (mode != core::FraudMode::kNone) {
    checks[core::fraud_check_id(command.id)] = {.payment = command.id,
                                                .rules = command.rules.fraud,
                                                .result = mode == core::FraudMode::kInline
                                                              ? core::FraudResult::kApproved
                                                              : core::FraudResult::kRunning,
                                                .due = now_ + command.rules.fraud.timeout};
  }
  payment.check_open = mode == core::FraudMode::kTask || mode == core::FraudMode::kManual;
  const bool gated =
      payment.check_open && command.rules.version >= 2 && amount.minor >= command.rules.gate_minor;
  payment.phase = gated ? Phase::kGated : Phase::kCalling;
  payment.sent = !gated;
  return Kind::kPaymentAccepted;
}

void SagaModel::release_hold(Payment& payment) {
  if (payment.holds) {
    books.at(payment.content.user_id).held -= payment.content.amount.minor;
    payment.holds = false;
  }
}

void SagaModel::finish(Payment& payment, Status status, Phase phase) {
  payment.phase = phase;
  if (core::terminal(payment.end)) {
    return;  // the first end stays
  }
  payment.end = status;
  for (const core::NotifyChannel channel : core::kNotifyChannels) {
    if ((payment.rules.channels & core::channel_bit(channel)) != 0) {
      payment.outbox[channel] = {};
    }
  }
}

void SagaModel::succeed(Payment& payment) {
  const Money amount = payment.content.amount;
  release_hold(payment);
  books.at(payment.content.user_id).posted -= amount.minor;
  system("sys:gateway:", amount.currency).posted += amount.minor;
  finish(payment, Status::kSuccess, Phase::kSucceeded);
}

void SagaModel::fail(Payment& payment) {
  release_hold(payment);
  finish(payment, Status::kFail, Phase::kFailed);
}

void SagaModel::cancelled(Payment& payment) {
  release_hold(payment);
  finish(payment, Status::kCancelled, Phase::kCancelled);
}

void SagaModel::close_check(const std::string& id, Payment& payment) {
  if (!payment.check_open) {
    return;
  }
  payment.check_open = false;
  if (payment.rules.fraud.parent_close == core::ParentClose::kTerminate) {
    checks.at(core::fraud_check_id(id)).result = core::FraudResult::kCancelled;
  }
}

void SagaModel::undo(Payment& payment, bool by_cancel) {
  if (payment.phase == Phase::kGated) {
    by_cancel ? cancelled(payment) : fail(payment);
    return;
  }
  payment.by_cancel = by_cancel;
  payment.phase = Phase::kUndoing;
  payment.undo_attempts = 0;
}

void SagaModel::confirm(Payment& payment) {
  payment.attempts += payment.phase == Phase::kCalling ? 1 : 0;
  if (payment.check_open) {
    payment.phase = Phase::kAwaitingFraud;
  } else {
    succeed(payment);
  }
}

void SagaModel::decline(const std::string& id, Payment& payment) {
  payment.attempts += payment.phase == Phase::kCalling ? 1 : 0;
  close_check(id, payment);
  fail(payment);
}

void SagaModel::give_up(const std::string& id, Payment& payment) {
  close_check(id, payment);
  payment.rules.void_when_given_up ? undo(payment, false) : fail(payment);
}

void SagaModel::accept(Payment& payment) {
  payment.attempts += payment.phase == Phase::kCalling ? 1 : 0;
  payment.phase = Phase::kAwaitingCallback;
  payment.callback_due = now_ + payment.rules.callback_timeout;
}

bool SagaModel::take_late(Payment& payment) {
  const bool over = payment.phase == Phase::kFailed || payment.phase == Phase::kCancelled;
  if (!over || !payment.sent || payment.late) {
    return false;
  }
  payment.late = true;
  payment.phase = Phase::kUndoingAfterEnd;
  payment.undo_attempts = 0;
  return true;
}

SagaModel::Kind SagaModel::late_or_stale(Payment& payment, bool confirmed) {
  return confirmed && take_late(payment) ? Kind::kResultApplied : Kind::kResultStale;
}

SagaModel::Kind SagaModel::decide(const core::RecordGatewayReply& command) {
  using Reply = core::GatewayReply;
  Payment* payment = find(command.payment_id);
  if (payment == nullptr) {
    return Kind::kResultStale;
  }
  if (payment->phase != Phase::kCalling || command.attempt != payment->attempts + 1) {
    return late_or_stale(*payment, command.reply == Reply::kConfirmed);
  }
  switch (command.reply) {
    case Reply::kConfirmed:
      confirm(*payment);
      break;
    case Reply::kDeclined:
      decline(command.payment_id, *payment);
      break;
    case Reply::kAccepted:
      accept(*payment);
      break;
    case Reply::kNoAnswer:
      ++payment->attempts;
      payment->phase = Phase::kInDoubt;
      break;
    case Reply::kTemporaryFailure:
      if (++payment->attempts; used_up(payment->rules.gateway_retry, payment->attempts)) {
        give_up(command.payment_id, *payment);
      }
      break;
    case Reply::kRefused:
      ++payment->attempts;
      give_up(command.payment_id, *payment);
      break;
  }
  return Kind::kResultApplied;
}

SagaModel::Kind SagaModel::decide(const core::RecordInquiryReply& command) {
  using Reply = core::InquiryReply;
  Payment* payment = find(command.payment_id);
  if (payment == nullptr) {
    return Kind::kResultStale;
  }
  if (payment->phase != Phase::kInDoubt || command.inquiry != payment->inquiries + 1) {
    return late_or_stale(*payment, command.reply == Reply::kConfirmed);
  }
  switch (command.reply) {
    case Reply::kConfirmed:
      confirm(*payment);
      break;
    case Reply::kDeclined:
      decline(command.payment_id, *payment);
      break;
    case Reply::kAccepted:
      accept(*payment);
      break;
    case Reply::kNoAnswer:
      ++payment->inquiries;
      break;
    case Reply::kUnknownKey:
      ++payment->inquiries;
      if (used_up(payment->rules.gateway_retry, payment->attempts)) {
        give_up(command.payment_id, *payment);
      } else {
        payment->phase = Phase::kCalling;
      }
      break;
  }
  return Kind::kResultApplied;
}

SagaModel::Kind SagaModel::decide(const core::RecordCallback& command) {
  Payment* payment = find(command.payment_id);
  if (payment == nullptr) {
    return Kind::kPaymentNotFound;
  }
  const bool confirmed = command.outcome == core::CallbackOutcome::kConfirmed;
  if (is_open(*payment)) {
    confirmed ? confirm(*payment) : decline(command.payment_id, *payment);
  } else if (confirmed) {
    take_late(*payment);
  }
  return Kind::kCallbackAccepted;
}

SagaModel::Kind SagaModel::decide(const core::CancelPayment& command) {
  Payment* payment = find(command.payment_id);
  if (payment == nullptr) {
    return Kind::kPaymentNotFound;
  }
  if (payment->end == Status::kCancelled) {
    return Kind::kCancelled;
  }
  if (core::terminal(payment->end)) {
    return Kind::kPaymentClosed;
  }
  if (payment->phase == Phase::kUndoing) {
    return payment->by_cancel ? Kind::kCancelAccepted : Kind::kPaymentClosed;
  }
  close_check(command.payment_id, *payment);
  undo(*payment, true);
  return Kind::kCancelAccepted;
}

SagaModel::Kind SagaModel::decide(const core::RecordUndoReply& command) {
  Payment* payment = find(command.payment_id);
  if (payment == nullptr || !is_being_undone(*payment) || payment->phase == Phase::kStuck ||
      command.call != payment->undo_calls + 1) {
    return Kind::kResultStale;
  }
  ++payment->undo_calls;
  if (command.reply == core::UndoReply::kFailed) {
    if (++payment->undo_attempts;
        used_up(payment->rules.compensation_retry, payment->undo_attempts)) {
      finish(*payment, Status::kFail, Phase::kStuck);
    }
    return Kind::kResultApplied;
  }
  const bool is_cancel =
      core::terminal(payment->end) ? payment->end == Status::kCancelled : payment->by_cancel;
  is_cancel ? cancelled(*payment) : fail(*payment);
  return Kind::kResultApplied;
}

SagaModel::Kind SagaModel::decide(const core::RetryCompensation& command) {
  Payment* payment = find(command.payment_id);
  if (payment == nullptr) {
    return Kind::kPaymentNotFound;
  }
  if (payment->phase != Phase::kStuck) {
    return Kind::kNotCompensationFailed;
  }
  payment->phase = Phase::kUndoingAfterEnd;
  payment->undo_attempts = 0;
  return Kind::kCompensationRetried;
}

}  // namespace payonce::fuzz
