// Trimming what a checkpoint holds, and starting again from what is durable.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <string>
#include <vector>

#include "unit/engine/engine_fixture.h"

namespace payonce::engine {
namespace {

using core::OutcomeKind;
using testing_support::dump;
using testing_support::eventually;
using testing_support::kSalt;

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
        .payment_id = id,
        .attempt = 1,
        .reply = delivered ? core::NotifyReply::kDelivered : core::NotifyReply::kFailed,
        .error = {}};
  };
  for (const char* id : {"notifying", "renotifying", "done"}) {
    world.engine->post(EngineWorld::confirmed(id));
  }
  world.engine->post(notified("renotifying", false));
  world.engine->post(notified("done", true));
  ASSERT_TRUE(eventually(
      [&] { return world.engine->find_payment("done")->step == core::PaymentStep::kDone; }));
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

}  // namespace
}  // namespace payonce::engine
