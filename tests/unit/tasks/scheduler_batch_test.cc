// Tasks that a worker takes several at a time (QueueOptions::batch_max).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <cstdint>
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
#include "tasks/scheduler.h"

namespace payonce::tasks {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing_support::eventually;
using testing_support::kStart;
using testing_support::ManualClock;
using Names = std::vector<std::string>;

// "pay_1/2" is the second call of payment pay_1.
std::string name_of(const core::Effect& task) {
  const auto& call = std::get<core::CallGateway>(task);
  return call.payment_id + "/" + std::to_string(call.attempt);
}

// One worker, which takes up to eight tasks at a time. The first task, "gate/1", holds it until the
// test opens the gate, so that what is released meanwhile is what it finds next.
class SchedulerBatchTest : public testing::Test {
 protected:
  ~SchedulerBatchTest() override {
    open_gate();
    if (scheduler) {
      scheduler->stop();
    }
  }

  void start(std::size_t pending_max = 1000, std::size_t ready_max = 1000) {
    scheduler = std::make_unique<Scheduler>(clock, pending_max);
    scheduler->add_queue({.name = "gateway", .workers = 1, .ready_max = ready_max, .batch_max = 8},
                         [this](const core::Effect& task) { return call(task); });
    scheduler->set_post([this](const std::vector<core::Command>& results) {
      Names names;
      for (const core::Command& result : results) {
        names.push_back(std::get<core::RetryRefund>(result).refund_id);
      }
      const std::lock_guard lock(mutex);
      posts.push_back(names);
    });
    scheduler->set_wanted([this](std::span<const core::Effect> tasks) {
      const std::lock_guard lock(mutex);
      std::vector<bool> answers;
      Names& names = asked.emplace_back();
      for (const core::Effect& task : tasks) {
        names.push_back(name_of(task));
        answers.push_back(!unwanted.contains(names.back()));
      }
      return answers;
    });
    scheduler->start();
    release("gate");
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return !started.empty(); });
  }
  // The result is only the task's name in the shape of a command.
  std::optional<core::Command> call(const core::Effect& task) {
    const std::string name = name_of(task);
    std::unique_lock lock(mutex);
    started.push_back(name);
    changed.notify_all();
    changed.wait(lock, [&] { return gate_open; });
    if (cut_short.contains(name)) {
      return std::nullopt;
    }
    return core::RetryRefund{.refund_id = name};
  }
  void open_gate() {
    const std::lock_guard lock(mutex);
    gate_open = true;
    changed.notify_all();
  }
  static core::Effect task(std::string id, std::uint32_t attempt = 1, Timestamp due = kStart) {
    return core::CallGateway{.payment_id = std::move(id),
                             .attempt = attempt,
                             .not_before = due,
                             .amount = {},
                             .payment_method = {}};
  }
  void release(std::string id, std::uint32_t attempt = 1) {
    scheduler->release(task(std::move(id), attempt));
  }
  void release_numbered(int count) {
    for (int i = 0; i < count; ++i) {
      release(std::to_string(i));
    }
  }
  // Returns when nothing waits or runs any more.
  [[nodiscard]] bool idle() const {
    return eventually([&] {
      const QueueStats queue = scheduler->stats().front();
      return queue.waiting + queue.running == 0;
    });
  }
  // What was posted together, the gate's own result left out.
  [[nodiscard]] std::vector<Names> posted() {
    const std::lock_guard lock(mutex);
    EXPECT_EQ(posts.front(), Names{"gate/1"});
    return {posts.begin() + 1, posts.end()};
  }

  ManualClock clock;
  std::mutex mutex;
  std::condition_variable changed;
  bool gate_open = false;
  Names started;
  std::vector<Names> posts;
  std::vector<Names> asked;
  std::set<std::string> unwanted;
  std::set<std::string> cut_short;
  std::unique_ptr<Scheduler> scheduler;
};

TEST_F(SchedulerBatchTest, WhatWaitsIsRunTogetherAndItsResultsArePostedTogether) {
  start();
  for (const char* id : {"a", "b", "c", "d", "e"}) {
    release(id);
  }
  open_gate();
  ASSERT_TRUE(idle());
  EXPECT_THAT(posted(), ElementsAre(Names{"a/1", "b/1", "c/1", "d/1", "e/1"}));
  EXPECT_EQ(scheduler->stats().front().completed, 6U);
}

TEST_F(SchedulerBatchTest, ABatchHasNoMoreTasksThanPermitted) {
  start();
  release_numbered(20);
  open_gate();
  ASSERT_TRUE(idle());
  const auto all = posted();
  ASSERT_EQ(all.size(), 3U);
  EXPECT_EQ(all[0].size(), 8U);
  EXPECT_EQ(all[1].size(), 8U);
  EXPECT_EQ(all[2].size(), 4U);
}

TEST_F(SchedulerBatchTest, ATaskThatIsAloneDoesNotWaitForOthers) {
  start();
  open_gate();
  ASSERT_TRUE(idle());
  release("alone");
  ASSERT_TRUE(idle());
  EXPECT_THAT(posted(), ElementsAre(Names{"alone/1"}));
}

TEST_F(SchedulerBatchTest, TwoTasksAboutOneChargeAreNeverInTheSameBatch) {
  start();
  release("a");
  release("b", 1);
  release("b", 2);
  release("c");
  open_gate();
  ASSERT_TRUE(idle());
  EXPECT_THAT(posted(), ElementsAre(Names{"a/1", "b/1", "c/1"}, Names{"b/2"}));
}

TEST_F(SchedulerBatchTest, ManyTasksAboutOneChargeAreABatchEachAndInOrder) {
  start();
  for (std::uint32_t attempt = 1; attempt <= 5; ++attempt) {
    release("a", attempt);
  }
  open_gate();
  ASSERT_TRUE(idle());
  EXPECT_THAT(posted(),
              ElementsAre(Names{"a/1"}, Names{"a/2"}, Names{"a/3"}, Names{"a/4"}, Names{"a/5"}));
}

TEST_F(SchedulerBatchTest, ATaskAboutTheChargeOfTheBatchBeforeMayBeInTheNextOne) {
  start();
  release("gate", 2);
  release("a");
  open_gate();
  ASSERT_TRUE(idle());
  EXPECT_THAT(posted(), ElementsAre(Names{"gate/2", "a/1"}));
}

TEST_F(SchedulerBatchTest, AnUnwantedTaskIsDroppedAndTheOthersOfItsBatchRun) {
  start();
  unwanted = {"b/1"};
  release("a");
  release("b");
  release("c");
  open_gate();
  ASSERT_TRUE(idle());
  EXPECT_THAT(posted(), ElementsAre(Names{"a/1", "c/1"}));
  EXPECT_THAT(started, ElementsAre("gate/1", "a/1", "c/1"));
  EXPECT_THAT(asked, ElementsAre(Names{"gate/1"}, Names{"a/1", "b/1", "c/1"}));
}

TEST_F(SchedulerBatchTest, ABatchOfUnwantedTasksPostsNothing) {
  start();
  unwanted = {"a/1", "b/1"};
  release("a");
  release("b");
  open_gate();
  ASSERT_TRUE(idle());
  EXPECT_THAT(posted(), IsEmpty());
  EXPECT_THAT(started, ElementsAre("gate/1"));
}

TEST_F(SchedulerBatchTest, AnUnwantedTaskPassesItsChargeOn) {
  start();
  unwanted = {"a/1"};
  release("a", 1);
  release("a", 2);
  open_gate();
  ASSERT_TRUE(idle());
  EXPECT_THAT(posted(), ElementsAre(Names{"a/2"}));
}

TEST_F(SchedulerBatchTest, ATaskThatWasCutShortHasNoResultAndTheOthersHaveTheirs) {
  start();
  cut_short = {"a/1"};
  release("a", 1);
  release("a", 2);
  release("b");
  open_gate();
  ASSERT_TRUE(idle());
  EXPECT_THAT(posted(), ElementsAre(Names{"b/1"}, Names{"a/2"}));
}

TEST_F(SchedulerBatchTest, NothingIsPendingOnceAllHasRunOrBeenDropped) {
  start(1);  // saturated as long as there is anything
  unwanted = {"1/1", "b/1"};
  cut_short = {"2/1"};
  release_numbered(20);
  release("b", 1);
  release("b", 2);
  EXPECT_TRUE(scheduler->saturated());
  open_gate();
  EXPECT_TRUE(eventually([&] { return !scheduler->saturated(); }));
  EXPECT_TRUE(idle());
  EXPECT_FALSE(scheduler->saturated());
}

TEST_F(SchedulerBatchTest, TasksOfABatchArePendingUntilTheirResultsArePosted) {
  start(4);
  release_numbered(3);
  EXPECT_TRUE(scheduler->saturated());
  open_gate();
  ASSERT_TRUE(eventually([&] { return !scheduler->saturated(); }));
  ASSERT_TRUE(idle());
  EXPECT_THAT(posted(), ElementsAre(Names{"0/1", "1/1", "2/1"}));
}

TEST_F(SchedulerBatchTest, ReleaseAllReleasesEverythingAndLeavesNothing) {
  start();
  std::vector<core::Effect> effects{task("a"), task("b"), task("c")};
  scheduler->release_all(effects);
  EXPECT_THAT(effects, IsEmpty());
  open_gate();
  ASSERT_TRUE(idle());
  EXPECT_THAT(posted(), ElementsAre(Names{"a/1", "b/1", "c/1"}));
  scheduler->release_all(effects);  // of nothing
  EXPECT_EQ(scheduler->stats().front().waiting, 0U);
}

TEST_F(SchedulerBatchTest, ReleaseAllHoldsBackWhatIsDueLater) {
  start();
  const Timestamp due = kStart + Duration::ms(1);
  std::vector<core::Effect> effects{task("later", 1, due), task("now")};
  scheduler->release_all(effects);
  open_gate();
  ASSERT_TRUE(eventually([&] { return scheduler->stats().front().completed == 2; }));
  EXPECT_EQ(scheduler->stats().front().waiting, 1U);
  clock.set(due);
  ASSERT_TRUE(idle());
  EXPECT_THAT(posted(), ElementsAre(Names{"now/1"}, Names{"later/1"}));
}

// In no particular order: what is held back comes by another way.
TEST_F(SchedulerBatchTest, MoreThanTheQueueHoldsAreAllRunInTheEnd) {
  start(1000, 2);
  release_numbered(50);
  EXPECT_EQ(scheduler->stats().front().waiting, 50U);
  open_gate();
  ASSERT_TRUE(eventually([&] { return scheduler->stats().front().completed == 51; }));
  ASSERT_TRUE(idle());
  std::set<std::string> names;
  for (const Names& together : posted()) {
    EXPECT_LE(together.size(), 8U);
    names.insert(together.begin(), together.end());
  }
  EXPECT_EQ(names.size(), 50U);
}

TEST_F(SchedulerBatchTest, StopDropsWhatIsBehindTheBatchThatRuns) {
  start();
  release_numbered(20);
  std::thread stopper([&] { scheduler->stop(); });
  // Once stop() has begun the worker takes no other batch; before, it may have.
  open_gate();
  stopper.join();
  EXPECT_EQ(scheduler->stats().front().running, 0U);
  std::size_t results = 0;
  for (const Names& together : posts) {
    results += together.size();
  }
  EXPECT_EQ(results, started.size());
}

// Each worker needs something to wake it, although one of them may take all that there is. Here
// all are busy when stop() begins, and mostly still are when it waits for them.
TEST(SchedulerBatch, StopEndsAllWorkersOfAQueue) {
  constexpr int kWorkers = 4;
  ManualClock clock;
  for (int round = 0; round < 20; ++round) {
    std::atomic<int> running{0};
    std::atomic<bool> over{false};
    Scheduler scheduler(clock, 1000);
    scheduler.add_queue(
        {.name = "fraud", .takes = core::TaskClass::kFraud, .workers = kWorkers, .batch_max = 8},
        [&](const core::Effect&) -> std::optional<core::Command> {
          ++running;
          while (!over) {
            std::this_thread::yield();
          }
          for (int i = 0; i < 200; ++i) {
            std::this_thread::yield();
          }
          return std::nullopt;
        });
    scheduler.set_post([](const std::vector<core::Command>&) {});
    scheduler.start();
    for (int i = 1; i <= kWorkers; ++i) {
      scheduler.release(core::CheckFraud{});
      ASSERT_TRUE(eventually([&] { return running == i; }));
    }
    over = true;
    scheduler.stop();
  }
}

}  // namespace
}  // namespace payonce::tasks
