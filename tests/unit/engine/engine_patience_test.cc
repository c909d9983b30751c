// Results of tasks that may wait for company (Limits::patience).
//
// A patience of an hour never ends within a test, so whatever is committed is committed for another
// reason. Where it matters who commits, the engine's own thread is not started.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "unit/engine/engine_fixture.h"

namespace payonce::engine {
namespace {

using core::PaymentStatus;
using testing_support::eventually;

constexpr std::chrono::hours kForEver{1};
constexpr std::chrono::milliseconds kShort{1};

std::vector<core::Command> accounts(std::size_t count, const std::string& prefix = "patient") {
  std::vector<core::Command> commands;
  for (std::size_t i = 0; i < count; ++i) {
    commands.emplace_back(EngineWorld::open_account(prefix + std::to_string(i)));
  }
  return commands;
}

class EnginePatienceTest : public testing::Test {
 protected:
  // With "alice" and her running payment "pay_1", durably.
  void start(std::chrono::microseconds patience, bool thread) {
    world.limits.patience = patience;
    world.prepare();
    ASSERT_TRUE(world.engine->recover());
    if (thread) {
      world.engine->start();
    }
    ASSERT_EQ(world.execute(EngineWorld::open_account("alice", 1000)), Verdict::kDone);
    ASSERT_EQ(world.execute(EngineWorld::payment("pay_1", "alice", 300)), Verdict::kDone);
    seq_before = world.log.last_seq();
    appends_before = world.log.appends().size();
  }
  // Decides the result of "pay_1" behind a commit under way, and leaves it there undurable.
  void decide_without_commit() {
    world.log.close();
    auto other = start_thread([&] { return world.execute(EngineWorld::open_account("bob")); });
    world.log.wait_for_appends(appends_before + 1);
    world.engine->post_all({EngineWorld::confirmed("pay_1")});  // decides: a client waits
    world.log.let_one_pass();
    ASSERT_EQ(other.get(), Verdict::kDone);
    ASSERT_EQ(new_appends(), 1U);
    ASSERT_EQ(world.engine->durable_seq(), seq_before + 1);
  }
  [[nodiscard]] std::size_t new_appends() const {
    return world.log.appends().size() - appends_before;
  }
  [[nodiscard]] core::Seq new_entries() const { return world.log.last_seq() - seq_before; }

  EngineWorld world;
  core::Seq seq_before = 0;
  std::size_t appends_before = 0;
};

TEST_F(EnginePatienceTest, WithoutPatienceResultsAreDurableWhenPostAllReturns) {
  start(std::chrono::microseconds(0), false);
  world.engine->post_all(accounts(3));
  EXPECT_EQ(new_entries(), 3U);
  EXPECT_EQ(new_appends(), 1U);
  EXPECT_EQ(world.engine->durable_seq(), seq_before + 3);
}

TEST_F(EnginePatienceTest, PatientResultsWaitForCompany) {
  start(kForEver, false);
  world.engine->post_all(accounts(3));
  EXPECT_EQ(new_appends(), 0U);
  EXPECT_EQ(world.engine->durable_seq(), seq_before);
}

TEST_F(EnginePatienceTest, AResultThatIsPostedAloneIsNotPatient) {
  start(kForEver, false);
  world.engine->post_all(accounts(3));
  world.engine->post(EngineWorld::open_account("prompt"));
  EXPECT_EQ(new_entries(), 4U);
  EXPECT_EQ(new_appends(), 1U);
}

TEST_F(EnginePatienceTest, AClientsCommandIsCommittedAtOnceTogetherWithThoseThatWait) {
  start(kForEver, false);
  world.engine->post_all(accounts(3));
  EXPECT_EQ(world.execute(EngineWorld::open_account("client")), Verdict::kDone);
  EXPECT_EQ(new_appends(), 1U);
  EXPECT_EQ(world.log.appends().back().entries, 4U);
  EXPECT_EQ(world.engine->durable_seq(), seq_before + 4);
}

TEST_F(EnginePatienceTest, AClientsCommandThatChangesNothingTakesThoseThatWaitAlong) {
  start(kForEver, false);
  world.engine->post_all(accounts(3));
  core::Answer answer;
  EXPECT_EQ(world.execute(EngineWorld::open_account("alice"), &answer), Verdict::kDone);
  EXPECT_EQ(answer.body, kind(core::OutcomeKind::kAccountExists));
  EXPECT_EQ(new_entries(), 3U);
}

TEST_F(EnginePatienceTest, ClientsAreServedWhileTheEnginesThreadIsPatient) {
  start(kForEver, true);
  for (int i = 0; i < 20; ++i) {
    world.engine->post_all(accounts(2, "patient" + std::to_string(i) + "."));
    ASSERT_EQ(world.execute(EngineWorld::open_account("client" + std::to_string(i))),
              Verdict::kDone);
    ASSERT_GE(world.engine->durable_seq(), seq_before + static_cast<core::Seq>(3 * i + 1));
  }
  EXPECT_TRUE(eventually([&] { return new_entries() == 60; }));
}

TEST_F(EnginePatienceTest, AnImpatientEngineCommitsAloneInTheEnd) {
  start(kShort, true);
  world.engine->post_all(accounts(3));
  ASSERT_TRUE(eventually([&] { return world.engine->durable_seq() == seq_before + 3; }));
  for (std::size_t i = appends_before; i < world.log.appends().size(); ++i) {
    EXPECT_NE(world.log.appends()[i].by, std::this_thread::get_id());
  }
}

TEST_F(EnginePatienceTest, ResultsThatComeOneByOneAreAllCommittedInTheEnd) {
  start(kShort, true);
  for (std::size_t i = 0; i < 30; ++i) {
    world.engine->post_all(accounts(1, "patient" + std::to_string(i) + "."));
    ASSERT_TRUE(eventually([&] { return world.engine->durable_seq() == seq_before + i + 1; })) << i;
  }
}

TEST_F(EnginePatienceTest, ThePatientEffectsOfAResultAreReleasedInTheEnd) {
  start(kShort, true);
  const std::size_t released = world.tasks->released().size();
  world.engine->post_all({EngineWorld::confirmed("pay_1")});
  EXPECT_TRUE(eventually([&] { return world.tasks->released().size() > released; }));
  EXPECT_EQ(world.engine->find_payment("pay_1")->status, PaymentStatus::kSuccess);
}

TEST_F(EnginePatienceTest, PostersInManyThreadsLoseNothing) {
  constexpr std::size_t kThreads = 4;
  constexpr std::size_t kPosts = 100;
  start(kShort, true);
  std::vector<std::thread> threads;
  for (std::size_t t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (std::size_t i = 0; i < kPosts; ++i) {
        const std::string name = std::to_string(t) + "." + std::to_string(i) + ".";
        world.engine->post_all(accounts(2, name));
        if (i % 10 == 0) {
          EXPECT_EQ(world.execute(EngineWorld::open_account("client" + name)), Verdict::kDone);
        }
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  EXPECT_TRUE(eventually([&] { return new_entries() == kThreads * (2 * kPosts + kPosts / 10); }));
}

TEST_F(EnginePatienceTest, SoManyThatACommitIsWorthItAreNotHeldBack) {
  start(kForEver, false);
  world.engine->post_all(accounts(255));
  EXPECT_EQ(new_appends(), 0U);
  world.engine->post_all(accounts(1, "last"));
  EXPECT_EQ(new_entries(), 256U);
  EXPECT_EQ(new_appends(), 1U);
}

TEST_F(EnginePatienceTest, AWaiterMakesResultsPrompt) {
  start(kForEver, false);
  Waiters::Registration registration(world.engine->waiters(), "pay_1");
  world.engine->post_all({EngineWorld::confirmed("pay_1")});
  EXPECT_GT(new_entries(), 0U);
  EXPECT_TRUE(registration.wait(std::chrono::minutes(1)));
  EXPECT_EQ(world.engine->find_payment("pay_1")->status, PaymentStatus::kSuccess);
}

TEST_F(EnginePatienceTest, AWaiterThatComesAfterTheResultIsToldWithoutPatience) {
  start(kForEver, false);
  world.engine->post_all({EngineWorld::confirmed("pay_1")});
  ASSERT_EQ(new_appends(), 0U);
  // As every waiter does: registers, looks, sleeps.
  Waiters::Registration registration(world.engine->waiters(), "pay_1");
  ASSERT_TRUE(world.engine->find_payment("pay_1"));
  EXPECT_TRUE(registration.wait(std::chrono::minutes(1)));
  EXPECT_EQ(world.engine->find_payment("pay_1")->status, PaymentStatus::kSuccess);
}

TEST_F(EnginePatienceTest, OnceTheWaiterHasGoneResultsArePatientAgain) {
  start(kForEver, false);
  { const Waiters::Registration registration(world.engine->waiters(), "pay_1"); }
  world.engine->post_all({EngineWorld::confirmed("pay_1")});
  EXPECT_EQ(new_appends(), 0U);
}

TEST_F(EnginePatienceTest, AReaderOfAPatientChangeReturnsOnlyWhenItIsDurable) {
  start(kForEver, false);
  decide_without_commit();
  auto reader = start_thread([&] {
    const auto payment = world.engine->find_payment("pay_1");
    return std::pair(payment->status, world.engine->durable_seq());
  });
  world.log.wait_for_appends(appends_before + 2);  // what is read is being made durable
  EXPECT_FALSE(ready(reader));
  EXPECT_EQ(world.engine->durable_seq(), seq_before + 1);
  world.log.open();
  const auto [status, durable] = reader.get();
  EXPECT_EQ(status, PaymentStatus::kSuccess);
  EXPECT_GT(durable, seq_before + 1);
}

TEST_F(EnginePatienceTest, APatientEnginesThreadDoesNotHoldUpAWaiter) {
  start(kForEver, true);
  world.engine->post_all({EngineWorld::confirmed("pay_1")});
  // The result may not be decided yet, so the first look may show what was before.
  const Waiters::Registration registration(world.engine->waiters(), "pay_1");
  EXPECT_TRUE(eventually(
      [&] { return world.engine->find_payment("pay_1")->status == PaymentStatus::kSuccess; }));
  EXPECT_EQ(world.engine->durable_seq(), world.log.last_seq());
}

TEST_F(EnginePatienceTest, AReaderOfAnotherRowLeavesThePatientOnesAlone) {
  start(kForEver, false);
  decide_without_commit();
  ASSERT_TRUE(world.engine->find_account("bob"));
  EXPECT_EQ(new_appends(), 1U);
  world.log.open();
}

TEST_F(EnginePatienceTest, StopCommitsWhatIsPatient) {
  start(kForEver, true);
  world.engine->post_all(accounts(100));
  world.engine->stop();
  EXPECT_EQ(new_entries(), 100U);
}

TEST_F(EnginePatienceTest, StopCommitsWhatIsPatientWithoutTheEnginesThreadToo) {
  start(kForEver, false);
  world.engine->post_all(accounts(100));
  ASSERT_EQ(new_entries(), 0U);
  world.engine->stop();
  EXPECT_EQ(new_entries(), 100U);
}

TEST_F(EnginePatienceTest, AFailureEndsThePatienceAsWell) {
  start(kForEver, false);
  decide_without_commit();
  world.log.fail_with(Error{.code = Errc::kIo, .message = "the disk has gone"});
  world.log.open();
  EXPECT_FALSE(world.engine->find_payment("pay_1"));
  EXPECT_TRUE(world.engine->failed());
  EXPECT_EQ(world.failures, 1);
  EXPECT_EQ(new_entries(), 1U);
}

}  // namespace
}  // namespace payonce::engine
