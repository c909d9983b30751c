// Money that the gateway took for a payment that had ended without it is given back, once.
#include "unit/core/saga_fixture.h"

namespace payonce::core {
namespace {

using testing::ElementsAre;

class LateRefundTest : public SagaFixture {
 protected:
  // The payment fails as nobody called back, and is undone.
  void time_out() {
    start_accepted();
    world.now = payment().callback_deadline;
    world.timer("pay_1");
    world.undo("pay_1", 1, UndoReply::kDone);
    ASSERT_EQ(payment().failure, FailureCode::kCallbackTimeout);
  }
  Outcome late() { return world.callback("pay_1", CallbackOutcome::kConfirmed, "gw_late"); }
  void expect_started() {
    EXPECT_EQ(count<LateRefundStarted>(), 1);
    EXPECT_TRUE(payment().late_refund);
    EXPECT_EQ(payment().compensation, CompensationState::kRunning);
    EXPECT_EQ(next_compensation_step(payment())->kind, CompensationKind::kRefundCharge);
  }
};

TEST_F(LateRefundTest, CallbackAfterTheTimeOut_StartsARefund) {
  time_out();
  EXPECT_EQ(late().kind, OutcomeKind::kCallbackAccepted);
  EXPECT_THAT(world.events(), ElementsAre("callback_received", "late_refund_started"));
  const auto& received = std::get<CallbackReceived>(world.added.records[0].event);
  EXPECT_EQ(received.effect, CallbackEffect::kLateSuccess);
  expect_started();
  ASSERT_EQ(world.added.effects.size(), 1U);
  const auto& undo = std::get<UndoAtGateway>(world.added.effects[0]);
  EXPECT_EQ(undo.kind, CompensationKind::kRefundCharge);
  EXPECT_EQ(undo.payment_id, "pay_1");  // under the key of the charge
  EXPECT_EQ(undo.call, 2U);
  EXPECT_EQ(undo.amount, usd(300));
  EXPECT_EQ(undo.not_before, world.now);
}

TEST_F(LateRefundTest, Payment_StaysAsItEnded) {
  time_out();
  late();
  EXPECT_EQ(payment().status, PaymentStatus::kFail);
  EXPECT_EQ(payment().step, PaymentStep::kCompensate);
  EXPECT_EQ(payment().failure, FailureCode::kCallbackTimeout);
  EXPECT_EQ(alice().available(), 1000);
  world.undo("pay_1", 2, UndoReply::kDone, "re_1");
  EXPECT_THAT(world.events(), ElementsAre("compensation_step_done", "compensation_completed"));
  EXPECT_EQ(payment().status, PaymentStatus::kFail);
  EXPECT_EQ(payment().step, PaymentStep::kNotify);
  EXPECT_EQ(payment().failure, FailureCode::kCallbackTimeout);
  EXPECT_EQ(payment().compensation, CompensationState::kCompleted);
  EXPECT_EQ(payment().gateway, GatewayState::kUndone);
  EXPECT_EQ(alice().available(), 1000);
  EXPECT_EQ(world.account("sys:gateway:USD").posted, 0);
}

TEST_F(LateRefundTest, ToldAgainAtAnyTime_StartsNoSecondOne) {
  time_out();
  late();
  expect_refused(late(), OutcomeKind::kCallbackAccepted);
  expect_stale(world.gateway("pay_1", 1, GatewayReply::kConfirmed));
  world.undo("pay_1", 2, UndoReply::kFailed);
  expect_refused(late(), OutcomeKind::kCallbackAccepted);
  world.undo("pay_1", 3, UndoReply::kDone);
  expect_refused(late(), OutcomeKind::kCallbackAccepted);
  expect_stale(world.gateway("pay_1", 1, GatewayReply::kConfirmed));
  EXPECT_EQ(count<LateRefundStarted>(), 1);
}

TEST_F(LateRefundTest, ReplyAfterADecline_StartsARefundToo) {
  start();
  world.callback("pay_1", CallbackOutcome::kDeclined);
  EXPECT_EQ(world.gateway("pay_1", 1, GatewayReply::kConfirmed, "gw_9").kind,
            OutcomeKind::kResultApplied);
  EXPECT_THAT(world.events(), ElementsAre("late_refund_started"));
  EXPECT_EQ(payment().gateway_reference, "gw_9");
  expect_started();
}

TEST_F(LateRefundTest, DeclineToldAgainAfterIt_AddsNothing) {
  start();
  world.callback("pay_1", CallbackOutcome::kDeclined);
  late();
  world.undo("pay_1", 1, UndoReply::kDone);
  ASSERT_EQ(payment().compensation, CompensationState::kCompleted);
  expect_refused(world.callback("pay_1", CallbackOutcome::kDeclined),
                 OutcomeKind::kCallbackAccepted);
  EXPECT_FALSE(payment().callback_contradicted);
}

TEST_F(LateRefundTest, CallbackAfterGivingUp_StartsARefund) {
  start();
  world.gateway("pay_1", 1, GatewayReply::kRefused);
  late();
  expect_started();
}

TEST_F(LateRefundTest, CallbackAfterACancel_StartsARefund) {
  start_accepted();
  world.cancel("pay_1");
  world.undo("pay_1", 1, UndoReply::kDone);
  late();
  expect_started();
  world.undo("pay_1", 2, UndoReply::kDone);
  EXPECT_EQ(payment().status, PaymentStatus::kCancelled);
}

TEST_F(LateRefundTest, WhileItIsUndone_NothingIsStarted) {
  start_accepted();
  world.cancel("pay_1");
  expect_refused(late(), OutcomeKind::kCallbackAccepted);
  expect_stale(world.gateway("pay_1", 1, GatewayReply::kConfirmed));
  EXPECT_FALSE(payment().late_refund);
}

TEST_F(LateRefundTest, PaymentThatWasNeverSent_GetsNone) {
  world.rules.version = kPaymentVersion2;
  start(FraudMode::kManual);
  world.cancel("pay_1");
  EXPECT_EQ(payment().status, PaymentStatus::kCancelled);
  late();
  expect_stale(world.gateway("pay_1", 1, GatewayReply::kConfirmed));
  EXPECT_EQ(count<LateRefundStarted>(), 0);
}

TEST_F(LateRefundTest, PaymentThatSucceeded_GetsNone) {
  start();
  world.gateway("pay_1", 1, GatewayReply::kConfirmed);
  expect_refused(late(), OutcomeKind::kCallbackAccepted);
  expect_stale(world.gateway("pay_1", 2, GatewayReply::kConfirmed));
  EXPECT_EQ(count<LateRefundStarted>(), 0);
}

TEST_F(LateRefundTest, AttemptsUsedUp_WaitForAnOperatorAndTheEndStays) {
  time_out();
  late();
  world.undo("pay_1", 2, UndoReply::kFailed, "503");
  world.undo("pay_1", 3, UndoReply::kFailed, "503");
  EXPECT_THAT(world.events(), ElementsAre("compensation_exhausted"));
  EXPECT_EQ(payment().compensation, CompensationState::kFailed);
  EXPECT_EQ(payment().failure, FailureCode::kCallbackTimeout);
  EXPECT_THAT(world.state.indexes.keys(Index::kExhausted), ElementsAre("compensation:pay_1"));
  world.retry_compensation("pay_1");
  world.undo("pay_1", 4, UndoReply::kDone);
  EXPECT_EQ(payment().compensation, CompensationState::kCompleted);
  EXPECT_EQ(payment().failure, FailureCode::kCallbackTimeout);
  EXPECT_THAT(world.state.indexes.keys(Index::kExhausted), testing::IsEmpty());
}

TEST_F(LateRefundTest, Fold_RefusesASecondOneAndOneOfAPaidPayment) {
  time_out();
  late();
  expect_fold_refuses(StreamKind::kPayment, "pay_1", LateRefundStarted{});
  world.undo("pay_1", 2, UndoReply::kDone);
  expect_fold_refuses(StreamKind::kPayment, "pay_1", LateRefundStarted{});
  world.pay("pay_2", "alice", usd(1));
  expect_fold_refuses(StreamKind::kPayment, "pay_2", LateRefundStarted{});
  world.gateway("pay_2", 1, GatewayReply::kConfirmed);
  expect_fold_refuses(StreamKind::kPayment, "pay_2", LateRefundStarted{});
  one_payment = false;
}

}  // namespace
}  // namespace payonce::core
