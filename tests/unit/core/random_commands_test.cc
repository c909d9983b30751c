// Random sequences of commands: what holds for the ledger, the payments and the keys whatever
// happens, that the rows are a fold of the records, and that the same commands give the same
// events.
#include <gtest/gtest.h>

#include <cstdlib>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "support/machine_world.h"
#include "support/random.h"
#include "support/random_commands.h"

namespace payonce::core {
namespace {

using testing_support::dump;
using testing_support::dump_all;
using testing_support::Folded;
using testing_support::for_each_seed;
using testing_support::KindRenderer;
using testing_support::kSalt;
using testing_support::kStart;
using testing_support::Random;
using testing_support::random_steps;
using testing_support::Step;
using testing_support::Trial;

void check_money(const Rows& rows) {
  std::map<std::string, WideAmount> sums;
  std::map<std::string, std::int64_t> held;
  rows.transfers.for_each_changed([&](const std::string&, const Transfer& transfer) {
    if (transfer.state == TransferState::kHeld) {
      held[transfer.debit_account] += transfer.amount.minor;
    }
  });
  rows.accounts.for_each_changed([&](const std::string& id, const Account& account) {
    sums[std::string(account.currency.code())] += account.posted;
    ASSERT_EQ(account.held, held[id]) << id;
    if (!account.system) {
      ASSERT_GE(account.available(), 0) << id;
      ASSERT_GE(account.held, 0) << id;
    }
  });
  for (const auto& [code, sum] : sums) {
    ASSERT_EQ(sum, 0) << code;
  }
}

bool ends_payment(const Event& event) {
  return std::holds_alternative<PaymentSucceeded>(event) ||
         std::holds_alternative<PaymentFailed>(event) ||
         std::holds_alternative<PaymentCancelled>(event) ||
         std::holds_alternative<PaymentRefused>(event);
}

// Each payment ends at most once; its hold is posted with a success, released otherwise, and kept
// only while the payment has not ended or cannot be undone.
void check_ends(const Trial& trial) {
  std::map<std::string, int> posted;
  std::map<std::string, int> voided;
  std::map<std::string, int> ends;
  for (const Record& record : trial.all.records) {
    posted[record.stream] += std::holds_alternative<HoldPosted>(record.event) ? 1 : 0;
    voided[record.stream] += std::holds_alternative<HoldVoided>(record.event) ? 1 : 0;
    ends[record.stream] += ends_payment(record.event) ? 1 : 0;
  }
  const auto& transfers = trial.state.rows.transfers;
  std::map<std::string, TransferState> holds;
  transfers.for_each_changed(
      [&](const std::string& key, const Transfer& transfer) { holds[key] = transfer.state; });
  trial.state.rows.payments.for_each_changed([&](const std::string& id, const Payment& payment) {
    const bool ended = terminal(payment.status);
    ASSERT_EQ(ends[id], ended ? 1 : 0) << dump(payment);
    const auto hold = holds.find(transfer_key(id, kHoldStep));
    ASSERT_EQ(hold != holds.end(), posted[id] + voided[id] > 0 || !ended ||
                                       payment.failure == FailureCode::kCompensationFailed);
    if (hold != holds.end()) {
      const bool kept = !ended || payment.failure == FailureCode::kCompensationFailed;
      const bool success = payment.status == PaymentStatus::kSuccess;
      ASSERT_EQ(hold->second == TransferState::kHeld, kept) << dump(payment);
      ASSERT_EQ(posted[id], success ? 1 : 0) << dump(payment);
      ASSERT_EQ(voided[id], kept || success ? 0 : 1) << dump(payment);
    }
  });
}

// What the gateway's accounts hold is what was paid and not given back, and nothing is given back
// twice.
void check_refunds(const Rows& rows) {
  std::map<std::string, std::int64_t> open;
  std::map<std::string, std::int64_t> done;
  rows.refunds.for_each_changed([&](const std::string&, const Refund& refund) {
    const bool reserved =
        refund.status == RefundStatus::kProcessing || refund.status == RefundStatus::kExhausted;
    open[refund.payment_id] += reserved ? refund.amount.minor : 0;
    done[refund.payment_id] += refund.status == RefundStatus::kSuccess ? refund.amount.minor : 0;
  });
  std::map<std::string, std::int64_t> taken;
  rows.payments.for_each_changed([&](const std::string& id, const Payment& payment) {
    ASSERT_EQ(payment.refunding_minor, open[id]) << dump(payment);
    ASSERT_EQ(payment.refunded_minor, done[id]) << dump(payment);
    if (payment.status == PaymentStatus::kSuccess) {
      ASSERT_LE(open[id] + done[id], payment.content.amount.minor) << dump(payment);
      taken[gateway_account(payment.content.amount.currency)] +=
          payment.content.amount.minor - done[id];
    } else {
      ASSERT_EQ(open[id] + done[id], 0) << dump(payment);
    }
  });
  rows.accounts.for_each_changed([&](const std::string& id, const Account& account) {
    if (id.starts_with("sys:gateway:")) {
      ASSERT_EQ(account.posted, taken[id]) << id;
    }
  });
}

// The names of the events that `all` holds.
std::set<std::string_view> names_of(const std::vector<Record>& all) {
  std::set<std::string_view> names;
  for (const Record& record : all) {
    names.insert(event_name(record.event));
  }
  return names;
}

template <std::size_t... I>
std::set<std::string_view> all_names(std::index_sequence<I...> /*types*/) {
  return {std::variant_alternative_t<I, Event>::kName...};
}

// Else the tests below would prove little.
TEST(RandomCommands, Generator_ReachesEveryOutcomeAndEvent) {
  if (std::getenv("PAYONCE_SEED") != nullptr) {
    GTEST_SKIP() << "one seed does not reach everything";
  }
  std::set<int> kinds;
  std::set<std::string_view> events{"log_created"};
  for_each_seed(100, [&](Random& random) {
    Trial trial;
    for (const Step& step : random_steps(random, 200)) {
      KindRenderer renderer;
      Answer answer;
      kinds.insert(static_cast<int>(
          trial.machine.handle(step.input, step.now, &renderer, answer, trial.all).kind));
    }
    events.merge(names_of(trial.all.records));
  });
  EXPECT_EQ(events, all_names(std::make_index_sequence<std::variant_size_v<Event>>()));
  for (int kind = 0; kind <= static_cast<int>(OutcomeKind::kTaskNotExhausted); ++kind) {
    EXPECT_TRUE(kinds.contains(kind)) << "outcome " << kind;
  }
}

TEST(RandomCommands, MoneyIsConserved_AndNothingIsOverdrawn_AfterEveryCommand) {
  for_each_seed(150, [](Random& random) {
    Trial trial;
    for (const Step& step : random_steps(random, 150)) {
      if (trial.take(step) > 0) {
        ASSERT_NO_FATAL_FAILURE(check_money(trial.state.rows));
        ASSERT_NO_FATAL_FAILURE(check_refunds(trial.state.rows));
      }
    }
    ASSERT_NO_FATAL_FAILURE(check_ends(trial));
  });
}

TEST(RandomCommands, MoneyIsConserved_AfterEverySingleEvent) {
  for_each_seed(50, [](Random& random) {
    Trial trial;
    for (const Step& step : random_steps(random, 150)) {
      trial.take(step);
    }
    Folded folded;
    for (const Record& record : trial.all.records) {
      ASSERT_TRUE(fold(folded.rows, record)) << dump(record);
      ASSERT_NO_FATAL_FAILURE(check_money(folded.rows)) << dump(record);
    }
  });
}

TEST(RandomCommands, FoldOfTheRecords_IsTheMachinesState) {
  for_each_seed(150, [](Random& random) {
    Trial trial;
    for (const Step& step : random_steps(random, 150)) {
      trial.take(step);
    }
    Folded folded;
    ASSERT_TRUE(folded.fold(trial.all.records));
    EXPECT_EQ(folded.all(), trial.state.all());
    EXPECT_EQ(folded.indexes.entries, trial.state.indexes.entries);
  });
}

TEST(RandomCommands, SameCommandsAgain_GiveTheSameEventsAndAnswers) {
  for_each_seed(100, [](Random& random) {
    const std::vector<Step> steps = random_steps(random, 150);
    Trial first;
    Trial second;
    for (const Step& step : steps) {
      first.take(step);
      second.take(step);
    }
    EXPECT_EQ(dump_all(first.all.records), dump_all(second.all.records));
    EXPECT_EQ(dump_all(first.all.effects), dump_all(second.all.effects));
    EXPECT_EQ(first.answers, second.answers);
  });
}

// A checkpoint: rows that were folded up to some event, as a store would hold them.
class FoldedSource final : public RowSource {
 public:
  bool load(std::string_view key, Account& out) override {
    return copy(state.rows.accounts, key, out);
  }
  bool load(std::string_view key, Transfer& out) override {
    return copy(state.rows.transfers, key, out);
  }
  bool load(std::string_view key, Payment& out) override {
    return copy(state.rows.payments, key, out);
  }
  bool load(std::string_view key, KeyRecord& out) override {
    return copy(state.rows.keys, key, out);
  }
  bool load(std::string_view key, FraudCheck& out) override {
    return copy(state.rows.frauds, key, out);
  }
  bool load(std::string_view key, Refund& out) override {
    return copy(state.rows.refunds, key, out);
  }

  Folded state;

 private:
  template <class Row>
  static bool copy(RowTable<Row>& table, std::string_view key, Row& out) {
    const Row* found = table.find(key);
    if (found != nullptr) {
      out = *found;
    }
    return found != nullptr;
  }
};

TEST(RandomCommands, TrimmingAtAnyMoment_ChangesNoDecision) {
  for_each_seed(100, [](Random& random) {
    Trial whole;
    FoldedSource checkpoint;
    Rows rows(checkpoint, nullptr);
    Machine machine(rows, {.last_seq = 0, .last_time = kStart, .salt = kSalt});
    Produced produced;
    std::size_t folded = 0;
    for (const Step& step : random_steps(random, 150)) {
      whole.take(step);
      KindRenderer renderer;
      Answer answer;
      machine.handle(step.input, step.now, &renderer, answer, produced);
      ASSERT_EQ(answer.body, whole.answers.back());
      if (random.chance(20)) {
        // A checkpoint up to some event, then a trim of some of the rows.
        const std::size_t goal = folded + random.below(produced.records.size() - folded + 1);
        for (; folded < goal; ++folded) {
          ASSERT_TRUE(fold(checkpoint.state.rows, produced.records[folded]));
        }
        rows.accounts.trim(folded, random.below(10));
        rows.transfers.trim(folded, random.below(10));
        rows.payments.trim(folded, random.below(10));
        rows.keys.trim(folded, random.below(10));
        rows.frauds.trim(folded, random.below(10));
        rows.refunds.trim(folded, random.below(10));
      }
    }
    EXPECT_EQ(dump_all(produced.records), dump_all(whole.all.records));
    EXPECT_EQ(dump_all(produced.effects), dump_all(whole.all.effects));
  });
}

}  // namespace
}  // namespace payonce::core
