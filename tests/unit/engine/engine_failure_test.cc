// A failed commit, and a state that cannot be read: nothing is told or done any more.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <lmdb.h>

#include <future>
#include <string>
#include <vector>

#include "log/lmdb_env.h"
#include "unit/engine/engine_fixture.h"

namespace payonce::engine {
namespace {

using testing::IsEmpty;
using testing_support::eventually;

class FailedCommit : public EngineTest {
 protected:
  // One command is being synced, one is decided behind it; then the sync fails.
  void fail_a_commit() {
    alice_and_closed_gate();
    syncing = execute_in_thread(EngineWorld::payment("pay_1", "alice", 300));
    wait_for_appends(1);
    const std::size_t rows = world.engine->rows_in_memory();
    decided = execute_in_thread(EngineWorld::payment("pay_2", "alice", 300));
    ASSERT_TRUE(eventually([&] { return world.engine->rows_in_memory() > rows; }));
    durable = world.log.last_seq();
    world.log.fail_with(Error{Errc::kIo, "disk on fire"});
    world.log.open();
  }

  std::future<Verdict> syncing;
  std::future<Verdict> decided;
  core::Seq durable = 0;
};

TEST_F(FailedCommit, ItsCommands_AreIndeterminate) {
  fail_a_commit();
  EXPECT_EQ(syncing.get(), Verdict::kIndeterminate);
  EXPECT_EQ(decided.get(), Verdict::kIndeterminate);
}

TEST_F(FailedCommit, IsReportedOnce_AndNothingIsReleased) {
  fail_a_commit();
  syncing.get();
  decided.get();
  world.execute(EngineWorld::open_account("bob"));
  world.engine->post(EngineWorld::open_account("carol"));
  EXPECT_EQ(world.failures, 1);
  EXPECT_TRUE(world.engine->failed());
  EXPECT_THAT(world.tasks->released(), IsEmpty());
}

TEST_F(FailedCommit, NothingIsTriedAgain_AndEverythingIsRefused) {
  fail_a_commit();
  syncing.get();
  decided.get();
  const std::size_t appends = world.log.appends().size();
  EXPECT_EQ(appends, appends_before + 1);
  EXPECT_EQ(world.execute(EngineWorld::open_account("bob")), Verdict::kStopped);
  EXPECT_EQ(world.execute(EngineWorld::open_account("alice")), Verdict::kStopped);
  world.engine->post(EngineWorld::confirmed("pay_1"));
  EXPECT_EQ(world.log.appends().size(), appends);
  EXPECT_EQ(world.engine->durable_seq(), durable);
}

TEST_F(FailedCommit, Query_DoesNotShowWhatWasNeverDurable) {
  fail_a_commit();
  syncing.get();
  EXPECT_EQ(world.engine->find_payment("pay_1"), std::nullopt);
}

TEST_F(FailedCommit, QueryThatWaits_ComesBackWithNothing) {
  alice_and_closed_gate();
  syncing = execute_in_thread(EngineWorld::payment("pay_1", "alice", 300));
  wait_for_appends(1);
  auto found = start_thread([&] { return world.engine->find_payment("pay_1"); });
  EXPECT_FALSE(ready(found));
  world.log.fail_with(Error{Errc::kIo, "disk on fire"});
  world.log.open();
  EXPECT_EQ(found.get(), std::nullopt);
  EXPECT_EQ(syncing.get(), Verdict::kIndeterminate);
}

TEST_F(FailedCommit, Waiters_AreWoken) {
  world.execute(EngineWorld::open_account("alice", 1000));
  world.execute(EngineWorld::payment("pay_1", "alice", 300));
  Waiters::Registration registration(world.engine->waiters(), "pay_1");
  world.log.fail_with(Error{Errc::kIo, "disk on fire"});
  world.engine->post(EngineWorld::confirmed("pay_1"));
  EXPECT_FALSE(registration.wait(std::chrono::minutes(10)));
}

TEST_F(FailedCommit, AnotherWriter_IsAFailureToo) {
  ASSERT_EQ(world.execute(EngineWorld::open_account("alice")), Verdict::kDone);
  log::Batch batch;
  batch.bytes = "x";
  batch.ends.push_back(1);
  ASSERT_TRUE(world.log.append(batch, world.log.last_seq()));
  EXPECT_EQ(world.execute(EngineWorld::open_account("bob")), Verdict::kIndeterminate);
  EXPECT_EQ(world.failures, 1);
}

TEST_F(FailedCommit, ManyThreads_AllComeBack) {
  std::vector<std::future<void>> threads;
  for (int t = 0; t < 8; ++t) {
    threads.push_back(start_thread([&, t] {
      // Until the failure is told, however long that takes on this machine.
      for (int i = 0;; ++i) {
        const Verdict verdict =
            world.execute(EngineWorld::open_account(std::to_string(t) + "." + std::to_string(i)));
        if (verdict == Verdict::kStopped) {
          return;
        }
        ASSERT_TRUE(verdict == Verdict::kDone || verdict == Verdict::kIndeterminate);
      }
    }));
  }
  world.log.wait_for_appends(20);
  world.log.fail_with(Error{Errc::kIo, "disk on fire"});
  for (auto& thread : threads) {
    thread.get();
  }
  EXPECT_EQ(world.failures, 1);
}

// ---- State that cannot be read

class DamagedState : public testing::Test {
 protected:
  DamagedState() {
    world.start();
    world.execute(EngineWorld::open_account("alice", 1000));
    world.execute(EngineWorld::open_account("bob", 1000));
    world.stop();
    world.catch_up();
    world.state.reset();
    {
      log::LmdbEnv env;
      EXPECT_TRUE(env.open(world.dir / "state", 256 << 20, 16));
      auto txn = log::LmdbTxn::begin(env, log::LmdbTxn::Mode::kWrite);
      MDB_dbi dbi = 0;
      EXPECT_EQ(mdb_dbi_open(txn->get(), "accounts", 0, &dbi), 0);
      MDB_val key = log::to_val("alice");
      MDB_val value = log::to_val("damaged row");
      EXPECT_EQ(mdb_put(txn->get(), dbi, &key, &value, 0), 0);
      EXPECT_EQ(txn->commit(), 0);
    }
    world.start();
  }

  EngineWorld world;
};

TEST_F(DamagedState, OtherRows_AreNotAffected) {
  EXPECT_TRUE(world.engine->find_account("bob"));
  EXPECT_EQ(world.failures, 0);
}

TEST_F(DamagedState, Query_StopsTheEngineInsteadOfSayingThatThereIsNone) {
  EXPECT_EQ(world.engine->find_account("alice"), std::nullopt);
  EXPECT_TRUE(world.engine->failed());
  EXPECT_EQ(world.failures, 1);
}

TEST_F(DamagedState, CommandWithoutEvents_IsNotAnsweredFromIt) {
  EXPECT_EQ(world.execute(core::Deposit{.account_id = "alice", .amount = "1", .reference = {}}),
            Verdict::kIndeterminate);
  EXPECT_EQ(world.failures, 1);
}

TEST_F(DamagedState, CommandWithEvents_DoesNotReachTheLog) {
  const core::Seq before = world.log.last_seq();
  EXPECT_EQ(world.execute(EngineWorld::payment("pay_1", "alice", 1)), Verdict::kIndeterminate);
  EXPECT_EQ(world.log.last_seq(), before);
  EXPECT_EQ(world.failures, 1);
}

}  // namespace
}  // namespace payonce::engine
