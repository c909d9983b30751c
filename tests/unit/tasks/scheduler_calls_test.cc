// Queues whose call is asynchronous (tasks/conductor.cc).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

#include "support/engine_world.h"
#include "support/hands.h"
#include "tasks/scheduler.h"

namespace payonce::tasks {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;
using testing_support::eventually;
using testing_support::kStart;
using testing_support::ManualClock;
using Names = std::vector<std::string>;

std::string call_of(const core::Effect& task) {
  const auto* undo = std::get_if<core::UndoAtGateway>(&task);
  return undo != nullptr ? "void " + undo->payment_id
                         : std::get<core::CallGateway>(task).payment_id;
}

core::Effect call(std::string id, Timestamp due = kStart) {
  return core::CallGateway{.payment_id = std::move(id),
                           .attempt = 1,
                           .not_before = due,
                           .amount = {},
                           .payment_method = {}};
}

core::Effect undo(std::string id) {
  core::UndoAtGateway task;
  task.payment_id = std::move(id);
  return task;
}

// The result is only the task's name in the shape of a command.
core::Command result_of(const std::string& name) { return core::RetryRefund{.refund_id = name}; }

// Calls stay in flight until the test ends them; while the gate is closed, so does a post.
class SchedulerCallsTest : public testing::Test {
 protected:
  ~SchedulerCallsTest() override {
    open_gate();
    {
      const std::lock_guard lock(mutex);
      over = true;
    }
    for (const std::string& name : in_flight()) {
      end(name, std::nullopt);
    }
    if (scheduler) {
      scheduler->stop();
    }
  }

  void start(std::size_t calls_max = 1000, std::size_t pending_max = 1000) {
    start_queue({.name = "gateway", .calls_max = calls_max}, pending_max);
  }
  void start_queue(QueueOptions options, std::size_t pending_max = 1000) {
    start_with([this](const core::Effect& task, Done done) { take(task, std::move(done)); },
               std::move(options), pending_max);
  }
  void start_with(Call how, QueueOptions options, std::size_t pending_max = 1'000'000) {
    scheduler = std::make_unique<Scheduler>(clock, pending_max);
    scheduler->add_queue(std::move(options), std::move(how));
    scheduler->set_post([this](const std::vector<core::Command>& results) { post(results); });
    scheduler->set_wanted([this](std::span<const core::Effect> tasks) {
      const std::lock_guard lock(mutex);
      std::vector<bool> answers;
      for (const core::Effect& task : tasks) {
        asked.insert(call_of(task));
        answers.push_back(!unwanted.contains(call_of(task)));
      }
      return answers;
    });
    scheduler->start();
  }
  void take(const core::Effect& task, Done done) {
    {
      const std::lock_guard lock(mutex);
      started.push_back(call_of(task));
      changed.notify_all();
      if (!over) {
        running.emplace(call_of(task), std::move(done));
        return;
      }
    }
    done(std::nullopt);
  }
  void post(const std::vector<core::Command>& results) {
    std::unique_lock lock(mutex);
    Names& names = posts.emplace_back();
    for (const core::Command& result : results) {
      names.push_back(std::get<core::RetryRefund>(result).refund_id);
    }
    changed.notify_all();
    changed.wait(lock, [&] { return gate_open; });
  }
  void end(const std::string& name, std::optional<core::Command> result) {
    Done done;
    {
      const std::lock_guard lock(mutex);
      done = std::move(running.extract(name).mapped());
    }
    done(std::move(result));
  }
  void end(const std::string& name) { end(name, result_of(name)); }
  void release(int count) {
    for (int i = 0; i < count; ++i) {
      scheduler->release(call("pay_" + std::to_string(i)));
    }
  }

  Names in_flight() {
    const std::lock_guard lock(mutex);
    Names names;
    for (const auto& [name, done] : running) {
      names.push_back(name);
    }
    return names;
  }
  Names all_started() {
    const std::lock_guard lock(mutex);
    return started;
  }
  std::vector<Names> all_posts() {
    const std::lock_guard lock(mutex);
    return posts;
  }
  Names posted() {
    Names all;
    for (const Names& names : all_posts()) {
      all.insert(all.end(), names.begin(), names.end());
    }
    return all;
  }
  void wait_for_start(const std::string& name) {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return std::ranges::find(started, name) != started.end(); });
  }
  void wait_for_posts(std::size_t count) {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return posts.size() >= count; });
  }
  void open_gate() {
    const std::lock_guard lock(mutex);
    gate_open = true;
    changed.notify_all();
  }
  QueueStats stats() { return scheduler->stats()[0]; }
  bool idle() {
    return eventually([&] { return stats().waiting + stats().running == 0; });
  }

  ManualClock clock;
  std::mutex mutex;
  std::condition_variable changed;
  bool gate_open = true;
  bool over = false;
  Names started;
  std::map<std::string, Done> running;
  std::vector<Names> posts;
  std::set<std::string> unwanted;
  std::multiset<std::string> asked;
  std::unique_ptr<Scheduler> scheduler;
};

TEST_F(SchedulerCallsTest, ASlowCall_HoldsUpNoOtherCharge) {
  start();
  scheduler->release(call("slow"));
  wait_for_start("slow");
  for (int i = 0; i < 100; ++i) {
    const std::string name = "pay_" + std::to_string(i);
    scheduler->release(call(name));
    wait_for_start(name);
    end(name);
  }
  ASSERT_TRUE(eventually([&] { return posted().size() == 100; }));
  EXPECT_THAT(in_flight(), ElementsAre("slow"));
  end("slow");
  ASSERT_TRUE(idle());
  EXPECT_EQ(posted().back(), "slow");
}

TEST_F(SchedulerCallsTest, NoMoreThanCallsMax_AreInFlightAndTheRestWaitsInItsOrder) {
  start(3);
  release(6);
  wait_for_start("pay_2");
  ASSERT_TRUE(eventually([&] { return stats().running == 3; }));
  EXPECT_EQ(stats().waiting, 3U);
  EXPECT_THAT(all_started(), ElementsAre("pay_0", "pay_1", "pay_2"));
  end("pay_1");
  wait_for_start("pay_3");
  EXPECT_EQ(in_flight().size(), 3U);
  end("pay_0");
  wait_for_start("pay_4");
  end("pay_4");
  wait_for_start("pay_5");
  EXPECT_THAT(in_flight(), ElementsAre("pay_2", "pay_3", "pay_5"));
}

TEST_F(SchedulerCallsTest, TheTurn_PassesOnlyAfterTheResultIsPosted) {
  start();
  scheduler->release(call("pay_1"));
  scheduler->release(undo("pay_1"));
  wait_for_start("pay_1");
  ASSERT_TRUE(eventually([&] { return stats().waiting == 1; }));
  gate_open = false;
  end("pay_1");
  wait_for_posts(1);  // and now the conductor is in the middle of it
  EXPECT_THAT(all_started(), ElementsAre("pay_1"));
  EXPECT_EQ(stats().running, 1U);
  open_gate();
  wait_for_start("void pay_1");
  end("void pay_1");
  ASSERT_TRUE(idle());
  EXPECT_THAT(all_posts(), ElementsAre(ElementsAre("pay_1"), ElementsAre("void pay_1")));
}

TEST_F(SchedulerCallsTest, CallsThatEndTogether_ArePostedTogether) {
  start();
  release(4);
  wait_for_start("pay_3");
  gate_open = false;
  end("pay_0");
  wait_for_posts(1);
  for (const char* name : {"pay_3", "pay_1", "pay_2"}) {
    end(name);
  }
  open_gate();
  ASSERT_TRUE(idle());
  EXPECT_THAT(all_posts(),
              ElementsAre(ElementsAre("pay_0"), ElementsAre("pay_3", "pay_1", "pay_2")));
}

TEST_F(SchedulerCallsTest, Stop_WaitsForWhatIsInFlightAndTakesItsResult) {
  start(2);
  release(4);
  wait_for_start("pay_1");
  auto stopping = std::async(std::launch::async, [&] { scheduler->stop(); });
  EXPECT_EQ(stopping.wait_for(std::chrono::milliseconds(10)), std::future_status::timeout);
  end("pay_0");
  // Before stop() has begun, that makes room for another; afterwards for none.
  while (stopping.wait_for(std::chrono::milliseconds(1)) == std::future_status::timeout) {
    for (const std::string& name : in_flight()) {
      end(name);
    }
  }
  EXPECT_THAT(posted(), testing::UnorderedElementsAreArray(all_started()));
  const Names before = all_started();
  scheduler->release(call("after"));
  EXPECT_EQ(all_started(), before);
}

TEST_F(SchedulerCallsTest, Stop_WithNothingInFlight_DropsWhatWaits) {
  start(1);
  scheduler->release(call("pay_1", kStart + Duration::ms(1)));
  scheduler->stop();
  EXPECT_THAT(all_started(), IsEmpty());
}

TEST_F(SchedulerCallsTest, Done_MayComeFromWithinTheCall) {
  start_with([](const core::Effect& task, const Done& done) { done(result_of(call_of(task))); },
             {.name = "gateway", .calls_max = 2});
  release(1000);
  ASSERT_TRUE(idle());
  EXPECT_EQ(posted().size(), 1000U);
  EXPECT_EQ(posted()[999], "pay_999");
  EXPECT_EQ(stats().completed, 1000U);
}

TEST_F(SchedulerCallsTest, Done_MayComeFromManyThreads) {
  constexpr int kCalls = 3000;
  testing_support::Hands hands(4);
  std::atomic<int> at_once{0};
  std::atomic<bool> too_many{false};
  start_with(
      [&](const core::Effect& task, Done done) {
        too_many = too_many || ++at_once > 16;
        hands.hand([&, name = call_of(task), done = std::move(done)] {
          --at_once;
          done(result_of(name));
        });
      },
      {.name = "gateway", .calls_max = 16});
  release(kCalls);
  ASSERT_TRUE(idle());
  Names all = posted();
  std::ranges::sort(all);
  EXPECT_EQ(all.size(), std::size_t{kCalls});
  EXPECT_EQ(std::ranges::adjacent_find(all), all.end());
  EXPECT_FALSE(too_many);
  scheduler->stop();
}

TEST_F(SchedulerCallsTest, AnUnwantedTask_IsDroppedAndTakesNoPlace) {
  start(1, 2);
  unwanted = {"pay_0", "pay_1", "void pay_1"};
  release(2);
  scheduler->release(undo("pay_1"));
  scheduler->release(call("pay_2"));
  wait_for_start("pay_2");
  end("pay_2");
  ASSERT_TRUE(idle());
  EXPECT_THAT(all_started(), ElementsAre("pay_2"));
  EXPECT_THAT(posted(), ElementsAre("pay_2"));
  EXPECT_FALSE(scheduler->saturated());
  EXPECT_EQ(stats().completed, 1U);
}

TEST_F(SchedulerCallsTest, WhetherATaskIsWanted_IsAskedOnlyWhenItWouldStart) {
  start(1);
  release(2);
  scheduler->release(undo("pay_0"));
  wait_for_start("pay_0");
  ASSERT_TRUE(eventually([&] { return stats().waiting == 2; }));
  EXPECT_THAT(asked, UnorderedElementsAre("pay_0"));
  {
    const std::lock_guard lock(mutex);
    unwanted = {"void pay_0"};
  }
  end("pay_0");
  wait_for_start("pay_1");
  end("pay_1");
  ASSERT_TRUE(idle());
  EXPECT_THAT(asked, UnorderedElementsAre("pay_0", "pay_1", "void pay_0"));
  EXPECT_THAT(posted(), ElementsAre("pay_0", "pay_1"));
}

TEST_F(SchedulerCallsTest, ACallThatIsCutShort_PostsNothingAndPassesItsTurn) {
  start();
  scheduler->release(call("pay_1"));
  scheduler->release(undo("pay_1"));
  wait_for_start("pay_1");
  end("pay_1", std::nullopt);
  wait_for_start("void pay_1");
  EXPECT_THAT(posted(), IsEmpty());
  EXPECT_EQ(stats().completed, 0U);
}

TEST_F(SchedulerCallsTest, WhatWaitsForAPlace_CountsAsReadyAndAges) {
  start_queue({.name = "gateway", .ready_max = 4, .memory_max = 10, .calls_max = 1});
  release(3);
  wait_for_start("pay_0");
  ASSERT_TRUE(eventually([&] { return stats().running == 1; }));
  EXPECT_EQ(stats().waiting, 2U);
  EXPECT_EQ(scheduler->room(core::TaskClass::kGateway), 8U);
  clock.advance(Duration::ms(5000));
  EXPECT_EQ(stats().oldest_age, std::chrono::milliseconds(5000));
  // Above ready_max the rest waits with the delayed ones, and comes in its order.
  for (int i = 3; i < 12; ++i) {
    scheduler->release(call("pay_" + std::to_string(i)));
  }
  EXPECT_EQ(stats().waiting, 11U);
  EXPECT_EQ(scheduler->room(core::TaskClass::kGateway), 0U);
  Names expected;
  for (int i = 0; i < 12; ++i) {
    expected.push_back("pay_" + std::to_string(i));
    wait_for_start(expected.back());
    end(expected.back());
  }
  ASSERT_TRUE(idle());
  EXPECT_EQ(posted(), expected);
  EXPECT_EQ(stats().oldest_age, std::chrono::milliseconds(0));
}

TEST_F(SchedulerCallsTest, CallsInFlight_ArePending) {
  start(2, 3);
  release(2);
  wait_for_start("pay_1");
  EXPECT_FALSE(scheduler->saturated());
  scheduler->release(call("pay_2"));
  EXPECT_TRUE(scheduler->saturated());
  end("pay_0");
  EXPECT_TRUE(eventually([&] { return !scheduler->saturated(); }));
}

TEST_F(SchedulerCallsTest, ADelayedCall_StartsWhenItIsDue) {
  start();
  scheduler->release(call("later", kStart + Duration::ms(1)));
  scheduler->release(call("now"));
  wait_for_start("now");
  EXPECT_EQ(stats().waiting, 1U);
  clock.advance(Duration::ms(1));
  wait_for_start("later");
}

}  // namespace
}  // namespace payonce::tasks
