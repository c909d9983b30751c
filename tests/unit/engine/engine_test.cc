#include "engine/engine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>
#include <future>
#include <string>
#include <thread>
#include <variant>
#include <vector>

#include "unit/engine/engine_fixture.h"

namespace payonce::engine {
namespace {

using core::OutcomeKind;
using testing::ElementsAre;
using testing::IsEmpty;
using testing_support::eventually;
using testing_support::kStart;

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
  auto deposited =
      execute_in_thread(core::Deposit{.account_id = "alice", .amount = "5.00", .reference = {}});
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

TEST_F(EngineTest, CompletionOfAKey_IsTakenAfterStopAccepting_AndWakesItsWaiters) {
  world.execute(EngineWorld::open_account("alice", 1000));
  const std::string key(32, 'k');
  world.execute_input({EngineWorld::payment("pay_1", "alice", 300),
                       core::KeyedRequest{.key = key,
                                          .fingerprint = std::string(32, 'f'),
                                          .retention = Duration::seconds(60),
                                          .answer_later = true}});
  EXPECT_EQ(world.engine->find_key(key)->state, core::KeyState::kProcessing);
  Waiters::Registration registration(world.engine->waiters(), Waiters::key_id(key));
  world.engine->set_storage_low(true);
  EXPECT_EQ(world.execute(core::CompleteKey{
                .key = key, .answer = {.status = 201, .location = {}, .body = "end"}}),
            Verdict::kDone);
  EXPECT_TRUE(registration.wait(std::chrono::minutes(1)));
  EXPECT_EQ(world.engine->find_key(key)->answer.body, "end");
  world.engine->stop_accepting();
  EXPECT_EQ(world.execute(core::CompleteKey{.key = key, .answer = {}}), Verdict::kDone);
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

}  // namespace
}  // namespace payonce::engine
