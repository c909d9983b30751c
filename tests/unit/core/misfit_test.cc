// Events that do not fit the rows which they meet: the fold refuses them and changes nothing. The
// machine never decides such events; a log that does not belong to its state may hold them.
#include <gtest/gtest.h>

#include "unit/core/saga_fixture.h"

namespace payonce::core {
namespace {

class MisfitTest : public SagaFixture {
 protected:
  void refused(Event event) {
    expect_fold_refuses(StreamKind::kPayment, "pay_1", std::move(event));
  }
  void refused_by_check(Event event) {
    expect_fold_refuses(StreamKind::kFraud, fraud_check_id("pay_1"), std::move(event));
  }
  void succeed() {
    start();
    world.gateway("pay_1", 1, GatewayReply::kConfirmed);
    ASSERT_EQ(payment().status, PaymentStatus::kSuccess);
  }
  // A payment of which the gateway took money after it had declined it.
  void refund_late() {
    start();
    world.gateway("pay_1", 1, GatewayReply::kDeclined);
    world.gateway("pay_1", 1, GatewayReply::kConfirmed);
    ASSERT_EQ(payment().compensation, CompensationState::kRunning);
  }
};

TEST_F(MisfitTest, MovementInTheStreamOfAPaymentThatIsNotThere_IsRefused) {
  Record record;
  record.seq = 1000;
  record.at = world.now;
  record.kind = StreamKind::kPayment;
  record.stream = "nothing";
  record.event = FundsHeld{.transfer_id = "tr_1",
                           .step = "hold",
                           .debit_account = "alice",
                           .credit_account = "sys:funding:USD",
                           .amount = usd(1)};
  testing_support::Folded copy;
  ASSERT_TRUE(copy.fold(world.log));
  EXPECT_FALSE(fold(copy.rows, record));
  record.event = FundsTransferred{.transfer_id = "tr_2",
                                  .workflow_id = "w",
                                  .step = "s",
                                  .debit_account = "alice",
                                  .credit_account = "sys:funding:USD",
                                  .amount = usd(1),
                                  .reference = {}};
  EXPECT_FALSE(fold(copy.rows, record));
}

TEST_F(MisfitTest, FraudCheckStartedForAPaymentThatHasEnded_IsRefused) {
  succeed();
  refused(FraudCheckStarted{.workflow_id = fraud_check_id("pay_1")});
}

TEST_F(MisfitTest, FraudCheckEndedWithoutAResult_IsRefused) {
  start(FraudMode::kManual);
  refused(FraudCheckEnded{.result = FraudResult::kNone});
  refused(FraudCheckEnded{.result = FraudResult::kRunning});
  refused_by_check(FraudCheckDecided{.result = FraudResult::kNone, .attempt = 0, .reason = {}});
}

TEST_F(MisfitTest, FraudCheckRetryOfACheckThatNobodyAsks_IsRefused) {
  start(FraudMode::kManual);
  refused_by_check(FraudCheckRetryScheduled{.attempt = 1, .error = {}, .not_before = world.now});
}

TEST_F(MisfitTest, FraudCheckOpenedAgain_IsRefused) {
  start(FraudMode::kManual);
  refused_by_check(FraudCheckOpened{.payment_id = "pay_1",
                                    .user_id = "alice",
                                    .amount = usd(300),
                                    .payment_method = {},
                                    .rules = {}});
}

TEST_F(MisfitTest, EndOfAPaymentThatHasEnded_IsRefused) {
  succeed();
  refused(PaymentSucceeded{});
  refused(PaymentFailed{.code = FailureCode::kGatewayDeclined, .message = {}});
  refused(PaymentCancelled{.reason = {}});
}

TEST_F(MisfitTest, EndOfAPaymentThatIsNotThere_IsRefused) {
  expect_fold_refuses(StreamKind::kPayment, "nothing", PaymentSucceeded{});
  expect_fold_refuses(
      StreamKind::kFraud, "nothing",
      FraudCheckDecided{.result = FraudResult::kApproved, .attempt = 0, .reason = {}});
  expect_fold_refuses(StreamKind::kRefund, "nothing", RefundConfirmed{.call = 1, .reference = {}});
}

// Such a row stands in no state of ours: what has ended is at a step after the end.
TEST_F(MisfitTest, EndOfARowThatHasEndedButStandsAtAnEarlierStep_IsRefused) {
  testing_support::Folded folded;
  Payment ended;
  ended.id = "pay_1";
  ended.status = PaymentStatus::kSuccess;
  ended.step = PaymentStep::kPost;
  folded.rows.payments.put("pay_1", ended, 1);
  Record record;
  record.seq = 2;
  record.kind = StreamKind::kPayment;
  record.stream = "pay_1";
  record.event = PaymentSucceeded{};
  EXPECT_FALSE(fold(folded.rows, record));
  folded.rows.payments.change("pay_1", 1)->step = PaymentStep::kCompensate;
  record.event = PaymentFailed{.code = FailureCode::kGatewayDeclined, .message = {}};
  EXPECT_FALSE(fold(folded.rows, record));
}

TEST_F(MisfitTest, CancelOfAPaymentThatIsBeingUndone_IsRefused) {
  start();
  world.cancel("pay_1");
  ASSERT_TRUE(compensating(payment()));
  refused(CancelRequested{.reason = {}});
  refused(CompensationStarted{
      .code = FailureCode::kCancelled, .message = {}, .undo = CompensationKind::kVoidCharge});
}

TEST_F(MisfitTest, CompensationCompletedBeforeItsLastStep_IsRefused) {
  refund_late();
  refused(CompensationCompleted{});
}

// Nor does such a one: a payment that has no step left to undo ends in the same commit.
TEST_F(MisfitTest, CompensationCompletedOfARowThatHasNotEnded_IsRefused) {
  testing_support::Folded folded;
  Payment open;
  open.id = "pay_1";
  open.status = PaymentStatus::kProcessing;
  open.compensation = CompensationState::kRunning;
  open.compensation_steps = {
      {.kind = CompensationKind::kReleaseHold, .state = CompensationStepState::kDone}};
  folded.rows.payments.put("pay_1", open, 1);
  Record record;
  record.seq = 2;
  record.kind = StreamKind::kPayment;
  record.stream = "pay_1";
  record.event = CompensationCompleted{};
  EXPECT_FALSE(fold(folded.rows, record));
  folded.rows.payments.change("pay_1", 1)->status = PaymentStatus::kFail;
  EXPECT_TRUE(fold(folded.rows, record));
}

TEST_F(MisfitTest, CompensationStepDoneOfAnotherStep_IsRefused) {
  start();
  world.cancel("pay_1");
  refused(CompensationStepDone{.step = CompensationKind::kRefundCharge, .call = 1, .detail = {}});
  refused(CompensationStepDone{.step = CompensationKind::kVoidCharge, .call = 2, .detail = {}});
}

TEST_F(MisfitTest, SecondLateRefund_IsRefused) {
  refund_late();
  refused(LateRefundStarted{.reference = "gw_2"});
}

TEST_F(MisfitTest, LateRefundOfAPaymentThatIsStuck_IsRefused) {
  start();
  world.cancel("pay_1");
  world.undo("pay_1", 1, UndoReply::kFailed);
  world.undo("pay_1", 2, UndoReply::kFailed);
  ASSERT_EQ(payment().compensation, CompensationState::kFailed);
  refused(LateRefundStarted{.reference = "gw_2"});
}

TEST_F(MisfitTest, NotificationThatWasSent_IsNotSentOrTriedAgain) {
  succeed();
  world.notified("pay_1", 1, true);
  const auto channel = NotifyChannel::kLog;
  for (const std::uint32_t attempt : {1U, 2U}) {
    refused(NotificationSent{.attempt = attempt, .channel = channel});
    refused(NotificationExhausted{.attempt = attempt, .error = {}, .channel = channel});
    refused(NotificationRetryScheduled{
        .attempt = attempt, .error = {}, .not_before = world.now, .channel = channel});
  }
}

TEST_F(MisfitTest, RefundOfAPaymentThatTookNothing_IsRefused) {
  start();
  refused(RefundRequested{.refund_id = "re_1", .amount = usd(1)});
}

TEST_F(MisfitTest, AnswerToARefundThatHasEnded_IsRefused) {
  succeed();
  const std::string id = world.refund("pay_1", "1.00").refund->id;
  world.refund_reply(id, 1, RefundReply::kConfirmed);
  for (const std::uint32_t call : {1U, 2U}) {
    expect_fold_refuses(StreamKind::kRefund, id, RefundConfirmed{.call = call, .reference = {}});
    expect_fold_refuses(StreamKind::kRefund, id, RefundDeclined{.call = call, .reason = {}});
    expect_fold_refuses(StreamKind::kRefund, id, RefundExhausted{.call = call, .error = {}});
    expect_fold_refuses(StreamKind::kRefund, id,
                        RefundRetryScheduled{.call = call, .error = {}, .not_before = world.now});
  }
}

}  // namespace
}  // namespace payonce::core
