// What waits for long is in the state, not in memory, and comes back in time, once.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "core/effects.h"
#include "support/effects.h"
#include "support/random_commands.h"
#include "unit/engine/engine_fixture.h"

namespace payonce::engine {
namespace {

using core::TaskClass;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using testing_support::FakeTasks;
using testing_support::for_each_seed;
using testing_support::Random;
using testing_support::RandomCommands;
using testing_support::Step;

// Without the engine's thread: who submits does the work, so that nothing happens unseen.
class BacklogTest : public testing::Test {
 protected:
  BacklogTest() {
    restart();
    world.execute(EngineWorld::open_account("alice", 100'000'000));
  }

  void restart() {
    world.stop();
    world.prepare();
    world.recovered = world.engine->recover().value();
  }
  // As the checkpointer does: the horizon moves in one round, and what it has reached comes in
  // with the next one.
  void rounds(int count = 2) {
    for (int i = 0; i < count; ++i) {
      world.engine->trim(world.catch_up());
      ASSERT_TRUE(world.engine->bring_in());
    }
  }
  // A payment that waits for its callback for so long.
  void wait_for_callback(const std::string& id, Duration timeout) {
    auto create = EngineWorld::payment(id, "alice", 100);
    create.rules.callback_timeout = timeout;
    world.execute(create);
    world.engine->post(core::RecordGatewayReply{
        .payment_id = id, .attempt = 1, .reply = core::GatewayReply::kAccepted, .detail = "gw"});
  }
  [[nodiscard]] std::vector<std::string> released(const std::string& what) const {
    std::vector<std::string> found;
    for (const std::string& effect : world.tasks->released()) {
      if (effect.find(what) != std::string::npos) {
        found.push_back(effect);
      }
    }
    return found;
  }
  [[nodiscard]] std::vector<std::string> timers() const { return released("start_timer"); }

  EngineWorld world;
};

TEST_F(BacklogTest, ATimerThatIsDueLater_IsNotInMemory_AndIsReleasedOnceWhenItsTimeIsNear) {
  wait_for_callback("pay_1", Duration::seconds(300));
  rounds();
  EXPECT_THAT(timers(), IsEmpty());
  EXPECT_EQ(world.engine->rows_in_memory(), 0U);
  world.clock.advance(Duration::seconds(275));
  rounds();
  EXPECT_THAT(timers(), IsEmpty());
  world.clock.advance(Duration::seconds(15));
  rounds();
  EXPECT_THAT(timers(), SizeIs(1));
  world.clock.advance(Duration::seconds(30));
  rounds(5);
  EXPECT_THAT(timers(), SizeIs(1));
}

TEST_F(BacklogTest, ATimerThatIsDueSoon_IsReleasedWithItsCommit_AndNotAgain) {
  wait_for_callback("pay_1", Duration::seconds(5));
  EXPECT_THAT(timers(), SizeIs(1));
  world.clock.advance(Duration::seconds(15));
  rounds(4);
  EXPECT_THAT(timers(), SizeIs(1));
}

TEST_F(BacklogTest, AfterARestart_ATimerThatIsDueLater_ComesInItsTime) {
  wait_for_callback("pay_1", Duration::seconds(300));
  restart();
  EXPECT_THAT(timers(), IsEmpty());
  world.clock.advance(Duration::seconds(295));
  rounds();
  EXPECT_THAT(timers(), SizeIs(1));
}

TEST_F(BacklogTest, AfterARestart_WhatIsOverdue_ComesWithTheRestart) {
  wait_for_callback("pay_1", Duration::seconds(300));
  world.execute(EngineWorld::payment("pay_2", "alice", 100));
  world.clock.advance(Duration::seconds(1000));
  restart();
  EXPECT_EQ(world.recovered, 2U);
  EXPECT_THAT(timers(), SizeIs(1));
  EXPECT_THAT(released("pay_2"), SizeIs(1));
}

// The clock has run on since, but the horizon has not: nothing may fall between.
TEST_F(BacklogTest, WhatIsDecidedBetweenTwoRounds_IsReleasedOnce) {
  world.clock.advance(Duration::seconds(15));
  world.catch_up();
  ASSERT_TRUE(world.engine->bring_in());  // moves the horizon; it is 35 s after the start now
  wait_for_callback("pay_1", Duration::seconds(12));
  EXPECT_THAT(timers(), SizeIs(1));
  rounds(3);
  EXPECT_THAT(timers(), SizeIs(1));
}

TEST_F(BacklogTest, MoreThanASlice_ComesInSlices_OldestFirst) {
  for (int i = 0; i < 10; ++i) {
    world.execute(EngineWorld::payment("pay_" + std::to_string(i), "alice", 100));
    world.clock.advance(Duration::seconds(1));
  }
  world.execute(EngineWorld::open_account("bob"));  // the newest entry is later than all of them
  world.limits.backlog.slice = 4;
  restart();
  EXPECT_EQ(world.recovered, 4U);
  EXPECT_TRUE(world.engine->behind());
  EXPECT_THAT(world.tasks->released(), ElementsAre(HasSubstr("pay_0"), HasSubstr("pay_1"),
                                                   HasSubstr("pay_2"), HasSubstr("pay_3")));
  // New work does not queue behind it.
  world.execute(EngineWorld::payment("pay_new", "alice", 100));
  EXPECT_THAT(released("pay_new"), SizeIs(1));
  rounds(2);
  EXPECT_THAT(released("pay_9"), SizeIs(1));
  EXPECT_FALSE(world.engine->behind());
  rounds(2);
  for (const auto& [identity, times] : world.tasks->identities()) {
    EXPECT_EQ(times, 1) << identity;
  }
  EXPECT_THAT(world.tasks->identities(), SizeIs(11));
}

TEST_F(BacklogTest, WithoutRoom_TasksAreLeftToTheState_AndComeWhenThereIsSome) {
  std::atomic<std::size_t>& room = world.tasks->rooms[static_cast<std::size_t>(TaskClass::kNotify)];
  room = 0;
  world.clock.advance(Duration::seconds(60));
  rounds(3);
  for (int i = 0; i < 10; ++i) {
    const std::string id = "pay_" + std::to_string(i);
    world.execute(EngineWorld::payment(id, "alice", 100));
    world.engine->post(EngineWorld::confirmed(id));
    world.clock.advance(Duration::seconds(1));
  }
  world.execute(EngineWorld::open_account("bob"));  // the newest entry is later than all of them
  rounds(3);
  EXPECT_THAT(released("send_notification"), IsEmpty());
  EXPECT_THAT(released("call_gateway"), SizeIs(10));  // other classes are not concerned
  EXPECT_FALSE(world.engine->behind());
  room = 3;
  rounds(1);  // only now the horizon moves on
  EXPECT_THAT(released("send_notification"), SizeIs(3));
  room = FakeTasks::kPlenty;
  rounds(2);
  EXPECT_THAT(released("send_notification"), SizeIs(10));
}

TEST_F(BacklogTest, WhoListensForTimers_IsToldOfThoseDueLater_AlsoAfterARestart) {
  world.curious = true;
  restart();
  wait_for_callback("pay_1", Duration::seconds(300));
  EXPECT_THAT(world.tasks->told_of(), ElementsAre(HasSubstr("pay_1")));
  wait_for_callback("pay_2", Duration::seconds(400));
  world.limits.backlog.slice = 1;
  restart();
  EXPECT_THAT(world.tasks->told_of(), ElementsAre(HasSubstr("pay_1")));
  EXPECT_TRUE(world.engine->behind());
  rounds(3);
  EXPECT_THAT(world.tasks->told_of(), ElementsAre(HasSubstr("pay_1"), HasSubstr("pay_2")));
  EXPECT_FALSE(world.engine->behind());
}

TEST_F(BacklogTest, AboveOpenMax_NewWorkIsRefused_AndTimersDoNotCount) {
  world.limits.open_max = 3;
  restart();
  for (const char* id : {"w1", "w2", "w3", "w4"}) {
    wait_for_callback(id, Duration::seconds(300));
  }
  rounds(1);
  for (const char* id : {"c1", "c2", "c3"}) {
    EXPECT_EQ(world.execute(EngineWorld::payment(id, "alice", 100)), Verdict::kDone);
  }
  rounds(1);
  EXPECT_EQ(world.execute(EngineWorld::payment("c4", "alice", 100)), Verdict::kOverloaded);
  world.engine->post(EngineWorld::confirmed("c1"));
  rounds(1);
  EXPECT_EQ(world.execute(EngineWorld::payment("c4", "alice", 100)), Verdict::kDone);
}

// Everything that the state waits for has been released by the time when it is due, and nothing was
// released twice: over all commands, with restarts, with rooms that fill up and empty, and with
// checkpoints that come late.
TEST(Backlog, EveryPendingTask_IsReleasedExactlyOncePerStart) {
  for_each_seed(60, [](Random& random) {
    EngineWorld world;
    world.limits.backlog = {.ahead = Duration::seconds(4), .slice = 3};
    const auto begin = [&] {
      world.stop();
      world.prepare();
      ASSERT_TRUE(world.engine->recover());
    };
    ASSERT_NO_FATAL_FAILURE(begin());
    Timestamp now;
    for (const Step& step : RandomCommands(random, 1).take(250)) {
      now = std::max(now, step.now);
      world.clock.set(now);
      world.execute_input(step.input);
      if (random.chance(30)) {
        world.catch_up();
      }
      if (random.chance(40)) {
        ASSERT_TRUE(world.engine->bring_in());
      }
      if (random.chance(20)) {
        const std::size_t size = random.chance(50) ? FakeTasks::kPlenty : random.below(3);
        world.tasks->rooms[random.below(world.tasks->rooms.size())] = size;
      }
      if (random.chance(1)) {
        ASSERT_NO_FATAL_FAILURE(begin());
      }
    }
    for (auto& room : world.tasks->rooms) {
      room = FakeTasks::kPlenty;
    }
    world.clock.advance(Duration::seconds(1'000'000));
    for (int i = 0; i < 300; ++i) {
      world.catch_up();
      ASSERT_TRUE(world.engine->bring_in());
    }
    ASSERT_FALSE(world.engine->behind());
    const std::map<std::string, int> released = world.tasks->identities();
    for (const auto& [identity, times] : released) {
      ASSERT_EQ(times, 1) << testing::PrintToString(identity);
    }
    testing_support::Folded folded;
    ASSERT_TRUE(folded.fold(world.records()));
    for (const core::Effect& effect : testing_support::pending_effects(folded.rows)) {
      ASSERT_TRUE(released.contains(core::task_identity(effect))) << testing_support::dump(effect);
    }
  });
}

}  // namespace
}  // namespace payonce::engine
