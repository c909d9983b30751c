// What the machine adds to the rules: numbers, time, effects derived from state, determinism.
#include "core/machine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

#include "support/machine_world.h"

namespace payonce::core {
namespace {

using testing::IsEmpty;
using testing_support::dump_all;
using testing_support::kSalt;
using testing_support::kStart;
using testing_support::usd;
using testing_support::World;

TEST(Machine, Sequence_IsDenseAndGoesOnWhereTheLogEnded) {
  World world;
  world.open("alice", 1000);
  world.pay("pay_1", "alice", usd(1));
  world.pay("pay_1", "alice", usd(1));
  world.gateway("pay_1", 1, GatewayReply::kConfirmed);
  for (std::size_t i = 0; i < world.log.size(); ++i) {
    EXPECT_EQ(world.log[i].seq, i + 1);
  }
  EXPECT_EQ(world.machine.position().last_seq, world.log.size());
}

TEST(Machine, Time_NeverRunsBackwards) {
  World world;
  world.now = kStart + Duration::seconds(10);
  world.open("alice", 1000);
  world.now = kStart + Duration::seconds(4);
  world.pay("pay_1", "alice", usd(1));
  EXPECT_EQ(world.payment_row("pay_1").created_at, kStart + Duration::seconds(10));
  EXPECT_EQ(world.machine.position().last_time, kStart + Duration::seconds(10));
  // What is due is counted from the log's time, too.
  world.gateway("pay_1", 1, GatewayReply::kTemporaryFailure);
  EXPECT_GT(world.payment_row("pay_1").gateway_not_before, kStart + Duration::seconds(10));
  Timestamp before;
  for (const Record& record : world.log) {
    EXPECT_GE(record.at, before);
    before = record.at;
  }
}

TEST(Machine, ClockBehindTheLog_DoesNotLetAKeyLiveLonger) {
  World world;
  world.open("alice", 1000);
  const Input keyed{Deposit{.account_id = "alice", .amount = "1", .reference = {}},
                    KeyedRequest{.key = "key",
                                 .fingerprint = "f",
                                 .retention = Duration::seconds(60),
                                 .answer_later = false}};
  world.handle_input(keyed);
  world.now = kStart + Duration::seconds(60);
  world.open("bob");
  world.now = kStart;  // set back: the log's time still says that the key has expired
  EXPECT_EQ(world.handle_input(keyed).kind, OutcomeKind::kDeposited);
}

TEST(Machine, EventsOfOneCommand_HaveOneTime) {
  World world;
  world.open("alice", 1000);
  std::set<std::int64_t> times;
  for (const Record& record : world.added.records) {
    times.insert(record.at.us);
  }
  EXPECT_EQ(times.size(), 1U);
}

TEST(Machine, MadeIds_ComeFromSaltTimeAndSequence) {
  World world;
  EXPECT_EQ(world.open("").account->id,
            make_id("acct_", kStart, IdSeed{.salt = kSalt, .sequence = 2}));
}

TEST(Machine, WithoutRenderer_AnswerIsLeftAlone) {
  World world;
  Answer answer{.status = 7, .location = "l", .body = "b"};
  Produced out;
  world.machine.handle(
      Input{
          OpenAccount{.id = "alice", .currency = testing_support::currency("USD"), .metadata = {}},
          std::nullopt},
      kStart, nullptr, answer, out);
  EXPECT_EQ(answer.status, 7U);
  EXPECT_EQ(answer.body, "b");
  EXPECT_EQ(out.records.size(), 1U);
}

TEST(Machine, Produced_IsAppendedToSoThatABatchCollects) {
  World world;
  Answer answer;
  Produced out;
  for (const char* id : {"a", "b"}) {
    world.machine.handle(
        Input{OpenAccount{.id = id, .currency = testing_support::currency("USD"), .metadata = {}},
              std::nullopt},
        kStart, nullptr, answer, out);
  }
  EXPECT_EQ(out.records.size(), 2U);
}

// Everything that a payment owes to the outside, as its state says.
std::vector<std::string> pending(World& world, const std::string& id) {
  std::vector<Effect> effects;
  append_pending_effects(world.payment_row(id), effects);
  return dump_all(effects);
}

// The tasks among the last command's effects.
std::vector<std::string> released_tasks(const World& world) {
  std::vector<std::string> all;
  for (const Effect& effect : world.added.effects) {
    if (!std::holds_alternative<WorkflowEnded>(effect)) {
      all.push_back(testing_support::dump(effect));
    }
  }
  return all;
}

TEST(Effects, WhatStateOwes_IsExactlyWhatWasReleasedLast) {
  World world;
  world.rules.gateway_retry.maximum_attempts = 2;
  world.rules.notify_retry.maximum_attempts = 2;
  world.open("alice", 1000);
  const auto expect_same = [&](const std::string& id, std::size_t count) {
    EXPECT_EQ(pending(world, id), released_tasks(world));
    EXPECT_EQ(pending(world, id).size(), count);
  };
  world.pay("a", "alice", usd(1));
  expect_same("a", 1);
  world.gateway("a", 1, GatewayReply::kTemporaryFailure);
  expect_same("a", 1);
  world.gateway("a", 2, GatewayReply::kConfirmed);
  expect_same("a", 1);
  world.notified("a", 1, false);
  expect_same("a", 1);
  world.notified("a", 2, true);
  expect_same("a", 0);

  world.pay("b", "alice", usd(1));
  world.gateway("b", 1, GatewayReply::kDeclined);
  expect_same("b", 1);
  world.notified("b", 1, false);
  world.notified("b", 2, false);
  expect_same("b", 0);

  world.pay("c", "alice", usd(1));
  world.gateway("c", 1, GatewayReply::kTemporaryFailure);
  world.gateway("c", 2, GatewayReply::kTemporaryFailure);
  expect_same("c", 1);

  world.pay("d", "alice", usd(999'999));
  expect_same("d", 0);
}

TEST(Effects, StaleResult_LeavesWhatIsPending) {
  World world;
  world.open("alice", 1000);
  world.pay("a", "alice", usd(1));
  const auto before = pending(world, "a");
  world.gateway("a", 7, GatewayReply::kConfirmed);
  EXPECT_EQ(pending(world, "a"), before);
  EXPECT_THAT(released_tasks(world), IsEmpty());
}

TEST(Effects, EndOfAWorkflow_IsToldOnce) {
  World world;
  world.open("alice", 1000);
  world.pay("a", "alice", usd(1));
  const auto ends = [&] {
    int count = 0;
    for (const Effect& effect : world.added.effects) {
      count += std::holds_alternative<WorkflowEnded>(effect) ? 1 : 0;
    }
    return count;
  };
  EXPECT_EQ(ends(), 0);
  world.gateway("a", 1, GatewayReply::kConfirmed);
  EXPECT_EQ(ends(), 1);
  world.notified("a", 1, false);
  EXPECT_EQ(ends(), 0);
  world.notified("a", 2, true);
  EXPECT_EQ(ends(), 0);
}

}  // namespace
}  // namespace payonce::core
