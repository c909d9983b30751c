// Random sequences of commands: what the workflows owe to the outside, how they end, and that their
// histories are whole.
#include <gtest/gtest.h>

#include <map>
#include <set>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "core/due.h"
#include "core/index_keys.h"
#include "core/replay.h"
#include "support/effects.h"
#include "support/random_commands.h"

namespace payonce::core {
namespace {

using testing_support::dump;
using testing_support::for_each_seed;
using testing_support::kSalt;
using testing_support::Random;
using testing_support::random_steps;
using testing_support::Step;
using testing_support::still_wanted;
using testing_support::task_text;
using testing_support::Trial;

// Everything that the rows wait for, and the keys under which that stands.
struct Pending {
  std::multiset<std::string> effects;
  std::set<std::pair<Index, std::string>> keys;

  template <class Row>
  void add(StreamKind kind, const RowTable<Row>& rows) {
    rows.for_each_changed([&](const std::string& id, const Row& row) {
      std::vector<Effect> owed;
      append_pending_effects(row, owed);
      for (const Effect& effect : owed) {
        effects.insert(task_text(effect));
        keys.insert({index_of(*task_class(effect)), due_key(due_of(effect), kind, id)});
      }
    });
  }
  explicit Pending(const Rows& rows) {
    add(StreamKind::kPayment, rows.payments);
    add(StreamKind::kFraud, rows.frauds);
    add(StreamKind::kRefund, rows.refunds);
  }
};

TEST(RandomCommands, PendingEffectsOfTheState_AreTheReleasedOnesThatAreStillWanted) {
  for_each_seed(100, [](Random& random) {
    Trial trial;
    std::set<std::string> released;
    std::size_t seen = 0;
    std::vector<Effect> open;
    for (const Step& step : random_steps(random, 200)) {
      trial.take(step);
      for (; seen < trial.all.effects.size(); ++seen) {
        const Effect& effect = trial.all.effects[seen];
        if (!std::holds_alternative<WorkflowEnded>(effect)) {
          ASSERT_TRUE(released.insert(task_text(effect)).second) << "twice: " << dump(effect);
          open.push_back(effect);
        }
      }
      std::erase_if(open, [&](const Effect& e) { return !still_wanted(trial.state.rows, e); });
      std::multiset<std::string> expected;
      for (const Effect& effect : open) {
        expected.insert(task_text(effect));
      }
      const Pending pending(trial.state.rows);
      ASSERT_EQ(pending.effects, expected);
      std::set<std::pair<Index, std::string>> keys;
      for (const TaskClass task : kTaskClasses) {
        for (const std::string& key : trial.state.indexes.keys(index_of(task))) {
          keys.insert({index_of(task), key});
        }
      }
      ASSERT_EQ(keys, pending.keys);
    }
  });
}

TEST(RandomCommands, ExhaustedIndex_HoldsExactlyTheTasksThatWaitForAnOperator) {
  for_each_seed(60, [](Random& random) {
    Trial trial;
    for (const Step& step : random_steps(random, 200)) {
      trial.take(step);
    }
    std::set<std::string> expected;
    trial.state.rows.payments.for_each_changed([&](const std::string& id, const Payment& payment) {
      if (payment.compensation == CompensationState::kFailed) {
        expected.insert(compensation_task(id));
      }
      for (const Delivery& delivery : payment.deliveries) {
        if (delivery.state == NotifyState::kExhausted) {
          expected.insert(notify_task(delivery.channel, id));
        }
      }
    });
    trial.state.rows.refunds.for_each_changed([&](const std::string& id, const Refund& refund) {
      if (refund.status == RefundStatus::kExhausted) {
        expected.insert(refund_task(id));
      }
    });
    const auto stored = trial.state.indexes.keys(Index::kExhausted);
    EXPECT_EQ(std::set<std::string>(stored.begin(), stored.end()), expected);
  });
}

TEST(RandomCommands, EndedWorkflows_AreToldOnce) {
  for_each_seed(60, [](Random& random) {
    Trial trial;
    for (const Step& step : random_steps(random, 200)) {
      trial.take(step);
    }
    std::map<std::string, int> told;
    for (const Effect& effect : trial.all.effects) {
      if (const auto* ended = std::get_if<WorkflowEnded>(&effect)) {
        ++told[ended->id];
      }
    }
    trial.state.rows.payments.for_each_changed([&](const std::string& id, const Payment& payment) {
      EXPECT_EQ(told[id], terminal(payment.status) ? 1 : 0) << id;
    });
    trial.state.rows.refunds.for_each_changed([&](const std::string& id, const Refund& refund) {
      const bool ended =
          refund.status == RefundStatus::kSuccess || refund.status == RefundStatus::kFail;
      EXPECT_EQ(told[id], ended ? 1 : 0) << id;
    });
  });
}

// But for one that could not be undone: it ends with its first cause once it is undone after all.
TEST(RandomCommands, EndedPayment_NeverChangesItsMoneyOrStatusAgain) {
  for_each_seed(100, [](Random& random) {
    Trial trial;
    std::map<std::string, std::string> ended;
    for (const Step& step : random_steps(random, 200)) {
      trial.take(step);
      trial.state.rows.payments.for_each_changed(
          [&](const std::string& id, const Payment& payment) {
            if (!terminal(payment.status) || payment.failure == FailureCode::kCompensationFailed) {
              ASSERT_EQ(ended.count(id), 0U);
              return;
            }
            const Transfer* hold = trial.state.rows.transfers.find(transfer_key(id, kHoldStep));
            const std::string end = std::string(name(payment.status)) + payment.failure_message +
                                    (hold == nullptr ? "" : dump(*hold));
            const auto known = ended.emplace(id, end).first;
            ASSERT_EQ(known->second, end);
          });
    }
  });
}

// An unbroken chain through each workflow's events, from the newest one to the first.
TEST(RandomCommands, EveryHistory_IsChained) {
  for_each_seed(40, [](Random& random) {
    Trial trial;
    for (const Step& step : random_steps(random, 200)) {
      trial.take(step);
    }
    std::map<std::pair<StreamKind, std::string>, Seq> last;
    for (const Record& record : trial.all.records) {
      if (record.kind != StreamKind::kIdempotency) {
        Seq& before = last[{record.kind, record.stream}];
        ASSERT_EQ(record.previous, before) << dump(record);
        before = record.seq;
      }
    }
    const auto expect_last = [&](StreamKind kind) {
      return [&last, kind](const std::string& id, const auto& row) {
        EXPECT_EQ(row.stream_last, (last[{kind, id}])) << id;
      };
    };
    trial.state.rows.payments.for_each_changed(expect_last(StreamKind::kPayment));
    trial.state.rows.frauds.for_each_changed(expect_last(StreamKind::kFraud));
    trial.state.rows.refunds.for_each_changed(expect_last(StreamKind::kRefund));
  });
}

// The histories of all payments, each with its fraud check and refunds, in the order of the log.
std::map<std::string, std::vector<Record>> histories(const Trial& trial) {
  std::map<std::string, std::string> refunded;  // payment by refund
  trial.state.rows.refunds.for_each_changed(
      [&](const std::string& id, const Refund& refund) { refunded[id] = refund.payment_id; });
  std::map<std::string, std::vector<Record>> all;
  for (const Record& record : trial.all.records) {
    if (record.kind == StreamKind::kPayment) {
      all[record.stream].push_back(record);
    } else if (record.kind == StreamKind::kFraud) {
      all[record.stream.substr(kFraudCheckPrefix.size())].push_back(record);
    } else if (record.kind == StreamKind::kRefund) {
      all[refunded[record.stream]].push_back(record);
    }
  }
  return all;
}

TEST(RandomCommands, EveryHistory_IsDecidedTheSameAgain) {
  for_each_seed(60, [](Random& random) {
    Trial trial;
    for (const Step& step : random_steps(random, 200)) {
      trial.take(step);
    }
    for (const auto& [id, history] : histories(trial)) {
      const auto difference = redecide(history, kSalt);
      ASSERT_FALSE(difference) << id << " #" << difference->seq << " " << difference->recorded
                               << "\n"
                               << difference->decided;
    }
  });
}

}  // namespace
}  // namespace payonce::core
