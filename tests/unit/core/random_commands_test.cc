// Random sequences of commands: what holds for the ledger, the payments and the keys whatever
// happens, that the rows are a fold of the records, and that the same commands give the same
// events.
#include <gtest/gtest.h>

#include <array>
#include <cstdlib>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "support/machine_world.h"
#include "support/random.h"

namespace payonce::core {
namespace {

using testing_support::currency;
using testing_support::dump;
using testing_support::dump_all;
using testing_support::Folded;
using testing_support::for_each_seed;
using testing_support::KindRenderer;
using testing_support::kSalt;
using testing_support::kStart;
using testing_support::Random;

struct Step {
  Timestamp now;
  Input input;
};

constexpr std::array<const char*, 6> kAccounts{"a", "b", "c", "d", "nobody", "sys:funding:USD"};
constexpr std::array<const char*, 3> kCurrencies{"USD", "USD", "JPY"};

std::string payment_id(Random& random) { return "pay_" + std::to_string(random.below(12)); }

Command random_result(Random& random) {
  const auto attempt = static_cast<std::uint32_t>(random.below(5));
  if (random.chance(30)) {
    return RecordNotification{.payment_id = payment_id(random),
                              .attempt = attempt,
                              .delivered = random.chance(50),
                              .error = "unreachable"};
  }
  constexpr std::array kReplies{GatewayReply::kConfirmed, GatewayReply::kDeclined,
                                GatewayReply::kTemporaryFailure};
  return RecordGatewayReply{.payment_id = payment_id(random),
                            .attempt = attempt,
                            .reply = random.pick(kReplies),
                            .detail = "detail"};
}

Command random_command(Random& random) {
  switch (random.below(10)) {
    case 0:
      return OpenAccount{.id = random.chance(10) ? "" : random.pick(kAccounts),
                         .currency = currency(random.pick(kCurrencies)),
                         .opening_minor = static_cast<std::int64_t>(
                             random.chance(10) ? random.next() >> 1 : random.below(2000)),
                         .metadata = {}};
    case 1:
      return Deposit{.account_id = random.pick(kAccounts),
                     .amount = random.chance(10)   ? "92233720368547758.07"
                               : random.chance(50) ? std::to_string(random.below(20))
                                                   : std::to_string(random.below(20)) + ".5",
                     .reference = {}};
    case 2:
    case 3:
    case 4: {
      PaymentRules rules;
      rules.gateway_retry.maximum_attempts = static_cast<std::uint32_t>(random.below(4));
      rules.notify_retry.maximum_attempts = static_cast<std::uint32_t>(random.below(4));
      return CreatePayment{
          .id = random.chance(10) ? "" : payment_id(random),
          .content = {.user_id = random.pick(kAccounts),
                      .amount = Money{1 + static_cast<std::int64_t>(random.below(800)),
                                      currency(random.pick(kCurrencies))},
                      .payment_method = "pm",
                      .description = {},
                      .metadata = {}},
          .rules = rules};
    }
    case 5:
      return CompleteKey{.key = "key_" + std::to_string(random.below(6)),
                         .answer = {.status = 201, .location = {}, .body = "end"}};
    default:
      return random_result(random);
  }
}

std::vector<Step> random_steps(Random& random, std::size_t count) {
  std::vector<Step> steps;
  Timestamp now = kStart;
  while (steps.size() < count) {
    // Mostly forwards, sometimes back: clocks do that.
    now = now + Duration{static_cast<std::int64_t>(random.below(3'000'000)) - 300'000};
    Step step{now, Input{random_command(random), std::nullopt}};
    const bool from_client = std::holds_alternative<OpenAccount>(step.input.command) ||
                             std::holds_alternative<Deposit>(step.input.command) ||
                             std::holds_alternative<CreatePayment>(step.input.command);
    if (from_client && random.chance(50)) {
      step.input.keyed = KeyedRequest{.key = "key_" + std::to_string(random.below(6)),
                                      .fingerprint = "f" + std::to_string(random.below(2)),
                                      .retention = Duration::seconds(20),
                                      .answer_later = random.chance(50)};
    }
    if (!steps.empty() && random.chance(15)) {
      step.input = random.pick(steps).input;  // somebody asks again
    }
    steps.push_back(std::move(step));
  }
  return steps;
}

struct Trial {
  Folded state;
  Machine machine{state.rows, {.last_seq = 0, .last_time = kStart, .salt = kSalt}};
  Produced all;
  std::vector<std::string> answers;

  // Returns how many records the step added.
  std::size_t take(const Step& step) {
    KindRenderer renderer;
    Answer answer;
    const std::size_t before = all.records.size();
    machine.handle(step.input, step.now, &renderer, answer, all);
    answers.push_back(answer.body);
    return all.records.size() - before;
  }
};

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

// Each payment's hold is posted or voided at most once, never both, and the status says which.
void check_ends(const Trial& trial) {
  std::map<std::string, int> posted;
  std::map<std::string, int> voided;
  for (const Record& record : trial.all.records) {
    posted[record.stream] += std::holds_alternative<HoldPosted>(record.event) ? 1 : 0;
    voided[record.stream] += std::holds_alternative<HoldVoided>(record.event) ? 1 : 0;
  }
  trial.state.rows.payments.for_each_changed([&](const std::string& id, const Payment& payment) {
    const bool held_once = payment.gateway != GatewayState::kNone;
    ASSERT_EQ(posted[id], payment.status == PaymentStatus::kSuccess ? 1 : 0) << id;
    ASSERT_EQ(voided[id], payment.status == PaymentStatus::kFail && held_once ? 1 : 0) << id;
  });
}

// Else the tests below would prove little.
TEST(RandomCommands, Generator_ReachesEveryOutcomeAndEvent) {
  std::set<std::string> kinds;
  std::set<std::string_view> events;
  for_each_seed(60, [&](Random& random) {
    Trial trial;
    for (const Step& step : random_steps(random, 200)) {
      KindRenderer renderer;
      Answer answer;
      const Outcome outcome =
          trial.machine.handle(step.input, step.now, &renderer, answer, trial.all);
      kinds.insert(std::to_string(static_cast<int>(outcome.kind)));
    }
    for (const Record& record : trial.all.records) {
      events.insert(event_name(record.event));
    }
  });
  if (std::getenv("PAYONCE_SEED") == nullptr) {
    EXPECT_EQ(kinds.size(), static_cast<std::size_t>(OutcomeKind::kKeyCompleted) + 1);
    EXPECT_EQ(events.size(), std::variant_size_v<Event> - 1);  // all but log_created
  }
}

TEST(RandomCommands, MoneyIsConserved_AndNothingIsOverdrawn_AfterEveryCommand) {
  for_each_seed(150, [](Random& random) {
    Trial trial;
    for (const Step& step : random_steps(random, 150)) {
      if (trial.take(step) > 0) {
        ASSERT_NO_FATAL_FAILURE(check_money(trial.state.rows));
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

TEST(RandomCommands, PendingEffectsOfTheState_AreTheReleasedOnesWithoutAResult) {
  for_each_seed(150, [](Random& random) {
    Trial trial;
    std::map<std::string, std::string> owed;  // by kind of task and payment
    std::size_t seen = 0;
    for (const Step& step : random_steps(random, 200)) {
      const bool applied = trial.take(step) > 0;
      if (const auto* reply = std::get_if<RecordGatewayReply>(&step.input.command);
          applied && reply != nullptr) {
        owed.erase("gateway " + reply->payment_id);
      }
      if (const auto* sent = std::get_if<RecordNotification>(&step.input.command);
          applied && sent != nullptr) {
        owed.erase("notify " + sent->payment_id);
      }
      for (; seen < trial.all.effects.size(); ++seen) {
        const Effect& effect = trial.all.effects[seen];
        if (const auto* call = std::get_if<CallGateway>(&effect)) {
          ASSERT_TRUE(owed.emplace("gateway " + call->payment_id, dump(effect)).second);
        } else if (const auto* send = std::get_if<SendNotification>(&effect)) {
          ASSERT_TRUE(owed.emplace("notify " + send->payment_id, dump(effect)).second);
        }
      }
    }
    std::multiset<std::string> pending;
    std::set<std::string> waiting;
    trial.state.rows.payments.for_each_changed([&](const std::string& id, const Payment& payment) {
      std::vector<Effect> effects;
      append_pending_effects(payment, effects);
      for (const Effect& effect : effects) {
        pending.insert(dump(effect));
        waiting.insert(id);
      }
    });
    std::multiset<std::string> expected;
    for (const auto& [task, effect] : owed) {
      expected.insert(effect);
    }
    EXPECT_EQ(pending, expected);
    const auto wakeups = trial.state.indexes.keys(Index::kWakeups);
    EXPECT_EQ(std::set<std::string>(wakeups.begin(), wakeups.end()), waiting);
  });
}

TEST(RandomCommands, EndedPayment_NeverChangesItsMoneyOrStatusAgain) {
  for_each_seed(100, [](Random& random) {
    Trial trial;
    std::map<std::string, std::string> ended;
    for (const Step& step : random_steps(random, 200)) {
      trial.take(step);
      trial.state.rows.payments.for_each_changed([&](const std::string& id,
                                                     const Payment& payment) {
        if (!terminal(payment.status)) {
          ASSERT_EQ(ended.count(id), 0U);
          return;
        }
        const Transfer* hold = trial.state.rows.transfers.find(transfer_key(id, kHoldStep));
        const std::string end = std::string(name(payment.status)) + payment.failure_message +
                                payment.gateway_reference + (hold == nullptr ? "" : dump(*hold));
        const auto known = ended.emplace(id, end).first;
        ASSERT_EQ(known->second, end);
      });
    }
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
      }
    }
    EXPECT_EQ(dump_all(produced.records), dump_all(whole.all.records));
    EXPECT_EQ(dump_all(produced.effects), dump_all(whole.all.effects));
  });
}

}  // namespace
}  // namespace payonce::core
