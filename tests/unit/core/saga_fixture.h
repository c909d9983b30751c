// What the tests of the payment saga share: one payment "pay_1" of 3.00 by alice, who has 10.00.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "core/replay.h"
#include "support/effects.h"
#include "support/machine_world.h"

namespace payonce::core {

using testing_support::dump;
using testing_support::kStart;
using testing_support::usd;
using testing_support::World;

// After every test: the ledger adds up, the rows and keys are a fold of the log, what they wait for
// is what was released and is still wanted, and the history would be decided the same again.
class SagaFixture : public testing::Test {
 protected:
  SagaFixture() {
    world.rules.gateway_retry.maximum_attempts = 3;
    world.rules.notify_retry.maximum_attempts = 3;
    world.rules.compensation_retry.maximum_attempts = 2;
    world.rules.callback_timeout = Duration::seconds(60);
    world.rules.fraud.timeout = Duration::seconds(600);
    world.rules.fraud.retry.maximum_attempts = 2;
    world.open("alice", 1000);
  }

  void start(FraudMode mode = FraudMode::kNone) {
    world.rules.fraud.mode = mode;
    world.pay("pay_1", "alice", usd(300));
    world.now = kStart + Duration::seconds(1);
  }
  void start_accepted(FraudMode mode = FraudMode::kNone) {
    start(mode);
    world.gateway("pay_1", 1, GatewayReply::kAccepted, "gw_1");
  }
  // Brings the payment into `state`, from its start.
  void reach(GatewayState state) {
    switch (state) {
      case GatewayState::kRetrying:
        world.gateway("pay_1", 1, GatewayReply::kTemporaryFailure, "503");
        break;
      case GatewayState::kInDoubt:
        world.gateway("pay_1", 1, GatewayReply::kNoAnswer, "read timeout");
        break;
      case GatewayState::kAccepted:
        world.gateway("pay_1", 1, GatewayReply::kAccepted, "gw_1");
        break;
      case GatewayState::kConfirmed:
        world.gateway("pay_1", 1, GatewayReply::kConfirmed, "gw_1");
        break;
      default:
        break;
    }
    ASSERT_EQ(payment().gateway, state);
  }

  const Payment& payment() { return world.payment_row("pay_1"); }
  const FraudCheck& check() { return world.check_row("pay_1"); }
  const Transfer& hold() { return *world.state.rows.transfers.find("pay_1/hold"); }
  const Account& alice() { return world.account("alice"); }

  void expect_nothing_added() {
    EXPECT_THAT(world.events(), testing::IsEmpty());
    EXPECT_THAT(world.effects(), testing::IsEmpty());
  }
  void expect_stale(const Outcome& outcome) {
    EXPECT_EQ(outcome.kind, OutcomeKind::kResultStale);
    expect_nothing_added();
  }
  void expect_refused(const Outcome& outcome, OutcomeKind kind) {
    EXPECT_EQ(outcome.kind, kind);
    expect_nothing_added();
  }
  // Of how many records of the payment's history this is the event.
  template <class Event>
  std::ptrdiff_t count() const {
    return std::ranges::count_if(world.log, [](const Record& record) {
      return std::holds_alternative<Event>(record.event);
    });
  }
  // False when the fold refuses the event now; nothing may have changed then.
  void expect_fold_refuses(StreamKind kind, const std::string& stream, Event event) {
    Record record;
    record.seq = 1000;
    record.at = world.now;
    record.kind = kind;
    record.stream = stream;
    record.event = std::move(event);
    testing_support::Folded copy;
    ASSERT_TRUE(copy.fold(world.log));
    EXPECT_FALSE(fold(copy.rows, record)) << dump(record);
    EXPECT_EQ(copy.indexes.entries, world.state.indexes.entries);
  }

  void TearDown() override {
    WideAmount sum = 0;
    world.state.rows.accounts.for_each_changed(
        [&](const std::string&, const Account& account) { sum += account.posted; });
    EXPECT_EQ(sum, 0);
    testing_support::Folded folded;
    EXPECT_TRUE(folded.fold(world.log));
    EXPECT_EQ(folded.all(), world.state.all());
    EXPECT_EQ(folded.indexes.entries, world.state.indexes.entries);
    expect_owed_is_released();
    expect_decided_the_same_again();
  }

  World world;

 private:
  void expect_owed_is_released() {
    std::vector<Effect> wanted_ones;
    for (const Effect& effect : world.released) {
      if (testing_support::still_wanted(world.state.rows, effect)) {
        wanted_ones.push_back(effect);
      }
    }
    EXPECT_THAT(testing_support::task_texts(testing_support::pending_effects(world.state.rows)),
                testing::UnorderedElementsAreArray(testing_support::task_texts(wanted_ones)));
  }
  void expect_decided_the_same_again() {
    std::vector<Record> history;
    for (const Record& record : world.log) {
      const bool workflow = record.kind == StreamKind::kPayment ||
                            record.kind == StreamKind::kFraud || record.kind == StreamKind::kRefund;
      if (workflow && one_payment) {
        history.push_back(record);
      }
    }
    const auto difference = redecide(history, testing_support::kSalt);
    EXPECT_FALSE(difference) << difference->recorded << "\n" << difference->decided;
  }

 protected:
  bool one_payment = true;  // else the history is several, which are not decided one by one here
};

}  // namespace payonce::core
