#include "engine/engine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <lmdb.h>

#include <array>
#include <atomic>
#include <future>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "log/lmdb_env.h"
#include "support/engine_world.h"

namespace payonce::engine {
namespace {

using core::OutcomeKind;
using testing::ElementsAre;
using testing::IsEmpty;
using testing_support::dump;
using testing_support::EngineWorld;
using testing_support::eventually;
using testing_support::kSalt;
using testing_support::kStart;
using testing_support::usd;

// Runs the function in a thread of its own.
template <class Function>
auto start_thread(Function&& function) {
  return std::async(std::launch::async, std::forward<Function>(function));
}

template <class T>
bool ready(const std::future<T>& future) {
  return future.wait_for(std::chrono::seconds(0)) == std::future_status::ready;
}

std::string kind(OutcomeKind outcome) {
  return "kind " + std::to_string(static_cast<int>(outcome));
}

class EngineTest : public testing::Test {
 protected:
  EngineTest() { world.start(); }

  // Makes "alice" with 10.00, durably, then closes the log's gate.
  void alice_and_closed_gate() {
    ASSERT_EQ(world.execute(EngineWorld::open_account("alice", 1000)), Verdict::kDone);
    world.log.close();
    appends_before = world.log.appends().size();
  }
  // Blocks until so many appends have begun since the gate was closed.
  void wait_for_appends(std::size_t count) {
    world.log.wait_for_appends(appends_before + count);
  }
  std::future<Verdict> execute_in_thread(core::Command command) {
    return start_thread([this, command] { return world.execute(command); });
  }

  EngineWorld world;
  std::size_t appends_before = 0;
};

// ---- The law: commit first

TEST_F(EngineTest, Command_IsAnsweredWithItsOutcome) {
  core::Answer answer;
  EXPECT_EQ(world.execute(EngineWorld::open_account("alice"), &answer), Verdict::kDone);
  EXPECT_EQ(answer.body, kind(OutcomeKind::kAccountOpened));
  EXPECT_EQ(world.execute(EngineWorld::open_account("alice"), &answer), Verdict::kDone);
  EXPECT_EQ(answer.body, kind(OutcomeKind::kAccountExists));
  EXPECT_EQ(world.engine->durable_seq(), world.log.last_seq());
}

TEST_F(EngineTest, Answer_WaitsForTheAppend) {
  alice_and_closed_gate();
  auto answered = execute_in_thread(EngineWorld::payment("pay_1", "alice", 300));
  wait_for_appends(1);
  EXPECT_FALSE(ready(answered));
  EXPECT_EQ(world.engine->durable_seq(), world.log.last_seq());
  world.log.open();
  EXPECT_EQ(answered.get(), Verdict::kDone);
}

TEST_F(EngineTest, AnswerThatAnotherThreadCommits_WaitsForTheAppendToo) {
  alice_and_closed_gate();
  auto first = execute_in_thread(EngineWorld::open_account("first"));
  wait_for_appends(1);
  const std::size_t rows = world.engine->rows_in_memory();
  auto second = start_thread([&] {
    EXPECT_EQ(world.execute(EngineWorld::open_account("second")), Verdict::kDone);
    return world.log.last_seq();
  });
  ASSERT_TRUE(eventually([&] { return world.engine->rows_in_memory() > rows; }));
  const core::Seq durable = world.log.last_seq();
  world.log.let_one_pass();
  EXPECT_EQ(first.get(), Verdict::kDone);
  wait_for_appends(2);  // by the engine's thread
  for (int i = 0; i < 1000 && !ready(second); ++i) {
    std::this_thread::yield();
  }
  EXPECT_FALSE(ready(second));
  world.log.open();
  EXPECT_EQ(second.get(), durable + 2);
}

TEST_F(EngineTest, Answer_IsNeverThereBeforeItsEventsAreInTheLog) {
  for (int i = 0; i < 50; ++i) {
    const core::Seq before = world.log.last_seq();
    ASSERT_EQ(world.execute(EngineWorld::open_account("a" + std::to_string(i))), Verdict::kDone);
    EXPECT_EQ(world.log.last_seq(), before + 1);
  }
}

TEST_F(EngineTest, Effects_WaitForTheAppend) {
  alice_and_closed_gate();
  auto answered = execute_in_thread(EngineWorld::payment("pay_1", "alice", 300));
  wait_for_appends(1);
  EXPECT_THAT(world.tasks->released(), IsEmpty());
  world.log.open();
  answered.get();
  ASSERT_TRUE(eventually([&] { return world.tasks->released().size() == 1; }));
  EXPECT_TRUE(world.tasks->released()[0].starts_with("call_gateway pay_1 attempt 1"));
}

TEST_F(EngineTest, Effect_IsReleasedOnlyWhenItsEventsAreInTheLog) {
  std::atomic<int> checked{0};
  world.tasks->on_release = [&](const core::Effect& effect) {
    const auto& call = std::get<core::CallGateway>(effect);
    bool durable = false;
    for (const core::Record& record : world.records()) {
      durable = durable || (record.stream == call.payment_id &&
                            std::holds_alternative<core::FundsHeld>(record.event));
    }
    EXPECT_TRUE(durable) << call.payment_id;
    ++checked;
  };
  world.execute(EngineWorld::open_account("alice", 1000));
  for (int i = 0; i < 20; ++i) {
    world.execute(EngineWorld::payment("pay_" + std::to_string(i), "alice", 1));
  }
  EXPECT_TRUE(eventually([&] { return checked == 20; }));
}

TEST_F(EngineTest, AnswerThatShowsAnUndurableRow_WaitsToo) {
  alice_and_closed_gate();
  auto first = execute_in_thread(EngineWorld::open_account("bob"));
  wait_for_appends(1);
  // Adds no event itself, but says that bob exists.
  const std::uint64_t decisions = world.clock.reads();
  auto second = execute_in_thread(EngineWorld::open_account("bob"));
  ASSERT_TRUE(eventually([&] { return world.clock.reads() > decisions; }));
  EXPECT_FALSE(ready(second));
  // What is durable already is told at once.
  EXPECT_EQ(world.execute(EngineWorld::open_account("alice")), Verdict::kDone);
  EXPECT_FALSE(ready(second));
  world.log.open();
  EXPECT_EQ(first.get(), Verdict::kDone);
  EXPECT_EQ(second.get(), Verdict::kDone);
}

TEST_F(EngineTest, Query_WaitsForWhatItShows) {
  alice_and_closed_gate();
  auto deposited = execute_in_thread(
      core::Deposit{.account_id = "alice", .amount = "5.00", .reference = {}});
  wait_for_appends(1);
  auto found = start_thread([&] { return world.engine->find_account("alice"); });
  EXPECT_EQ(world.engine->find_account("nobody"), std::nullopt);
  EXPECT_TRUE(world.engine->find_account("sys:funding:EUR") == std::nullopt);
  EXPECT_FALSE(ready(found));
  world.log.open();
  const auto alice = found.get();
  ASSERT_TRUE(alice);
  EXPECT_EQ(alice->posted, 1500);
  EXPECT_EQ(deposited.get(), Verdict::kDone);
}

TEST_F(EngineTest, Query_OfADurableRow_DoesNotWaitForOthers) {
  alice_and_closed_gate();
  auto opened = execute_in_thread(EngineWorld::open_account("bob"));
  wait_for_appends(1);
  ASSERT_TRUE(world.engine->find_account("alice"));
  EXPECT_FALSE(ready(opened));
  world.log.open();
  opened.get();
}

TEST_F(EngineTest, CommandsThatComeDuringASync_AreOneBatch) {
  alice_and_closed_gate();
  std::vector<std::future<Verdict>> threads;
  threads.push_back(execute_in_thread(EngineWorld::open_account("first")));
  wait_for_appends(1);
  const std::size_t rows = world.engine->rows_in_memory();
  for (int i = 0; i < 7; ++i) {
    threads.push_back(execute_in_thread(EngineWorld::open_account("b" + std::to_string(i))));
  }
  // All seven are decided while the first is still being synced.
  ASSERT_TRUE(eventually([&] { return world.engine->rows_in_memory() == rows + 7; }));
  world.log.open();
  for (auto& thread : threads) {
    EXPECT_EQ(thread.get(), Verdict::kDone);
  }
  const auto appends = world.log.appends();
  EXPECT_EQ(appends[appends_before].entries, 1U);
  EXPECT_EQ(appends[appends_before + 1].entries, 7U);
}

TEST_F(EngineTest, LaterCommandOfABatch_SeesTheEarlierOnes) {
  alice_and_closed_gate();
  auto first = execute_in_thread(EngineWorld::payment("pay_1", "alice", 600));
  wait_for_appends(1);
  core::Answer answer;
  const std::size_t rows = world.engine->rows_in_memory();
  auto second = start_thread(
      [&] { return world.execute(EngineWorld::payment("pay_2", "alice", 600), &answer); });
  ASSERT_TRUE(eventually([&] { return world.engine->rows_in_memory() > rows; }));
  world.log.open();
  EXPECT_EQ(first.get(), Verdict::kDone);
  EXPECT_EQ(second.get(), Verdict::kDone);
  EXPECT_EQ(answer.body, kind(OutcomeKind::kPaymentRefused));
}

// Under load there is always a next batch; a task's worker has its own queue to serve.
TEST_F(EngineTest, WhoOnlyPosts_CommitsAtMostOneBatchForOthers) {
  alice_and_closed_gate();
  std::thread::id poster;
  auto posted = start_thread([&] {
    poster = std::this_thread::get_id();
    world.engine->post(EngineWorld::open_account("first"));
  });
  wait_for_appends(1);
  world.engine->post(EngineWorld::open_account("second"));
  world.log.let_one_pass();
  wait_for_appends(2);  // the second batch is being synced, and that takes for ever
  posted.get();
  const auto appends = world.log.appends();
  EXPECT_EQ(appends[appends_before].by, poster);
  EXPECT_NE(appends[appends_before + 1].by, poster);
  world.log.open();
}

TEST_F(EngineTest, TimeInTheLog_NeverRunsBackwards) {
  world.execute(EngineWorld::open_account("a"));
  world.clock.set(kStart - Duration::seconds(100));
  world.execute(EngineWorld::open_account("b"));
  world.clock.set(kStart + Duration::seconds(100));
  world.execute(EngineWorld::open_account("c"));
  std::vector<std::int64_t> times;
  for (const core::Record& record : world.records()) {
    times.push_back((record.at - kStart).us);
  }
  EXPECT_THAT(times, ElementsAre(0, 0, 0, 100'000'000));
}

TEST_F(EngineTest, EndOfAPayment_WakesItsWaiters) {
  world.execute(EngineWorld::open_account("alice", 1000));
  world.execute(EngineWorld::payment("pay_1", "alice", 300));
  Waiters::Registration registration(world.engine->waiters(), "pay_1");
  world.log.close();
  const std::size_t before = world.log.appends().size();
  auto posted = start_thread([&] { world.engine->post(EngineWorld::confirmed("pay_1")); });
  world.log.wait_for_appends(before + 1);
  EXPECT_FALSE(registration.wait(std::chrono::milliseconds(0)));
  world.log.open();
  EXPECT_TRUE(registration.wait(std::chrono::minutes(1)));
  EXPECT_EQ(world.engine->find_payment("pay_1")->status, core::PaymentStatus::kSuccess);
  posted.get();
}

TEST_F(EngineTest, StaleResult_AddsNothing) {
  world.execute(EngineWorld::open_account("alice", 1000));
  world.execute(EngineWorld::payment("pay_1", "alice", 300));
  const core::Seq before = world.log.last_seq();
  world.engine->post(EngineWorld::confirmed("pay_1", 2));
  world.engine->post(EngineWorld::confirmed("nothing", 1));
  EXPECT_EQ(world.execute(EngineWorld::open_account("alice")), Verdict::kDone);
  EXPECT_EQ(world.log.last_seq(), before);
}

// ---- Failure of a commit

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
      for (int i = 0; i < 1000; ++i) {
        const Verdict verdict =
            world.execute(EngineWorld::open_account(std::to_string(t) + "." + std::to_string(i)));
        if (verdict == Verdict::kStopped) {
          return;
        }
        ASSERT_TRUE(verdict == Verdict::kDone || verdict == Verdict::kIndeterminate);
      }
      FAIL() << "nobody was told of the failure";
    }));
  }
  world.log.wait_for_appends(20);
  world.log.fail_with(Error{Errc::kIo, "disk on fire"});
  for (auto& thread : threads) {
    thread.get();
  }
  EXPECT_EQ(world.failures, 1);
}

// ---- Refusals before anything is looked at

TEST(EngineStart, BeforeRecovery_EverythingIsRefused) {
  EngineWorld world;
  world.prepare();
  EXPECT_FALSE(world.engine->accepting());
  EXPECT_EQ(world.execute(EngineWorld::open_account("alice")), Verdict::kStopped);
  ASSERT_TRUE(world.engine->recover());
  world.engine->start();
  EXPECT_EQ(world.execute(EngineWorld::open_account("alice")), Verdict::kDone);
}

TEST(EngineLimits, FullInbox_RefusesClientsButTakesResults) {
  EngineWorld world;
  world.limits = {.inbox_max = 2, .batch_max = 1};
  world.start();
  world.execute(EngineWorld::open_account("alice", 1000));
  world.log.close();
  const std::size_t before = world.log.appends().size();
  auto syncing = start_thread([&] { return world.execute(EngineWorld::open_account("a")); });
  world.log.wait_for_appends(before + 1);
  world.engine->post(EngineWorld::open_account("b"));  // decided: the next batch is full
  world.engine->post(EngineWorld::open_account("c"));  // these two wait in the inbox
  EXPECT_TRUE(world.engine->accepting());
  world.engine->post(EngineWorld::open_account("d"));
  EXPECT_EQ(world.execute(EngineWorld::open_account("e")), Verdict::kOverloaded);
  EXPECT_EQ(world.execute(EngineWorld::open_account("alice")), Verdict::kOverloaded);
  world.engine->post(EngineWorld::open_account("f"));
  world.log.open();
  EXPECT_EQ(syncing.get(), Verdict::kDone);
  for (const char* id : {"b", "c", "d", "f"}) {
    EXPECT_TRUE(eventually([&] { return world.engine->find_account(id).has_value(); })) << id;
  }
  EXPECT_FALSE(world.engine->find_account("e"));
}

TEST(EngineLimits, Batch_HasNoMoreCommandsThanPermitted) {
  EngineWorld world;
  world.limits = {.inbox_max = 1000, .batch_max = 3};
  world.start();
  world.log.close();
  const std::size_t before = world.log.appends().size();
  auto syncing = start_thread([&] { return world.execute(EngineWorld::open_account("a")); });
  world.log.wait_for_appends(before + 1);
  for (int i = 0; i < 20; ++i) {
    world.engine->post(EngineWorld::open_account("b" + std::to_string(i)));
  }
  world.log.open();
  syncing.get();
  ASSERT_TRUE(eventually([&] { return world.log.last_seq() == 1 + 1 + 20; }));
  for (const auto& append : world.log.appends()) {
    EXPECT_LE(append.entries, 3U);
  }
}

TEST_F(EngineTest, SaturatedTasks_RefuseNewPaymentsOnly) {
  world.execute(EngineWorld::open_account("alice", 1000));
  world.execute(EngineWorld::payment("pay_1", "alice", 1));
  world.tasks->is_saturated = true;
  EXPECT_EQ(world.execute(EngineWorld::payment("pay_2", "alice", 1)), Verdict::kOverloaded);
  EXPECT_EQ(world.execute(core::Deposit{.account_id = "alice", .amount = "1", .reference = {}}),
            Verdict::kDone);
  world.engine->post(EngineWorld::confirmed("pay_1"));
  EXPECT_TRUE(eventually([&] {
    return world.engine->find_payment("pay_1")->status == core::PaymentStatus::kSuccess;
  }));
  world.tasks->is_saturated = false;
  EXPECT_EQ(world.execute(EngineWorld::payment("pay_2", "alice", 1)), Verdict::kDone);
}

TEST_F(EngineTest, LowStorage_RefusesClientsButTakesResults) {
  world.execute(EngineWorld::open_account("alice", 1000));
  world.execute(EngineWorld::payment("pay_1", "alice", 1));
  world.engine->set_storage_low(true);
  EXPECT_EQ(world.execute(EngineWorld::payment("pay_2", "alice", 1)), Verdict::kStorageFull);
  EXPECT_EQ(world.execute(EngineWorld::open_account("bob")), Verdict::kStorageFull);
  EXPECT_TRUE(world.engine->find_account("alice"));
  world.engine->post(EngineWorld::confirmed("pay_1"));
  EXPECT_TRUE(eventually([&] {
    return world.engine->find_payment("pay_1")->status == core::PaymentStatus::kSuccess;
  }));
  world.engine->set_storage_low(false);
  EXPECT_EQ(world.execute(EngineWorld::open_account("bob")), Verdict::kDone);
}

TEST_F(EngineTest, StoppedAccepting_RefusesClientsButTakesResults) {
  world.execute(EngineWorld::open_account("alice", 1000));
  world.execute(EngineWorld::payment("pay_1", "alice", 1));
  world.engine->stop_accepting();
  EXPECT_EQ(world.execute(EngineWorld::open_account("bob")), Verdict::kStopped);
  world.engine->post(EngineWorld::confirmed("pay_1"));
  EXPECT_TRUE(eventually([&] {
    return world.engine->find_payment("pay_1")->status == core::PaymentStatus::kSuccess;
  }));
}

TEST_F(EngineTest, Stop_CommitsWhatWasTaken) {
  world.execute(EngineWorld::open_account("alice", 1000));
  for (int i = 0; i < 100; ++i) {
    world.engine->post(EngineWorld::open_account("b" + std::to_string(i)));
  }
  world.engine->stop();
  EXPECT_EQ(world.records().size(), 1U + 3U + 100U);
}

// ---- Many threads

TEST(EngineThreads, EightSubmittersAndTwoWorkers_EverythingIsAnsweredAndTheLogIsDense) {
  constexpr int kSubmitters = 8;
  constexpr int kCommands = 400;
  EngineWorld world;
  world.start();
  ASSERT_EQ(world.execute(EngineWorld::open_account("shared", 1'000'000)), Verdict::kDone);
  std::atomic<bool> over{false};
  std::vector<std::future<void>> workers;
  for (int w = 0; w < 2; ++w) {
    workers.push_back(start_thread([&] {
      while (!over) {
        const auto task = world.tasks->take();
        if (!task) {
          std::this_thread::yield();
        } else if (const auto* call = std::get_if<core::CallGateway>(&*task)) {
          world.engine->post(EngineWorld::confirmed(call->payment_id, call->attempt));
        } else if (const auto* send = std::get_if<core::SendNotification>(&*task)) {
          world.engine->post(core::RecordNotification{.payment_id = send->payment_id,
                                                      .attempt = send->attempt,
                                                      .delivered = true,
                                                      .error = {}});
        }
      }
    }));
  }
  std::vector<std::future<void>> submitters;
  for (int t = 0; t < kSubmitters; ++t) {
    submitters.push_back(start_thread([&, t] {
      for (int i = 0; i < kCommands; ++i) {
        const std::string id = std::to_string(t) + "." + std::to_string(i);
        // Never refused: the inbox's bound is far away.
        switch (i % 4) {
          case 0:
            ASSERT_EQ(world.execute(EngineWorld::open_account(id, 10)), Verdict::kDone);
            ASSERT_TRUE(world.engine->find_account(id));
            break;
          case 1:
            ASSERT_EQ(world.execute(EngineWorld::payment(id, "shared", 1)), Verdict::kDone);
            break;
          case 2:
            ASSERT_EQ(world.execute(core::Deposit{
                          .account_id = "shared", .amount = "0.01", .reference = {}}),
                      Verdict::kDone);
            break;
          default:
            ASSERT_EQ(world.execute(EngineWorld::open_account("shared")), Verdict::kDone);
            break;
        }
      }
    }));
  }
  for (auto& thread : submitters) {
    thread.get();
  }
  constexpr int kPayments = kSubmitters * kCommands / 4;
  ASSERT_TRUE(eventually([&] { return world.tasks->released().size() == 2 * kPayments; }));
  ASSERT_TRUE(eventually([&] {
    return world.engine->find_payment("0.1")->step == core::PaymentStep::kDone;
  }));
  over = true;
  for (auto& thread : workers) {
    thread.get();
  }
  world.engine->stop();
  testing_support::Folded folded;
  ASSERT_TRUE(folded.fold(world.records()));
  int succeeded = 0;
  folded.rows.payments.for_each_changed([&](const std::string&, const core::Payment& payment) {
    succeeded += payment.status == core::PaymentStatus::kSuccess ? 1 : 0;
  });
  EXPECT_EQ(succeeded, kPayments);
  EXPECT_EQ(folded.rows.accounts.find("shared")->posted, 1'000'000);
  EXPECT_EQ(folded.rows.accounts.find("sys:gateway:USD")->posted, kPayments);
  EXPECT_EQ(world.failures, 0);
}

TEST(EngineThreads, StopWhileTheyWork_NobodyHangs) {
  EngineWorld world;
  for (int round = 0; round < 40; ++round) {
    world.start();
    std::vector<std::future<void>> threads;
    std::atomic<int> working{0};
    for (int t = 0; t < 4; ++t) {
      threads.push_back(start_thread([&, t] {
        ++working;
        for (int i = 0;; ++i) {
          const std::string id = std::to_string(round) + "." + std::to_string(t) + "." +
                                 std::to_string(i);
          if (world.execute(EngineWorld::open_account(id)) == Verdict::kStopped) {
            return;
          }
          ASSERT_LT(i, 1'000'000);
        }
      }));
    }
    ASSERT_TRUE(eventually([&] { return working == 4; }));
    world.engine->stop();
    for (auto& thread : threads) {
      thread.get();
    }
    world.engine.reset();
  }
  testing_support::Folded folded;
  EXPECT_TRUE(folded.fold(world.records()));
}

// ---- Checkpoint, trim, recovery

TEST_F(EngineTest, Trim_EmptiesTheMemory_AndRowsAreReadThroughUnchanged) {
  world.execute(EngineWorld::open_account("alice", 100'000));
  for (int i = 0; i < 1000; ++i) {
    world.execute(EngineWorld::payment("pay_" + std::to_string(i), "alice", 1));
  }
  const auto alice = world.engine->find_account("alice");
  const auto payment = world.engine->find_payment("pay_7");
  EXPECT_GT(world.engine->rows_in_memory(), 2000U);
  world.engine->trim(world.catch_up());
  EXPECT_EQ(world.engine->rows_in_memory(), 0U);
  EXPECT_EQ(dump(*world.engine->find_account("alice")), dump(*alice));
  EXPECT_EQ(dump(*world.engine->find_payment("pay_7")), dump(*payment));
  // And the work goes on from there.
  core::Answer answer;
  world.execute(EngineWorld::payment("pay_7", "alice", 1), &answer);
  EXPECT_EQ(answer.body, kind(OutcomeKind::kPaymentExisting));
  world.engine->post(EngineWorld::confirmed("pay_7"));
  ASSERT_TRUE(eventually([&] {
    return world.engine->find_payment("pay_7")->status == core::PaymentStatus::kSuccess;
  }));
  EXPECT_EQ(world.engine->find_account("alice")->posted, 99'999);
  testing_support::Folded folded;
  EXPECT_TRUE(folded.fold(world.records()));
}

TEST_F(EngineTest, Trim_KeepsWhatIsNotCheckpointed) {
  world.execute(EngineWorld::open_account("old"));
  const core::Seq applied = world.catch_up();
  world.execute(EngineWorld::open_account("new"));
  world.engine->trim(applied);
  EXPECT_EQ(world.engine->rows_in_memory(), 1U);
  EXPECT_TRUE(world.engine->find_account("old"));
  EXPECT_TRUE(world.engine->find_account("new"));
}

// Whoever fails to get the lock while trim holds it relies on trim to go on with his command.
TEST_F(EngineTest, TrimInATightLoop_LosesNoCommand) {
  std::atomic<bool> over{false};
  auto trimmer = start_thread([&] {
    while (!over) {
      world.engine->trim(0);
    }
  });
  for (int i = 0; i < 5000; ++i) {
    ASSERT_EQ(world.execute(EngineWorld::open_account("bob")), Verdict::kDone);
  }
  over = true;
  trimmer.get();
}

TEST_F(EngineTest, ReplayedKey_SurvivesTrimAndRestart) {
  world.execute(EngineWorld::open_account("alice", 1000));
  const core::Input input{core::Deposit{.account_id = "alice", .amount = "1", .reference = {}},
                          core::KeyedRequest{.key = std::string(32, 'k'),
                                             .fingerprint = std::string(32, 'f'),
                                             .retention = Duration::seconds(60),
                                             .answer_later = false}};
  core::Answer first;
  world.execute_input(input, &first);
  world.engine->trim(world.catch_up());
  core::Answer again;
  world.execute_input(input, &again);
  EXPECT_EQ(again.body, first.body);
  world.stop();
  world.start();
  world.execute_input(input, &again);
  EXPECT_EQ(again.body, first.body);
  EXPECT_EQ(world.engine->find_account("alice")->posted, 1100);
}

TEST_F(EngineTest, Recovery_ReleasesExactlyWhatIsPending) {
  world.execute(EngineWorld::open_account("alice", 1000));
  for (const char* id : {"fresh", "retrying", "notifying", "renotifying", "done"}) {
    world.execute(EngineWorld::payment(id, "alice", 100));
  }
  world.execute(EngineWorld::payment("refused", "alice", 1'000'000));
  world.clock.advance(Duration::seconds(1));
  world.engine->post(core::RecordGatewayReply{.payment_id = "retrying",
                                              .attempt = 1,
                                              .reply = core::GatewayReply::kTemporaryFailure,
                                              .detail = "503"});
  const auto notified = [](const char* id, bool delivered) {
    return core::RecordNotification{
        .payment_id = id, .attempt = 1, .delivered = delivered, .error = {}};
  };
  for (const char* id : {"notifying", "renotifying", "done"}) {
    world.engine->post(EngineWorld::confirmed(id));
  }
  world.engine->post(notified("renotifying", false));
  world.engine->post(notified("done", true));
  ASSERT_TRUE(eventually([&] {
    return world.engine->find_payment("done")->step == core::PaymentStep::kDone;
  }));
  // The last effect that was released for each, which has no result yet.
  std::vector<std::string> expected;
  for (const char* id : {"fresh", "notifying", "renotifying", "retrying"}) {
    std::string last;
    for (const std::string& effect : world.tasks->released()) {
      if (effect.find(" " + std::string(id) + " attempt") != std::string::npos) {
        last = effect;
      }
    }
    expected.push_back(last);
  }
  world.stop();
  world.clock.advance(Duration::seconds(1000));
  world.start();
  EXPECT_EQ(world.recovered, 4U);
  auto released = world.tasks->released();
  std::ranges::sort(released);
  std::ranges::sort(expected);
  EXPECT_EQ(released, expected);
  // And a result for that attempt is still what the state waits for.
  world.engine->post(EngineWorld::confirmed("retrying", 2));
  EXPECT_TRUE(eventually([&] {
    return world.engine->find_payment("retrying")->status == core::PaymentStatus::kSuccess;
  }));
}

TEST_F(EngineTest, Restart_GoesOnWithTheNextSequenceAndTheSameSalt) {
  world.execute(EngineWorld::open_account("a"));
  world.stop();
  world.clock.advance(Duration::seconds(1));
  world.start();
  EXPECT_EQ(world.salt, kSalt);
  world.execute(EngineWorld::open_account("b"));
  EXPECT_EQ(world.records().size(), 3U);
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
