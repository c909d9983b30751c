// Which entries may go, and that the engine drops them with its commits.
#include "engine/retention.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <utility>

#include "engine/checkpointer.h"
#include "log/checkpoint.h"
#include "log/codec.h"
#include "log/history.h"
#include "log/memory_log.h"
#include "support/engine_world.h"
#include "support/machine_world.h"
#include "support/temp_dir.h"

namespace payonce::engine {
namespace {

using testing_support::EngineWorld;
using testing_support::eventually;
using testing_support::kSalt;
using testing_support::TempDir;
using testing_support::usd;
using testing_support::World;

constexpr std::chrono::milliseconds kHour = std::chrono::hours{1};

// Before every read somebody commits, which drops what may go.
class BusyLog final : public log::LogStore {
 public:
  Result<void> append(const log::Batch& batch, core::Seq expected_last) override {
    return inner_.append(batch, expected_last);
  }
  Result<void> read(core::Seq from, const Visit& visit) const override {
    if (busy) {
      EXPECT_TRUE(inner_.append({}, inner_.last_seq()));
    }
    return inner_.read(from, visit);
  }
  [[nodiscard]] core::Seq last_seq() const override { return inner_.last_seq(); }
  [[nodiscard]] core::Seq first_seq() const override { return inner_.first_seq(); }
  void drop_below(core::Seq floor) override { inner_.drop_below(floor); }

  bool busy = false;

 private:
  mutable log::MemoryLog inner_;
};

class RetentionTest : public testing::Test {
 protected:
  RetentionTest() { world.open("alice", 1'000'000); }

  // A payment from its beginning to its end.
  void pay(const std::string& id) {
    world.pay(id, "alice", usd(100));
    world.gateway(id, 1, core::GatewayReply::kConfirmed);
    world.notified(id, 1, true);
    ASSERT_EQ(world.payment_row(id).step, core::PaymentStep::kDone);
  }
  void pass(std::chrono::milliseconds time) { world.now = world.now + Duration::ms(time.count()); }
  core::Seq created(const std::string& id) { return world.payment_row(id).created_seq; }

  // Brings log and state up to the world, asks for a round, and drops all that may go.
  core::Seq first_after_round() {
    for (; written < world.log.size(); ++written) {
      log::Batch batch;
      log::encode_record(world.log[written], kSalt, batch.bytes);
      batch.ends.push_back(batch.bytes.size());
      EXPECT_TRUE(log.append(batch, log.last_seq()));
    }
    const auto applied = log::catch_up(log, *state, kSalt, 1'000'000);
    EXPECT_TRUE(applied);
    EXPECT_TRUE(retention.round(applied->applied));
    EXPECT_TRUE(log.append({}, log.last_seq()));
    return log.first_seq();
  }

  World world;
  TempDir dir;
  BusyLog log;
  std::unique_ptr<log::StateStore> state =
      std::move(log::StateStore::open(dir / "state", 64 << 20, kSalt, log::Sync::kNever).value());
  Retention retention{{.log = log, .state = *state, .salt = kSalt}};
  std::size_t written = 0;
};

TEST_F(RetentionTest, ByDefault_EverythingIsKept) {
  pay("p1");
  pass(10'000 * kHour);
  pay("p2");
  EXPECT_EQ(first_after_round(), 1U);
}

TEST_F(RetentionTest, OnlyWhatIsOlderThanTheNewestEntryByThatMuch_Goes) {
  retention.keep(kHour);
  pay("old");
  pass(kHour / 2);
  pay("young");
  EXPECT_EQ(first_after_round(), 1U);
  pass(kHour / 2);
  pay("newest");
  pass(std::chrono::milliseconds(1));
  pay("later");
  EXPECT_EQ(first_after_round(), created("young"));
}

TEST_F(RetentionTest, TimeWithoutEntries_DropsNothing) {
  retention.keep(kHour);
  pay("p1");
  EXPECT_EQ(first_after_round(), 1U);
  pass(100 * kHour);
  EXPECT_EQ(first_after_round(), 1U);
}

TEST_F(RetentionTest, EntriesThatTheStateLacks_Stay) {
  retention.keep(kHour);
  pay("p1");
  const core::Seq applied = world.log.back().seq;
  static_cast<void>(first_after_round());
  pass(2 * kHour);
  pay("p2");
  pass(2 * kHour);
  pay("p3");
  for (; written < world.log.size(); ++written) {
    log::Batch batch;
    log::encode_record(world.log[written], kSalt, batch.bytes);
    batch.ends.push_back(batch.bytes.size());
    ASSERT_TRUE(log.append(batch, log.last_seq()));
  }
  ASSERT_TRUE(retention.round(applied));  // the state is this far behind
  ASSERT_TRUE(log.append({}, log.last_seq()));
  EXPECT_LE(log.first_seq(), applied);
  EXPECT_TRUE(log::catch_up(log, *state, kSalt, 1'000'000));
}

TEST_F(RetentionTest, WorkflowUnderWay_HoldsItsEntriesAndAllBehindThem) {
  retention.keep(kHour);
  pay("ended");
  world.pay("open", "alice", usd(100));
  world.gateway("open", 1, core::GatewayReply::kTemporaryFailure);
  pay("behind");
  pass(2 * kHour);
  pay("newest");
  EXPECT_EQ(first_after_round(), created("open"));
  core::Payment row;
  ASSERT_TRUE(state->snapshot()->load("open", row));
  const auto history = log::read_stream(log, kSalt, row.stream_last, 0);
  ASSERT_TRUE(history);
  EXPECT_TRUE(history->whole);
  EXPECT_EQ(history->records.front().seq, created("open"));

  world.gateway("open", 2, core::GatewayReply::kConfirmed);
  world.notified("open", 1, true);
  EXPECT_GT(first_after_round(), created("behind"));
}

TEST_F(RetentionTest, PaymentThatWaitsForItsFraudCheck_IsUnderWay) {
  retention.keep(kHour);
  world.rules.fraud.mode = core::FraudMode::kManual;
  world.pay("asked", "alice", usd(100));
  world.rules.fraud.mode = core::FraudMode::kNone;
  pass(2 * kHour);
  pay("newest");
  EXPECT_EQ(first_after_round(), created("asked"));
}

TEST_F(RetentionTest, WhatWaitsForAnOperatorAlone_HoldsNothingBack) {
  retention.keep(kHour);
  world.rules.compensation_retry.maximum_attempts = 1;
  world.pay("stuck", "alice", usd(100));
  world.cancel("stuck");
  world.undo("stuck", 1, core::UndoReply::kFailed);
  world.notified("stuck", 1, true);
  world.rules = {};
  ASSERT_EQ(world.payment_row("stuck").compensation, core::CompensationState::kFailed);
  pass(2 * kHour);
  pay("newest");
  pass(std::chrono::milliseconds(1));
  pay("later");
  EXPECT_GT(first_after_round(), world.payment_row("stuck").stream_last);
  core::Payment row;
  ASSERT_TRUE(state->snapshot()->load("stuck", row));
  const auto history = log::read_stream(log, kSalt, row.stream_last, 0);
  ASSERT_TRUE(history) << history.error().message;
  EXPECT_FALSE(history->whole);
  EXPECT_TRUE(history->records.empty());
}

TEST_F(RetentionTest, AnotherRetention_IsFollowedFromTheNextRoundOn) {
  retention.keep(kHour);
  pay("p1");
  pass(2 * kHour);
  pay("p2");
  pass(2 * kHour);
  pay("p3");
  retention.keep(std::chrono::milliseconds{0});
  EXPECT_EQ(first_after_round(), 1U);
  retention.keep(3 * kHour);
  EXPECT_EQ(first_after_round(), created("p2"));
  retention.keep(kHour);
  EXPECT_EQ(first_after_round(), created("p3"));
}

TEST_F(RetentionTest, ChangedWhileSomethingMayGo_DropsNoMoreByTheOldOne_AndIsNoError) {
  retention.keep(kHour);
  pay("old");
  pass(2 * kHour);
  pay("newest");
  const core::Seq before = first_after_round();
  ASSERT_GT(before, 1U);
  for (int i = 0; i < 1000; ++i) {
    pay("p" + std::to_string(i));
  }
  pass(2 * kHour);
  pay("last");
  static_cast<void>(first_after_round());  // more may go now than one commit drops
  const core::Seq first = log.first_seq();
  retention.keep(100 * kHour);
  log.busy = true;
  EXPECT_TRUE(retention.round(log.last_seq()));
  EXPECT_TRUE(log.append({}, log.last_seq()));
  EXPECT_EQ(log.first_seq(), first);
}

TEST_F(RetentionTest, WhatCouldBeDroppedAndWasNot_IsSaidInTheNextRound) {
  retention.keep(kHour);
  for (int i = 0; i < 100; ++i) {
    pay("p" + std::to_string(i));
  }
  pass(2 * kHour);
  pay("newest");
  static_cast<void>(first_after_round());  // drops all of it
  EXPECT_FALSE(*retention.round(log.last_seq()));
  pass(2 * kHour);
  pay("later");
  log.drop_below(0);
  for (; written < world.log.size(); ++written) {
    log::Batch batch;
    log::encode_record(world.log[written], kSalt, batch.bytes);
    batch.ends.push_back(batch.bytes.size());
    ASSERT_TRUE(log.append(batch, log.last_seq()));
  }
  ASSERT_TRUE(log::catch_up(log, *state, kSalt, 1'000'000));
  EXPECT_FALSE(*retention.round(log.last_seq()));
  EXPECT_TRUE(*retention.round(log.last_seq()));
}

TEST_F(RetentionTest, DamagedEntry_IsAnErrorAndNotAFloor) {
  retention.keep(kHour);
  pay("p1");
  pass(2 * kHour);
  pay("p2");
  static_cast<void>(first_after_round());
  log::Batch batch;
  batch.bytes = "not an entry";
  batch.ends.push_back(batch.bytes.size());
  ASSERT_TRUE(log.append(batch, log.last_seq()));
  EXPECT_FALSE(retention.round(log.last_seq()));
}

// ---- Behind a running engine

constexpr CheckpointPolicy kOften{.events = 10,
                                  .interval = std::chrono::milliseconds(1),
                                  .rows_max = 1'000'000,
                                  .slice_events = 100};

TEST(RetentionWhileServing, OldEntriesGo_WithCommitsOrWithoutThem) {
  EngineWorld world;
  world.start();
  Retention retention({.log = world.log, .state = *world.state, .salt = world.salt});
  retention.keep(kHour);
  std::atomic<int> failures{0};
  Checkpointer checkpointer({.engine = *world.engine,
                             .log = world.log,
                             .state = *world.state,
                             .salt = world.salt,
                             .storage_low = {},
                             .on_failure = [&](const Error&) { failures.fetch_add(1); },
                             .retention = &retention},
                            kOften, world.log.last_seq());
  checkpointer.start();
  for (int i = 0; i < 500; ++i) {
    ASSERT_EQ(world.execute(EngineWorld::open_account("a" + std::to_string(i))), Verdict::kDone);
  }
  EXPECT_EQ(world.log.first_seq(), 1U);
  world.clock.advance(Duration::ms(2 * 3'600'000));
  ASSERT_EQ(world.execute(EngineWorld::open_account("newest")), Verdict::kDone);
  const core::Seq newest = world.log.last_seq();
  // No other command comes: the checkpointer has the engine commit for it.
  EXPECT_TRUE(eventually([&] { return world.log.first_seq() == newest; }));
  EXPECT_EQ(world.log.last_seq(), newest);
  EXPECT_EQ(world.execute(EngineWorld::open_account("a7")), Verdict::kDone);
  EXPECT_EQ(world.log.last_seq(), newest);  // it is still known
  checkpointer.stop();
  EXPECT_EQ(failures, 0);
}

}  // namespace
}  // namespace payonce::engine
