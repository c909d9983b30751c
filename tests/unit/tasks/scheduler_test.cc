#include "tasks/scheduler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

#include "support/engine_world.h"

namespace payonce::tasks {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;
using testing_support::eventually;
using testing_support::kStart;
using testing_support::ManualClock;

// A gateway whose calls wait while the gate is closed.
class Gate {
 public:
  core::Command call(const core::Effect& task) {
    const auto& effect = std::get<core::CallGateway>(task);
    std::unique_lock lock(mutex_);
    started_.push_back(effect.payment_id);
    changed_.notify_all();
    changed_.wait(lock, [&] { return open_ > 0; });
    if (open_ != kAlways) {
      --open_;
    }
    return core::RecordGatewayReply{.payment_id = effect.payment_id,
                                    .attempt = effect.attempt,
                                    .reply = core::GatewayReply::kConfirmed,
                                    .detail = {}};
  }
  void close() { set_open(0); }
  void open() { set_open(kAlways); }
  void let_one_pass() {
    const std::lock_guard lock(mutex_);
    ++open_;
    changed_.notify_all();
  }
  void wait_for_starts(std::size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return started_.size() >= count; });
  }
  [[nodiscard]] std::vector<std::string> started() const {
    const std::lock_guard lock(mutex_);
    return started_;
  }

 private:
  static constexpr int kAlways = 1 << 30;

  void set_open(int count) {
    const std::lock_guard lock(mutex_);
    open_ = count;
    changed_.notify_all();
  }

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::string> started_;
  int open_ = kAlways;
};

core::Command deliver(const core::Effect& task) {
  const auto& send = std::get<core::SendNotification>(task);
  return core::RecordNotification{.payment_id = send.payment_id,
                                  .attempt = send.attempt,
                                  .reply = core::NotifyReply::kDelivered,
                                  .error = {}};
}

class SchedulerTest : public testing::Test {
 protected:
  ~SchedulerTest() override {
    gate.open();
    if (scheduler) {
      scheduler->stop();
    }
  }

  void start(std::size_t workers = 1, std::size_t ready_max = 1000,
             std::size_t pending_max = 1000) {
    scheduler = std::make_unique<Scheduler>(clock, pending_max);
    scheduler->add_queue(
        QueueOptions{.name = "gateway", .workers = workers, .ready_max = ready_max},
        [this](const core::Effect& task) { return gate.call(task); });
    scheduler->add_queue(QueueOptions{.name = "notify",
                                      .takes = core::TaskClass::kNotify,
                                      .workers = 1,
                                      .ready_max = ready_max},
                         deliver);
    scheduler->set_post([this](const std::vector<core::Command>& commands) {
      ASSERT_EQ(commands.size(), 1U);
      const core::Command& command = commands.front();
      const std::lock_guard lock(mutex);
      if (const auto* reply = std::get_if<core::RecordGatewayReply>(&command)) {
        results.push_back(reply->payment_id + "/" + std::to_string(reply->attempt));
      } else {
        results.push_back("notified " + std::get<core::RecordNotification>(command).payment_id);
      }
    });
    scheduler->start();
  }
  static core::CallGateway call(std::string id, Timestamp not_before = kStart,
                                std::uint32_t attempt = 1) {
    return core::CallGateway{.payment_id = std::move(id),
                             .attempt = attempt,
                             .not_before = not_before,
                             .amount = {},
                             .payment_method = {}};
  }
  std::vector<std::string> posted() {
    const std::lock_guard lock(mutex);
    return results;
  }
  bool posted_count(std::size_t count) {
    return eventually([&] { return posted().size() == count; });
  }
  QueueStats gateway() { return scheduler->stats()[0]; }

  ManualClock clock;
  Gate gate;
  std::mutex mutex;
  std::vector<std::string> results;
  std::unique_ptr<Scheduler> scheduler;
};

TEST_F(SchedulerTest, Task_IsRunAndItsResultPosted) {
  start();
  scheduler->release(call("pay_1", kStart, 3));
  ASSERT_TRUE(posted_count(1));
  EXPECT_THAT(posted(), ElementsAre("pay_1/3"));
}

TEST_F(SchedulerTest, EachKindOfTask_GoesToItsQueue) {
  start();
  scheduler->release(call("pay_1"));
  core::SendNotification send;
  send.payment_id = "pay_2";
  scheduler->release(send);
  ASSERT_TRUE(posted_count(2));
  EXPECT_THAT(posted(), UnorderedElementsAre("pay_1/1", "notified pay_2"));
}

TEST_F(SchedulerTest, OneWorker_RunsInTheOrderOfRelease) {
  start();
  gate.close();
  for (const char* id : {"a", "b", "c", "d"}) {
    scheduler->release(call(id));
  }
  gate.open();
  ASSERT_TRUE(posted_count(4));
  EXPECT_THAT(posted(), ElementsAre("a/1", "b/1", "c/1", "d/1"));
}

TEST_F(SchedulerTest, Pool_RunsAsManyAtATimeAsItHasWorkers) {
  start(3);
  gate.close();
  for (int i = 0; i < 10; ++i) {
    scheduler->release(call(std::to_string(i)));
  }
  gate.wait_for_starts(3);
  EXPECT_EQ(gateway().running, 3U);
  EXPECT_EQ(gateway().waiting, 7U);
  gate.let_one_pass();
  gate.wait_for_starts(4);
  EXPECT_TRUE(eventually([&] { return gateway().completed == 1; }));
  EXPECT_EQ(gate.started().size(), 4U);
  gate.open();
  ASSERT_TRUE(posted_count(10));
}

TEST_F(SchedulerTest, BlockedQueue_DoesNotBlockTheOthers) {
  start();
  gate.close();
  scheduler->release(call("stuck"));
  gate.wait_for_starts(1);
  core::SendNotification send;
  send.payment_id = "pay_2";
  scheduler->release(send);
  ASSERT_TRUE(posted_count(1));
  EXPECT_THAT(posted(), ElementsAre("notified pay_2"));
}

TEST_F(SchedulerTest, DelayedTask_WaitsForTheClock) {
  start();
  const Timestamp due = kStart + Duration::ms(1);
  scheduler->release(call("later", due));
  scheduler->release(call("now"));
  ASSERT_TRUE(posted_count(1));
  // The timer looks again and again; as long as the clock stands, nothing is due.
  const std::uint64_t reads = clock.reads();
  ASSERT_TRUE(eventually([&] { return clock.reads() > reads + 5; }));
  EXPECT_THAT(posted(), ElementsAre("now/1"));
  EXPECT_EQ(gateway().waiting, 1U);
  clock.set(due);
  ASSERT_TRUE(posted_count(2));
  EXPECT_EQ(gateway().waiting, 0U);
}

TEST_F(SchedulerTest, DelayedTasks_RunInTheOrderOfTheirTimes) {
  start();
  const auto at = [](std::int64_t us) { return kStart + Duration{us}; };
  scheduler->release(call("third", at(300)));
  scheduler->release(call("first", at(100)));
  scheduler->release(call("second", at(200)));
  scheduler->release(call("second too", at(200)));
  clock.set(at(300));
  ASSERT_TRUE(posted_count(4));
  EXPECT_THAT(posted(), ElementsAre("first/1", "second/1", "second too/1", "third/1"));
}

TEST_F(SchedulerTest, EarlierTask_WakesTheTimerThatSleepsForALaterOne) {
  start();
  scheduler->release(call("much later", kStart + Duration::seconds(100'000)));
  scheduler->release(call("soon", kStart + Duration::ms(1)));
  clock.advance(Duration::ms(1));
  ASSERT_TRUE(posted_count(1));
  EXPECT_THAT(posted(), ElementsAre("soon/1"));
}

TEST_F(SchedulerTest, WaitingTasks_HoldNoWorker) {
  start();
  for (int i = 0; i < 500; ++i) {
    scheduler->release(call("later " + std::to_string(i), kStart + Duration::seconds(3600)));
  }
  scheduler->release(call("now"));
  ASSERT_TRUE(posted_count(1));
  EXPECT_EQ(gateway().running, 0U);
  EXPECT_EQ(gateway().waiting, 500U);
}

// In no particular order: the queue is FIFO per producer, and the timer is another producer.
TEST_F(SchedulerTest, MoreThanTheQueueHolds_AreHeldBackAndRunLater) {
  start(1, 2);
  gate.close();
  std::vector<std::string> expected;
  for (int i = 0; i < 50; ++i) {
    scheduler->release(call(std::to_string(i)));
    expected.push_back(std::to_string(i) + "/1");
    if (i == 0) {
      gate.wait_for_starts(1);
    }
  }
  EXPECT_EQ(gateway().running, 1U);
  EXPECT_EQ(gateway().waiting, 49U);
  gate.open();
  ASSERT_TRUE(posted_count(50));
  EXPECT_THAT(posted(), testing::UnorderedElementsAreArray(expected));
}

TEST_F(SchedulerTest, ManyReleasers_LoseNothing) {
  start(2, 3, 1'000'000);
  constexpr int kThreads = 4;
  constexpr int kTasks = 500;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kTasks; ++i) {
        scheduler->release(call(std::to_string(t) + "." + std::to_string(i),
                                kStart + Duration{i % 3 == 0 ? 100 : 0}));
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  clock.advance(Duration{100});
  ASSERT_TRUE(posted_count(kThreads * kTasks));
  EXPECT_EQ(gateway().completed, static_cast<std::uint64_t>(kThreads * kTasks));
  EXPECT_EQ(gateway().waiting, 0U);
}

TEST_F(SchedulerTest, TooManyPending_IsSaturatedUntilSomeAreDone) {
  start(1, 2, 4);
  gate.close();
  EXPECT_FALSE(scheduler->saturated());
  for (int i = 0; i < 3; ++i) {
    scheduler->release(call(std::to_string(i)));
  }
  EXPECT_FALSE(scheduler->saturated());
  scheduler->release(call("later", kStart + Duration::seconds(3600)));  // waiting counts as well
  EXPECT_TRUE(scheduler->saturated());
  scheduler->release(call("taken nevertheless"));
  gate.open();
  ASSERT_TRUE(posted_count(4));
  EXPECT_FALSE(scheduler->saturated());
}

TEST_F(SchedulerTest, Stop_LetsRunningTasksFinishAndDropsDelayedOnes) {
  start(2, 2);
  gate.close();
  for (int i = 0; i < 10; ++i) {
    scheduler->release(call(std::to_string(i)));
  }
  scheduler->release(call("later", kStart + Duration::seconds(3600)));
  gate.wait_for_starts(2);
  std::thread stopper([&] { scheduler->stop(); });
  gate.open();
  stopper.join();
  // Whatever was started has its result; the rest was never started.
  EXPECT_GE(posted().size(), 2U);
  EXPECT_EQ(posted().size(), gate.started().size());
  EXPECT_EQ(gateway().running, 0U);
  EXPECT_THAT(gate.started(), testing::Not(testing::Contains("later")));
}

TEST_F(SchedulerTest, Stop_WithOnlyDelayedTasks_ReturnsAtOnce) {
  start();
  scheduler->release(call("later", kStart + Duration::seconds(1'000'000)));
  scheduler->stop();
  EXPECT_THAT(posted(), IsEmpty());
}

TEST_F(SchedulerTest, Stop_Twice_IsFine) {
  start();
  scheduler->stop();
  scheduler->stop();
}

TEST(SchedulerStop, BeforeStart_IsFine) {
  ManualClock clock;
  Scheduler scheduler(clock, 10);
  scheduler.stop();
}

TEST_F(SchedulerTest, ReleaseAfterStop_IsIgnored) {
  start();
  scheduler->stop();
  scheduler->release(call("pay_1"));
  EXPECT_THAT(posted(), IsEmpty());
}

TEST_F(SchedulerTest, Stats_NameEveryQueue) {
  start();
  const auto stats = scheduler->stats();
  ASSERT_EQ(stats.size(), 2U);
  EXPECT_EQ(stats[0].name, "gateway");
  EXPECT_EQ(stats[1].name, "notify");
}

// ---- Together with the engine

TEST(SchedulerWithEngine, Payments_AreCarriedToTheirEnd) {
  testing_support::EngineWorld world;
  // The engine's tasks go to a real scheduler, whose results go to the engine.
  Scheduler scheduler(world.clock, 1'000'000);
  scheduler.add_queue(QueueOptions{.name = "gateway", .workers = 2}, [](const core::Effect& task) {
    const auto& call = std::get<core::CallGateway>(task);
    return core::RecordGatewayReply{.payment_id = call.payment_id,
                                    .attempt = call.attempt,
                                    .reply = call.attempt < 3
                                                 ? core::GatewayReply::kTemporaryFailure
                                                 : core::GatewayReply::kConfirmed,
                                    .detail = {}};
  });
  scheduler.add_queue(
      QueueOptions{.name = "notify", .takes = core::TaskClass::kNotify, .workers = 1}, deliver);
  scheduler.set_post(
      [&](std::vector<core::Command> results) { world.engine->post_all(std::move(results)); });
  world.prepare();
  world.tasks->on_release = [&](const core::Effect& effect) { scheduler.release(effect); };
  ASSERT_TRUE(world.engine->recover());
  world.engine->start();
  scheduler.start();
  constexpr int kPayments = 50;
  world.execute(testing_support::EngineWorld::open_account("alice", 1000));
  for (int i = 0; i < kPayments; ++i) {
    auto payment = testing_support::EngineWorld::payment("p" + std::to_string(i), "alice", 1);
    payment.rules.gateway_retry.initial_interval_ms = 1;
    payment.rules.gateway_retry.maximum_interval_ms = 2;
    ASSERT_EQ(world.execute(payment), engine::Verdict::kDone);
  }
  for (int i = 0; i < kPayments; ++i) {
    ASSERT_TRUE(eventually([&] {
      world.clock.advance(Duration{100});
      return world.engine->find_payment("p" + std::to_string(i))->step == core::PaymentStep::kDone;
    })) << i;
  }
  EXPECT_EQ(world.engine->find_account("sys:gateway:USD")->posted, kPayments);
  EXPECT_EQ(world.engine->find_payment("p0")->gateway_attempts, 3U);
  scheduler.stop();
  world.stop();
}

}  // namespace
}  // namespace payonce::tasks
