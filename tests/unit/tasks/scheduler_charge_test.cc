// One charge, one call; tasks that nobody waits for any more; and timers.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <set>
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
using testing_support::eventually;
using testing_support::kStart;
using testing_support::ManualClock;

// The kind and the workflow of a task, "void pay_1".
std::string label(const core::Effect& effect) {
  struct Label {
    std::string operator()(const core::CallGateway& e) const { return "call " + e.payment_id; }
    std::string operator()(const core::InquireGateway& e) const { return "ask " + e.payment_id; }
    std::string operator()(const core::UndoAtGateway& e) const { return "void " + e.payment_id; }
    std::string operator()(const core::RefundAtGateway& e) const { return "refund " + e.refund_id; }
    std::string operator()(const core::CheckFraud& e) const { return "check " + e.fraud_id; }
    std::string operator()(const core::SendNotification& e) const { return "send " + e.payment_id; }
    std::string operator()(const core::StartTimer& e) const { return "timer " + e.id; }
    std::string operator()(const core::WorkflowEnded& e) const { return "ended " + e.id; }
  };
  return std::visit(Label(), effect);
}

enum class Kind { kWorkers, kCalls };  // which kind of queue the gateway has

// Writes down what starts and what is posted, in order; tasks wait while the gate is closed.
class ChargeTest : public testing::TestWithParam<Kind> {
 protected:
  ~ChargeTest() override {
    open_gate();
    if (scheduler) {
      scheduler->stop();
    }
  }

  void start(std::size_t workers, std::size_t pending_max = 1000) {
    scheduler = std::make_unique<Scheduler>(clock, pending_max);
    scheduler->add_queue(
        {.name = "timers", .takes = core::TaskClass::kTimer, .workers = 1, .memory_max = 1000},
        [this](const core::Effect& task) { return run(task); });
    add_gateway(workers, [this](const core::Effect& task) { return run(task); });
    scheduler->add_queue({.name = "fraud", .takes = core::TaskClass::kFraud},
                         [this](const core::Effect& task) { return run(task); });
    scheduler->add_queue({.name = "notify", .takes = core::TaskClass::kNotify},
                         [this](const core::Effect& task) { return run(task); });
    scheduler->set_post([this](const std::vector<core::Command>& results) {
      for (const core::Command& result : results) {
        note("posted " + std::get<core::RetryRefund>(result).refund_id);
      }
    });
    scheduler->set_wanted([this](std::span<const core::Effect> tasks) {
      const std::lock_guard lock(mutex);
      std::vector<bool> answers;
      for (const core::Effect& task : tasks) {
        ++asked[label(task)];
        answers.push_back(!unwanted.contains(label(task)));
      }
      return answers;
    });
    scheduler->start();
  }
  // As many tasks at a time as there are workers: in them, or in flight.
  void add_gateway(std::size_t workers, const Activity& activity) {
    if (GetParam() == Kind::kWorkers) {
      scheduler->add_queue({.name = "gateway", .workers = workers}, activity);
      return;
    }
    hands = std::make_unique<testing_support::Hands>(workers);
    scheduler->add_queue({.name = "gateway", .calls_max = workers},
                         [this, activity](const core::Effect& task, Done done) {
                           hands->hand([=] { done(activity(task)); });
                         });
  }
  // The result is only a label in the shape of a command.
  core::Command run(const core::Effect& task) {
    note("started " + label(task));
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return gate_open; });
    return core::RetryRefund{.refund_id = label(task)};
  }
  void note(std::string what) {
    const std::lock_guard lock(mutex);
    trace.push_back(std::move(what));
    changed.notify_all();
  }
  void close_gate() {
    const std::lock_guard lock(mutex);
    gate_open = false;
  }
  void open_gate() {
    const std::lock_guard lock(mutex);
    gate_open = true;
    changed.notify_all();
  }
  void wait_for(const std::string& what) {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return std::ranges::find(trace, what) != trace.end(); });
  }
  std::vector<std::string> traced() {
    const std::lock_guard lock(mutex);
    return trace;
  }
  bool idle() {
    return eventually([&] {
      for (const QueueStats& queue : scheduler->stats()) {
        if (queue.waiting + queue.running > 0) {
          return false;
        }
      }
      return true;
    });
  }
  void drop(const std::string& what) {
    const std::lock_guard lock(mutex);
    unwanted.insert(what);
  }

  static core::CallGateway call(std::string id) {
    core::CallGateway task;
    task.payment_id = std::move(id);
    return task;
  }
  static core::UndoAtGateway undo(std::string id) {
    core::UndoAtGateway task;
    task.payment_id = std::move(id);
    return task;
  }
  static core::StartTimer timer(std::string id, Timestamp due) {
    return {
        .kind = core::StreamKind::kPayment, .id = std::move(id), .due = due, .payment_method = {}};
  }

  ManualClock clock;
  std::mutex mutex;
  std::condition_variable changed;
  bool gate_open = true;
  std::vector<std::string> trace;
  std::set<std::string> unwanted;
  std::map<std::string, int> asked;
  std::unique_ptr<testing_support::Hands> hands;
  std::unique_ptr<Scheduler> scheduler;
};

INSTANTIATE_TEST_SUITE_P(Both, ChargeTest, testing::Values(Kind::kWorkers, Kind::kCalls),
                         [](const auto& kind) {
                           return kind.param == Kind::kWorkers ? "Workers" : "Calls";
                         });

TEST_P(ChargeTest, Void_NeverRunsWhileItsChargeDoes_AndStartsAfterItsResultIsPosted) {
  start(4);
  close_gate();
  scheduler->release(call("pay_1"));
  wait_for("started call pay_1");
  scheduler->release(undo("pay_1"));
  scheduler->release(call("pay_2"));
  wait_for("started call pay_2");  // another charge does not wait
  ASSERT_TRUE(eventually([&] { return scheduler->stats()[1].running == 2; }));
  EXPECT_EQ(scheduler->stats()[1].waiting, 1U);
  EXPECT_THAT(traced(), ElementsAre("started call pay_1", "started call pay_2"));
  open_gate();
  wait_for("posted void pay_1");
  std::vector<std::string> first;
  for (const std::string& what : traced()) {
    if (what.ends_with("pay_1")) {
      first.push_back(what);
    }
  }
  EXPECT_THAT(first, ElementsAre("started call pay_1", "posted call pay_1", "started void pay_1",
                                 "posted void pay_1"));
}

TEST_P(ChargeTest, EveryKindOfTaskAboutOneCharge_WaitsForTheOthers) {
  start(6);
  close_gate();
  scheduler->release(call("pay_1"));
  wait_for("started call pay_1");
  core::InquireGateway ask;
  ask.payment_id = "pay_1";
  core::RefundAtGateway refund;
  refund.refund_id = "ref_1";
  refund.payment_id = "pay_1";
  scheduler->release(ask);
  scheduler->release(refund);
  scheduler->release(undo("pay_1"));
  ASSERT_TRUE(eventually([&] { return scheduler->stats()[1].waiting == 3; }));
  EXPECT_THAT(traced(), ElementsAre("started call pay_1"));
  open_gate();
  ASSERT_TRUE(idle());
  const auto all = traced();
  ASSERT_EQ(all.size(), 8U);
  for (std::size_t i = 0; i < all.size(); i += 2) {
    EXPECT_EQ(all[i].substr(8), all[i + 1].substr(7)) << "two ran at a time";
  }
}

TEST_P(ChargeTest, TasksAboutNoCharge_RunBesideIt) {
  start(4);
  close_gate();
  scheduler->release(call("pay_1"));
  core::SendNotification send;
  send.payment_id = "pay_1";
  core::CheckFraud check;
  check.fraud_id = "fraud-check-pay_1";
  check.payment_id = "pay_1";
  scheduler->release(send);
  scheduler->release(check);
  wait_for("started call pay_1");
  wait_for("started send pay_1");
  wait_for("started check fraud-check-pay_1");
}

TEST_P(ChargeTest, ManyTasksOfFewCharges_NeverRunTwoOfOneAtATime) {
  start(8);
  std::mutex busy_mutex;
  std::map<std::string, int> busy;
  std::atomic<int> clashes{0};
  scheduler->stop();
  scheduler = std::make_unique<Scheduler>(clock, 1'000'000);
  add_gateway(8, [&](const core::Effect& task) {
    const std::string id = std::get<core::CallGateway>(task).payment_id;
    {
      const std::lock_guard lock(busy_mutex);
      clashes += ++busy[id] > 1 ? 1 : 0;
    }
    std::this_thread::yield();
    const std::lock_guard lock(busy_mutex);
    --busy[id];
    return core::RetryRefund{.refund_id = id};
  });
  std::atomic<int> posted{0};
  scheduler->set_post([&](const std::vector<core::Command>& results) {
    posted += static_cast<int>(results.size());
  });
  scheduler->start();
  for (int i = 0; i < 3000; ++i) {
    scheduler->release(call("pay_" + std::to_string(i % 3)));
  }
  EXPECT_TRUE(eventually([&] { return posted == 3000; }));
  EXPECT_EQ(clashes, 0);
  scheduler->stop();
}

TEST_P(ChargeTest, UnwantedTask_IsDroppedWithoutAPost) {
  start(1, 2);
  drop("call pay_1");
  scheduler->release(call("pay_1"));
  scheduler->release(call("pay_2"));
  wait_for("posted call pay_2");
  EXPECT_THAT(traced(), ElementsAre("started call pay_2", "posted call pay_2"));
  EXPECT_TRUE(eventually([&] { return !scheduler->saturated(); }));
  EXPECT_EQ(scheduler->stats()[1].completed, 1U);
}

TEST_P(ChargeTest, TaskThatIsNotWantedOnceItsTurnComes_IsDropped) {
  start(2);
  close_gate();
  scheduler->release(call("pay_1"));
  wait_for("started call pay_1");
  scheduler->release(undo("pay_1"));
  ASSERT_TRUE(eventually([&] { return scheduler->stats()[1].waiting == 1; }));
  drop("void pay_1");
  open_gate();
  ASSERT_TRUE(idle());
  EXPECT_THAT(traced(), ElementsAre("started call pay_1", "posted call pay_1"));
}

TEST_P(ChargeTest, WhetherATaskIsWanted_IsAskedOnlyWhenItWouldRun) {
  start(1);
  core::CallGateway later = call("pay_1");
  later.not_before = kStart + Duration::ms(1);
  scheduler->release(later);
  scheduler->release(call("pay_2"));
  wait_for("posted call pay_2");
  EXPECT_EQ(asked.count("call pay_1"), 0U);
  drop("call pay_1");
  clock.advance(Duration::ms(1));
  ASSERT_TRUE(idle());
  EXPECT_EQ(asked["call pay_1"], 1);
  EXPECT_THAT(traced(), ElementsAre("started call pay_2", "posted call pay_2"));
}

TEST_P(ChargeTest, Timer_RunsWhenItIsDue) {
  start(1);
  scheduler->release(timer("pay_1", kStart + Duration::ms(1)));
  scheduler->release(call("pay_2"));
  wait_for("posted call pay_2");
  EXPECT_EQ(scheduler->stats()[0].waiting, 1U);
  clock.advance(Duration::ms(1));
  wait_for("posted timer pay_1");
}

TEST_P(ChargeTest, TimerThatNothingWaitsFor_IsDropped) {
  start(1);
  drop("timer pay_1");
  scheduler->release(timer("pay_1", kStart + Duration::ms(1)));
  clock.advance(Duration::ms(1));
  ASSERT_TRUE(idle());
  EXPECT_THAT(traced(), IsEmpty());
}

TEST_P(ChargeTest, Timers_AreNotCountedAsPending) {
  start(1, 2);
  for (int i = 0; i < 100; ++i) {
    scheduler->release(timer("pay_" + std::to_string(i), kStart + Duration::ms(1)));
  }
  EXPECT_FALSE(scheduler->saturated());
  clock.advance(Duration::ms(1));
  ASSERT_TRUE(idle());
  EXPECT_EQ(traced().size(), 200U);
  EXPECT_FALSE(scheduler->saturated());
  close_gate();
  scheduler->release(call("a"));
  EXPECT_FALSE(scheduler->saturated());
  scheduler->release(call("b"));
  EXPECT_TRUE(scheduler->saturated());
}

TEST_P(ChargeTest, TasksBehindOneThatRuns_ArePendingToo) {
  start(2, 2);
  close_gate();
  scheduler->release(call("pay_1"));
  wait_for("started call pay_1");
  scheduler->release(undo("pay_1"));
  EXPECT_TRUE(scheduler->saturated());
  open_gate();
  EXPECT_TRUE(eventually([&] { return !scheduler->saturated(); }));
}

TEST_P(ChargeTest, Stop_DropsTasksThatWaitForTheirTurn) {
  start(2);
  close_gate();
  scheduler->release(call("pay_1"));
  wait_for("started call pay_1");
  scheduler->release(undo("pay_1"));
  ASSERT_TRUE(eventually([&] { return scheduler->stats()[1].waiting == 1; }));
  std::thread stopper([&] { scheduler->stop(); });
  // Once stop() has begun nothing new starts; the running one gives its result.
  open_gate();
  stopper.join();
  const auto all = traced();
  ASSERT_GE(all.size(), 2U);
  EXPECT_EQ(all[0], "started call pay_1");
  EXPECT_EQ(all[1], "posted call pay_1");
}

// ---- Together with the engine

TEST_P(ChargeTest, CancelWhileTheCallRuns_VoidsWhatTheCallDid) {
  testing_support::EngineWorld world;
  scheduler = std::make_unique<Scheduler>(world.clock, 1000);
  add_gateway(2, [&](const core::Effect& task) -> core::Command {
    run(task);
    if (const auto* charge = std::get_if<core::CallGateway>(&task)) {
      return testing_support::EngineWorld::confirmed(charge->payment_id);
    }
    const auto& voided = std::get<core::UndoAtGateway>(task);
    return core::RecordUndoReply{.payment_id = voided.payment_id,
                                 .call = voided.call,
                                 .reply = core::UndoReply::kDone,
                                 .detail = {}};
  });
  scheduler->set_post(
      [&](std::vector<core::Command> results) { world.engine->post_all(std::move(results)); });
  scheduler->set_wanted(
      [&](std::span<const core::Effect> tasks) { return world.engine->wanted(tasks); });
  world.prepare();
  world.tasks->on_release = [&](const core::Effect& effect) {
    if (!std::holds_alternative<core::SendNotification>(effect)) {
      scheduler->release(effect);
    }
  };
  ASSERT_TRUE(world.engine->recover());
  world.engine->start();
  scheduler->start();
  world.execute(testing_support::EngineWorld::open_account("alice", 1000));
  close_gate();
  world.execute(testing_support::EngineWorld::payment("pay_1", "alice", 300));
  wait_for("started call pay_1");
  world.execute(core::CancelPayment{.payment_id = "pay_1", .reason = "off"});
  ASSERT_TRUE(eventually([&] { return scheduler->stats()[0].waiting == 1; }));
  EXPECT_THAT(traced(), ElementsAre("started call pay_1"));
  open_gate();
  ASSERT_TRUE(eventually([&] {
    return world.engine->find_payment("pay_1")->status == core::PaymentStatus::kCancelled;
  }));
  EXPECT_THAT(traced(), ElementsAre("started call pay_1", "started void pay_1"));
  EXPECT_EQ(world.engine->find_account("alice")->available(), 1000);
  scheduler->stop();
  world.stop();
}

}  // namespace
}  // namespace payonce::tasks
