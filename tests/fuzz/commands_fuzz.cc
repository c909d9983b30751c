// Sequences of commands, through the machine and through a model of it (saga_model.cc).
//
// The input is text, a command in each line: a letter for what, then a letter or digit for each
// argument (see command_script.h). Whatever does not fit is passed over, so every text is a
// sequence.
//
// After every command: the outcome, the balances and the state of what it touched are the model's;
// the ledger is in balance; nobody is overdrawn; a status that is an end stays. A key has one
// effect, and whoever repeats a request gets its answer. At the end: the rows are a fold of the
// records, every history is decided the same again, and the same commands give the same records.
#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/replay.h"
#include "fuzz/command_script.h"
#include "fuzz/fuzz.h"
#include "fuzz/saga_model.h"
#include "support/machine_world.h"

namespace payonce::core {
namespace {

using fuzz::require;
using fuzz::SagaModel;
using fuzz::Script;
using testing_support::dump;
using testing_support::Folded;
using testing_support::KindRenderer;
using testing_support::kSalt;
using testing_support::kStart;

constexpr std::size_t kCommandsMax = 200;

struct Run {
  Folded state;
  Machine machine{state.rows, {.last_seq = 0, .last_time = kStart, .salt = kSalt}};
  Produced produced;
};

template <class Row, class Map>
void require_row(RowTable<Row>& table, const std::string& id, const Map& rows) {
  require((table.find(id) != nullptr) == rows.contains(id), "there are the model's rows", id);
}

void check_books(Run& run, const SagaModel& model) {
  std::map<std::string, WideAmount> sums;
  std::size_t count = 0;
  run.state.rows.accounts.for_each_changed([&](const std::string& id, const Account& account) {
    const auto book = model.books.find(id);
    require(book != model.books.end() && account.posted == book->second.posted &&
                account.held == book->second.held,
            "balances are the model's", id);
    require(account.system || (account.held >= 0 && account.available() >= 0),
            "nobody is overdrawn", id);
    sums[std::string(account.currency.code())] += account.posted;
    ++count;
  });
  require(count == model.books.size(), "there are the model's accounts");
  for (const auto& [code, sum] : sums) {
    require(sum == 0, "the ledger is in balance", code);
  }
}

void check_payment(const Payment& payment, const SagaModel::Payment& model) {
  const auto same = [&](bool holds, std::string_view what) {
    if (!holds) {
      fuzz::broken(what, std::string(name(model.phase)) + " " + dump(payment));
    }
  };
  same(phase_of(payment) == model.phase, "the phase is the model's");
  same(terminal(payment.status) == terminal(model.end) &&
           (!terminal(model.end) || payment.status == model.end),
       "the end is the model's");
  same(payment.gateway_attempts == model.attempts && payment.inquiries == model.inquiries &&
           payment.compensation_calls == model.undo_calls,
       "the numbers of calls are the model's");
  same(payment.refunding_minor == model.refunding && payment.refunded_minor == model.refunded,
       "what is given back is the model's");
  same(payment.deliveries.size() == model.outbox.size() &&
           std::ranges::all_of(payment.deliveries,
                               [&](const Delivery& delivery) {
                                 const auto outbox = model.outbox.find(delivery.channel);
                                 return outbox != model.outbox.end() &&
                                        outbox->second.state == delivery.state;
                               }),
       "the outbox is the model's");
}

void check_rows(Run& run, const SagaModel& model) {
  Rows& rows = run.state.rows;
  for (const auto& [id, payment] : model.payments) {
    require_row(rows.payments, id, model.payments);
    check_payment(*rows.payments.find(id), payment);
    const Transfer* hold = rows.transfers.find(transfer_key(id, kHoldStep));
    require((hold != nullptr && hold->state == TransferState::kHeld) == payment.holds,
            "the hold is the model's", id);
  }
  for (const auto& [id, check] : model.checks) {
    require_row(rows.frauds, id, model.checks);
    require(rows.frauds.find(id)->result == check.result, "the check is the model's", id);
  }
  for (const auto& [id, refund] : model.refunds) {
    require_row(rows.refunds, id, model.refunds);
    require(rows.refunds.find(id)->status == refund.status, "the refund is the model's", id);
  }
}

// A status that is an end is never left.
class Ends {
 public:
  void check(const Rows& rows) {
    rows.payments.for_each_changed([&](const std::string& id, const Payment& payment) {
      const auto known = ends_.find(id);
      if (known != ends_.end()) {
        require(known->second == payment.status, "an end stays", id);
      } else if (terminal(payment.status)) {
        ends_.emplace(id, payment.status);
      }
    });
  }

 private:
  std::map<std::string, PaymentStatus> ends_;
};

void take(Run& run, SagaModel& model, const Input& input, Timestamp now) {
  KindRenderer renderer;
  Answer answer;
  const std::size_t before = run.produced.records.size();
  const Outcome outcome = run.machine.handle(input, now, &renderer, answer, run.produced);
  const OutcomeKind kind = outcome.kind;
  const bool made_refund = kind == OutcomeKind::kRefundAccepted;
  const std::string made = made_refund ? outcome.refund->id : std::string();
  require(!made_refund || !model.refunds.contains(made), "every refund has an id of its own", made);
  const OutcomeKind wanted = model.take(input, now, made, answer.body);
  if (kind != wanted) {
    fuzz::broken("the outcome is the model's", "outcome " + std::to_string(static_cast<int>(kind)) +
                                                   ", not " +
                                                   std::to_string(static_cast<int>(wanted)));
  }
  const bool by_key = kind == OutcomeKind::kKeyReplayed || kind == OutcomeKind::kKeyReused ||
                      kind == OutcomeKind::kKeyInFlight;
  require(!by_key || run.produced.records.size() == before, "a key has one effect");
  if (kind == OutcomeKind::kKeyReplayed && input.keyed) {
    require(answer.body == model.keys.at(input.keyed->key).body,
            "a repetition is answered the same", answer.body);
  }
}

void check_histories(const std::vector<Record>& records, const SagaModel& model) {
  std::map<std::string, std::vector<Record>> histories;
  for (const Record& record : records) {
    std::string id = record.stream;
    if (record.kind == StreamKind::kFraud) {
      id = model.checks.at(id).payment;
    } else if (record.kind == StreamKind::kRefund) {
      id = model.refunds.at(id).payment;
    } else if (record.kind != StreamKind::kPayment) {
      continue;
    }
    histories[id].push_back(record);
  }
  for (const auto& [id, history] : histories) {
    const auto difference = redecide(history, kSalt);
    require(!difference, "a history is decided the same again",
            difference ? std::to_string(difference->seq) + ": " + difference->recorded + " / " +
                             difference->decided
                       : id);
  }
}

void commands(std::string_view text) {
  Run run;
  Run again;
  SagaModel model;
  Script script(model);
  Ends ends;
  for (std::size_t count = 0; !text.empty() && count < kCommandsMax;) {
    const auto input = script.read(fuzz::take_until(text, "\n"));
    if (!input) {
      continue;
    }
    ++count;
    take(run, model, *input, script.now);
    check_books(run, model);
    check_rows(run, model);
    ends.check(run.state.rows);
    KindRenderer renderer;
    Answer answer;
    again.machine.handle(*input, script.now, &renderer, answer, again.produced);
  }
  Folded folded;
  require(folded.fold(run.produced.records), "what was decided folds");
  require(folded.all() == run.state.all(), "the rows are a fold of the records");
  require(folded.indexes.entries == run.state.indexes.entries, "and so are the secondary keys");
  require(testing_support::dump_all(again.produced.records) ==
              testing_support::dump_all(run.produced.records),
          "the same commands give the same records");
  check_histories(run.produced.records, model);
}

}  // namespace
}  // namespace payonce::core

PAYONCE_FUZZ_TARGET(payonce::core::commands)
