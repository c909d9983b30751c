#include "engine/checkpointer.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <utility>

#include "support/engine_world.h"

namespace payonce::engine {
namespace {

using testing_support::EngineWorld;
using testing_support::eventually;

constexpr CheckpointPolicy kOnlyOnDemand{.events = 1'000'000,
                                         .interval = std::chrono::hours(24),
                                         .rows_max = 1'000'000,
                                         .slice_events = 7};

class CheckpointerTest : public testing::Test {
 protected:
  CheckpointerTest() { world.start(); }
  ~CheckpointerTest() override { checkpointer.reset(); }

  void start(CheckpointPolicy policy, std::function<bool()> storage_low = {}) {
    checkpointer = std::make_unique<Checkpointer>(
        Checkpointer::Parts{.engine = *world.engine,
                            .log = world.log,
                            .state = *world.state,
                            .salt = world.salt,
                            .storage_low = std::move(storage_low),
                            .on_failure = [this](const Error&) { failures.fetch_add(1); }},
        policy, applied());
    checkpointer->start();
  }
  core::Seq applied() { return world.state->snapshot()->applied_seq(); }
  void open_accounts(int count) {
    for (int i = 0; i < count; ++i) {
      ASSERT_EQ(world.execute(EngineWorld::open_account("a" + std::to_string(next++))),
                Verdict::kDone);
    }
  }

  EngineWorld world;
  std::unique_ptr<Checkpointer> checkpointer;
  std::atomic<int> failures{0};
  int next = 0;
};

TEST_F(CheckpointerTest, WaitApplied_BringsTheStateUpToTheEntry) {
  start(kOnlyOnDemand);
  open_accounts(100);
  const core::Seq newest = world.engine->durable_seq();
  EXPECT_LT(applied(), newest);
  EXPECT_TRUE(checkpointer->wait_applied(newest));
  EXPECT_EQ(applied(), newest);
  EXPECT_EQ(world.state->snapshot()->count(log::Table::kAccounts), 100U);
}

TEST_F(CheckpointerTest, WaitApplied_ForWhatIsThereReturnsAtOnce) {
  checkpointer = nullptr;
  start(kOnlyOnDemand);
  EXPECT_TRUE(checkpointer->wait_applied(0));
  EXPECT_TRUE(checkpointer->wait_applied(1));
}

TEST_F(CheckpointerTest, ManyEntries_StartACheckpoint) {
  CheckpointPolicy policy = kOnlyOnDemand;
  policy.events = 50;
  policy.interval = std::chrono::milliseconds(10);
  start(policy);
  open_accounts(60);
  EXPECT_TRUE(eventually([&] { return applied() == world.engine->durable_seq(); }));
}

TEST_F(CheckpointerTest, Interval_StartsACheckpoint) {
  CheckpointPolicy policy = kOnlyOnDemand;
  policy.interval = std::chrono::milliseconds(1);
  start(policy);
  open_accounts(1);
  EXPECT_TRUE(eventually([&] { return applied() == world.engine->durable_seq(); }));
}

TEST_F(CheckpointerTest, AfterACheckpoint_TheMemoryIsTrimmed) {
  start(kOnlyOnDemand);
  open_accounts(100);
  EXPECT_EQ(world.engine->rows_in_memory(), 100U);
  EXPECT_TRUE(checkpointer->wait_applied(world.engine->durable_seq()));
  EXPECT_TRUE(eventually([&] { return world.engine->rows_in_memory() == 0; }));
  EXPECT_TRUE(world.engine->find_account("a7"));
}

// Else the thread would find itself due for ever once the traffic stops.
TEST_F(CheckpointerTest, TooManyRows_AreTrimmedOnce_AndThenTheThreadSleeps) {
  std::atomic<int> rounds{0};
  CheckpointPolicy policy = kOnlyOnDemand;
  policy.rows_max = 10;
  open_accounts(100);
  start(policy, [&] {
    ++rounds;
    return false;
  });
  EXPECT_TRUE(eventually([&] { return world.engine->rows_in_memory() == 0; }));
  EXPECT_TRUE(checkpointer->wait_applied(world.engine->durable_seq()));
  checkpointer->stop();
  EXPECT_LE(rounds, 3);  // the one that was due, the one that was waited for, the last one
}

TEST_F(CheckpointerTest, Stop_BringsTheStateUpToTheEnd) {
  start(kOnlyOnDemand);
  open_accounts(20);
  checkpointer->stop();
  EXPECT_EQ(applied(), world.engine->durable_seq());
}

TEST_F(CheckpointerTest, WaitAfterStop_IsToldThatItWillNotHappen) {
  start(kOnlyOnDemand);
  checkpointer->stop();
  open_accounts(1);
  EXPECT_FALSE(checkpointer->wait_applied(world.engine->durable_seq()));
}

TEST_F(CheckpointerTest, LowStorage_IsPassedToTheEngine) {
  std::atomic<bool> low{true};
  CheckpointPolicy policy = kOnlyOnDemand;
  policy.interval = std::chrono::milliseconds(1);
  start(policy, [&] { return low.load(); });
  EXPECT_TRUE(eventually(
      [&] { return world.execute(EngineWorld::open_account("x")) == Verdict::kStorageFull; }));
  low = false;
  EXPECT_TRUE(
      eventually([&] { return world.execute(EngineWorld::open_account("y")) == Verdict::kDone; }));
  checkpointer->stop();  // it asks for `low`
}

TEST_F(CheckpointerTest, FailedEngine_MakesNoCheckpoint) {
  start(kOnlyOnDemand);
  open_accounts(3);
  const core::Seq before = applied();
  world.log.fail_with(Error{Errc::kIo, "disk on fire"});
  EXPECT_EQ(world.execute(EngineWorld::open_account("x")), Verdict::kIndeterminate);
  EXPECT_FALSE(checkpointer->wait_applied(world.engine->durable_seq()));
  EXPECT_EQ(applied(), before);
}

TEST_F(CheckpointerTest, EntryThatDoesNotFit_IsReportedLikeAFailedCommit) {
  log::Batch batch;
  batch.bytes = "not an entry";
  batch.ends.push_back(batch.bytes.size());
  start(kOnlyOnDemand);
  open_accounts(3);
  ASSERT_TRUE(world.log.append(batch, world.log.last_seq()));
  EXPECT_FALSE(checkpointer->wait_applied(world.engine->durable_seq()));
  EXPECT_TRUE(eventually([&] { return failures == 1; }));
}

}  // namespace
}  // namespace payonce::engine
