// Fraud checks, refunds, timers and undoing in the engine: what recovery releases, what is still
// wanted, and which commands have room when new work has none.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "unit/engine/engine_fixture.h"

namespace payonce::engine {
namespace {

using core::OutcomeKind;
using testing::UnorderedElementsAreArray;
using testing_support::dump;
using testing_support::dump_all;
using testing_support::kStart;

class EngineWorkflowsTest : public EngineTest {
 protected:
  EngineWorkflowsTest() {
    world.stop();
    world.limits.backlog.ahead = Duration::seconds(86'400);  // nothing waits in the state alone
    world.start();
    world.execute(EngineWorld::open_account("alice", 100'000));
  }

  void pay(const std::string& id, core::FraudMode mode = core::FraudMode::kNone,
           std::uint32_t version = core::kPaymentVersion1) {
    core::CreatePayment command = EngineWorld::payment(id, "alice", 100);
    command.rules.fraud.mode = mode;
    command.rules.version = version;
    ASSERT_EQ(world.execute(command), Verdict::kDone);
  }
  void reply(const std::string& id, core::GatewayReply reply, std::uint32_t attempt = 1) {
    world.execute(core::RecordGatewayReply{
        .payment_id = id, .attempt = attempt, .reply = reply, .detail = "detail"});
  }
  std::string refund(const std::string& id) {
    std::string refund_id;
    world.execute(core::CreateRefund{.payment_id = id, .amount = "0.10"});
    for (const core::Record& record : world.records()) {
      refund_id =
          std::holds_alternative<core::RefundCreated>(record.event) ? record.stream : refund_id;
    }
    return refund_id;
  }
  // One workflow in every state that waits for something.
  void fill() {
    pay("calling");
    pay("retrying");
    reply("retrying", core::GatewayReply::kTemporaryFailure);
    pay("in_doubt");
    reply("in_doubt", core::GatewayReply::kNoAnswer);
    pay("accepted");
    reply("accepted", core::GatewayReply::kAccepted);
    pay("checked", core::FraudMode::kTask);
    pay("by_hand", core::FraudMode::kManual);
    pay("gated", core::FraudMode::kTask, core::kPaymentVersion2);
    pay("undoing");
    world.execute(core::CancelPayment{.payment_id = "undoing", .reason = "off"});
    pay("paid");
    reply("paid", core::GatewayReply::kConfirmed);
    refund("paid");
    pay("told");
    reply("told", core::GatewayReply::kDeclined);
    world.execute(core::RecordNotification{.payment_id = "told",
                                           .channel = core::NotifyChannel::kLog,
                                           .attempt = 1,
                                           .reply = core::NotifyReply::kDelivered,
                                           .error = {}});
  }
  // An answer comes before the effects of its commit, but not before those of the commit before.
  std::optional<core::Effect> next_task() {
    world.execute(EngineWorld::open_account(""));
    return world.tasks->take();
  }
  // The tasks and timers that were released and are still wanted.
  std::vector<core::Effect> wanted_ones() {
    world.execute(EngineWorld::open_account(""));
    std::vector<core::Effect> all;
    while (auto effect = world.tasks->take()) {
      if (world.engine->wanted(*effect)) {
        all.push_back(*effect);
      }
    }
    return all;
  }
};

TEST_F(EngineWorkflowsTest, Recovery_ReleasesEveryTaskAndTimerThatIsStillWanted) {
  fill();
  const auto expected = dump_all(wanted_ones());
  // Calls for "calling", "retrying", "checked" and "by_hand", an inquiry, a void, a refund, a
  // notification of "paid", two checks, and timers for a callback and three checks.
  EXPECT_EQ(expected.size(), 14U);
  world.stop();
  world.clock.advance(Duration::seconds(7));
  world.start();
  EXPECT_THAT(world.tasks->released(), UnorderedElementsAreArray(expected));
  EXPECT_EQ(world.recovered, 14U);
}

TEST_F(EngineWorkflowsTest, Recovery_AfterATrim_IsTheSame) {
  fill();
  const auto expected = dump_all(wanted_ones());
  world.engine->trim(world.catch_up());
  world.stop();
  world.state.reset();
  world.start();
  EXPECT_THAT(world.tasks->released(), UnorderedElementsAreArray(expected));
}

TEST_F(EngineWorkflowsTest, RecoveredTimer_FiresAtItsOldDeadline) {
  pay("accepted");
  reply("accepted", core::GatewayReply::kAccepted);
  const Timestamp deadline = world.engine->find_payment("accepted")->callback_deadline;
  world.stop();
  world.clock.advance(Duration::seconds(3600));
  world.start();
  const auto timer = world.tasks->take();
  ASSERT_TRUE(timer);
  EXPECT_EQ(std::get<core::StartTimer>(*timer).due, deadline);
  world.execute(
      core::TimerFired{.kind = core::StreamKind::kPayment, .id = "accepted", .due = deadline});
  EXPECT_EQ(world.engine->find_payment("accepted")->cause, core::FailureCode::kCallbackTimeout);
}

TEST_F(EngineWorkflowsTest, FinishedWorkflows_AreNotRecovered) {
  pay("off");
  world.execute(core::CancelPayment{.payment_id = "off", .reason = "off"});
  world.execute(core::RecordUndoReply{
      .payment_id = "off", .call = 1, .reply = core::UndoReply::kDone, .detail = {}});
  world.execute(core::RecordNotification{.payment_id = "off",
                                         .channel = core::NotifyChannel::kLog,
                                         .attempt = 1,
                                         .reply = core::NotifyReply::kDelivered,
                                         .error = {}});
  world.stop();
  world.start();
  EXPECT_EQ(world.recovered, 0U);
  EXPECT_TRUE(world.tasks->released().empty());
}

// ---- wanted()

TEST_F(EngineWorkflowsTest, Task_IsWantedUntilItsAnswer) {
  pay("pay_1", core::FraudMode::kTask);
  std::vector<core::Effect> tasks;
  while (auto effect = next_task()) {
    tasks.push_back(*effect);
  }
  ASSERT_EQ(tasks.size(), 3U);  // the call, the check and its timer
  for (const core::Effect& task : tasks) {
    EXPECT_TRUE(world.engine->wanted(task)) << dump(task);
  }
  reply("pay_1", core::GatewayReply::kNoAnswer);
  EXPECT_FALSE(world.engine->wanted(tasks[0]));
  EXPECT_TRUE(world.engine->wanted(tasks[1]));
  EXPECT_TRUE(world.engine->wanted(tasks[2]));
  world.execute(
      core::DecideFraud{.fraud_id = "fraud-check-pay_1", .approved = true, .reason = "known"});
  EXPECT_FALSE(world.engine->wanted(tasks[1]));
  EXPECT_FALSE(world.engine->wanted(tasks[2]));
}

TEST_F(EngineWorkflowsTest, TaskOfACancelledPayment_IsNotWanted) {
  pay("pay_1");
  const auto call = next_task();
  ASSERT_TRUE(call);
  world.execute(core::CancelPayment{.payment_id = "pay_1", .reason = "off"});
  EXPECT_FALSE(world.engine->wanted(*call));
  const auto undo = next_task();
  ASSERT_TRUE(undo);
  EXPECT_TRUE(world.engine->wanted(*undo));
}

// A decision counts at once, durable or not: a call that it makes needless must not be made.
TEST_F(EngineWorkflowsTest, WhatIsDecidedAndNotYetDurable_CountsAlready) {
  pay("pay_1");
  const auto call = next_task();
  ASSERT_TRUE(call);
  world.log.close();
  const std::size_t before = world.log.appends().size();
  auto cancelled = execute_in_thread(core::CancelPayment{.payment_id = "pay_1", .reason = "off"});
  world.log.wait_for_appends(before + 1);
  EXPECT_FALSE(world.engine->wanted(*call));
  EXPECT_FALSE(ready(cancelled));
  world.log.open();
  EXPECT_EQ(cancelled.get(), Verdict::kDone);
}

TEST_F(EngineWorkflowsTest, RowsThatAreOnlyInTheCheckpoint_AreAskedToo) {
  fill();
  const auto expected = wanted_ones();
  world.engine->trim(world.catch_up());
  ASSERT_EQ(world.engine->rows_in_memory(), 0U);
  for (const core::Effect& effect : expected) {
    EXPECT_TRUE(world.engine->wanted(effect)) << dump(effect);
  }
}

TEST_F(EngineWorkflowsTest, TasksOfUnknownWorkflows_AreNotWanted) {
  core::CallGateway call;
  call.payment_id = "nothing";
  call.attempt = 1;
  core::CheckFraud check;
  check.fraud_id = "fraud-check-nothing";
  check.attempt = 1;
  core::RefundAtGateway refund;
  refund.refund_id = "nothing";
  refund.call = 1;
  core::StartTimer timer;
  timer.id = "nothing";
  timer.due = kStart;
  for (const core::Effect& effect : std::vector<core::Effect>{
           call, check, refund, timer, core::WorkflowEnded{.id = "nothing"}}) {
    EXPECT_FALSE(world.engine->wanted(effect)) << dump(effect);
  }
}

// ---- Rows and room

TEST_F(EngineWorkflowsTest, ChecksAndRefunds_AreFound) {
  pay("pay_1", core::FraudMode::kManual);
  EXPECT_EQ(world.engine->find_fraud("fraud-check-pay_1")->payment_id, "pay_1");
  EXPECT_FALSE(world.engine->find_fraud("pay_1"));
  pay("pay_2");
  reply("pay_2", core::GatewayReply::kConfirmed);
  const std::string id = refund("pay_2");
  EXPECT_EQ(world.engine->find_refund(id)->payment_id, "pay_2");
  EXPECT_FALSE(world.engine->find_refund("nothing"));
}

TEST_F(EngineWorkflowsTest, FullStorage_StillTakesWhatBringsWorkToItsEnd) {
  pay("pay_1", core::FraudMode::kManual);
  world.engine->set_storage_low(true);
  const core::Command finishing[] = {
      core::RecordCallback{.payment_id = "pay_1", .reference = {}, .reason = {}, .webhook_id = {}},
      core::DecideFraud{.fraud_id = "fraud-check-pay_1", .approved = true, .reason = {}},
      core::CancelPayment{.payment_id = "pay_1", .reason = {}},
      core::RetryCompensation{.payment_id = "pay_1"}};
  for (const core::Command& command : finishing) {
    EXPECT_EQ(world.execute(command), Verdict::kDone) << command.index();
  }
  EXPECT_EQ(world.execute(core::CreateRefund{.payment_id = "pay_1", .amount = {}}),
            Verdict::kStorageFull);
  EXPECT_EQ(world.execute(EngineWorld::payment("pay_2", "alice", 1)), Verdict::kStorageFull);
}

TEST_F(EngineWorkflowsTest, SaturatedTasks_RefuseNewWorkflowsOnly) {
  pay("pay_1");
  reply("pay_1", core::GatewayReply::kConfirmed);
  pay("pay_2");
  world.tasks->is_saturated = true;
  EXPECT_EQ(world.execute(core::CreateRefund{.payment_id = "pay_1", .amount = {}}),
            Verdict::kOverloaded);
  EXPECT_EQ(world.execute(EngineWorld::payment("pay_3", "alice", 1)), Verdict::kOverloaded);
  EXPECT_EQ(world.execute(core::CancelPayment{.payment_id = "pay_2", .reason = {}}),
            Verdict::kDone);
}

TEST_F(EngineWorkflowsTest, EndOfARefund_WakesItsWaiters) {
  pay("pay_1");
  reply("pay_1", core::GatewayReply::kConfirmed);
  const std::string id = refund("pay_1");
  Waiters::Registration waiter(world.engine->waiters(), id);
  world.execute(core::RecordRefundReply{
      .refund_id = id, .call = 1, .reply = core::RefundReply::kConfirmed, .detail = "re"});
  EXPECT_TRUE(waiter.wait(std::chrono::hours(1)));
  EXPECT_EQ(world.engine->find_refund(id)->status, core::RefundStatus::kSuccess);
}

}  // namespace
}  // namespace payonce::engine
