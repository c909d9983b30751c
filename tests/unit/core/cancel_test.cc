// Cancelling a payment: at every state of the gateway, again, and after the end.
#include "unit/core/saga_fixture.h"

namespace payonce::core {
namespace {

using testing::ElementsAre;

class CancelTest : public SagaFixture {};

TEST_F(CancelTest, UnknownPayment_IsNotFound) {
  expect_refused(world.cancel("nothing"), OutcomeKind::kPaymentNotFound);
}

class CancelAtTest : public CancelTest, public testing::WithParamInterface<GatewayState> {
 protected:
  // In v1 with a manual check, so that a confirmed payment still waits for the verdict.
  void SetUp() override {
    start(FraudMode::kManual);
    reach(GetParam());
  }
  static CompensationKind undo_at(GatewayState state) {
    return state == GatewayState::kConfirmed ? CompensationKind::kRefundCharge
                                             : CompensationKind::kVoidCharge;
  }
};

TEST_P(CancelAtTest, UndoesAtTheGatewayFirstAndThenReleasesTheHold) {
  const Outcome outcome = world.cancel("pay_1", "changed my mind");
  EXPECT_EQ(outcome.kind, OutcomeKind::kCancelAccepted);
  EXPECT_THAT(world.events(), ElementsAre("cancel_requested", "fraud_check_decided",
                                          "fraud_check_ended", "compensation_started"));
  EXPECT_EQ(payment().status, PaymentStatus::kProcessing);
  EXPECT_EQ(payment().step, PaymentStep::kCompensate);
  EXPECT_EQ(payment().gateway, GatewayState::kUndoing);
  EXPECT_EQ(alice().held, 300);
  EXPECT_THAT(payment().compensation_steps,
              ElementsAre(CompensationStep{.kind = undo_at(GetParam())},
                          CompensationStep{.kind = CompensationKind::kReleaseHold}));
  ASSERT_EQ(world.added.effects.size(), 1U);
  const auto& undo = std::get<UndoAtGateway>(world.added.effects[0]);
  EXPECT_EQ(undo.kind, undo_at(GetParam()));
  EXPECT_EQ(undo.call, 1U);
  EXPECT_EQ(undo.not_before, world.now);
  EXPECT_EQ(undo.amount, usd(300));

  world.undo("pay_1", 1, UndoReply::kDone);
  EXPECT_THAT(world.events(),
              ElementsAre("compensation_step_done", "hold_voided", "payment_cancelled"));
  EXPECT_EQ(payment().status, PaymentStatus::kCancelled);
  EXPECT_EQ(payment().failure, FailureCode::kCancelled);
  EXPECT_EQ(payment().failure_message, "changed my mind");
  EXPECT_EQ(payment().compensation, CompensationState::kCompleted);
  EXPECT_EQ(hold().state, TransferState::kVoided);
  EXPECT_EQ(alice().available(), 1000);
}

TEST_P(CancelAtTest, Twice_IsTheSameCancel) {
  world.cancel("pay_1", "first");
  const std::string before = dump(payment());
  expect_refused(world.cancel("pay_1", "second"), OutcomeKind::kCancelAccepted);
  EXPECT_EQ(dump(payment()), before);
  world.undo("pay_1", 1, UndoReply::kDone);
  expect_refused(world.cancel("pay_1", "third"), OutcomeKind::kCancelled);
  EXPECT_EQ(payment().failure_message, "first");
  EXPECT_EQ(count<CancelRequested>(), 1);
}

TEST_P(CancelAtTest, NothingThatWasWaitedForCountsAnyMore) {
  const Timestamp deadline = payment().callback_deadline;
  world.cancel("pay_1");
  for (std::uint32_t attempt = 1; attempt <= 2; ++attempt) {
    for (int reply = 1; reply <= 6; ++reply) {
      expect_stale(world.gateway("pay_1", attempt, static_cast<GatewayReply>(reply)));
    }
  }
  expect_stale(world.inquiry("pay_1", 1, InquiryReply::kConfirmed));
  world.now = world.now + Duration::seconds(3600);
  expect_stale(world.timer("pay_1", deadline));
  expect_stale(world.fraud_timer("pay_1"));
  EXPECT_EQ(payment().compensation, CompensationState::kRunning);
}

INSTANTIATE_TEST_SUITE_P(States, CancelAtTest,
                         testing::Values(GatewayState::kPending, GatewayState::kRetrying,
                                         GatewayState::kInDoubt, GatewayState::kAccepted,
                                         GatewayState::kConfirmed),
                         [](const auto& param) { return std::string(name(param.param)); });

TEST_F(CancelTest, WhileGated_HasNothingToUndoAndEndsAtOnce) {
  world.rules.version = kPaymentVersion2;
  start(FraudMode::kManual);
  ASSERT_EQ(payment().gateway, GatewayState::kGated);
  EXPECT_EQ(world.cancel("pay_1").kind, OutcomeKind::kCancelAccepted);
  EXPECT_THAT(world.events(), ElementsAre("cancel_requested", "fraud_check_decided",
                                          "fraud_check_ended", "hold_voided", "payment_cancelled"));
  EXPECT_EQ(payment().status, PaymentStatus::kCancelled);
  EXPECT_EQ(payment().gateway, GatewayState::kNone);
  EXPECT_EQ(alice().available(), 1000);
  expect_refused(world.cancel("pay_1"), OutcomeKind::kCancelled);
}

TEST_F(CancelTest, WithoutACheck_VoidsTheCharge) {
  start();
  world.cancel("pay_1");
  EXPECT_THAT(world.events(), ElementsAre("cancel_requested", "compensation_started"));
}

TEST_F(CancelTest, AfterTheEnd_IsRefused) {
  start();
  world.gateway("pay_1", 1, GatewayReply::kConfirmed);
  expect_refused(world.cancel("pay_1"), OutcomeKind::kPaymentClosed);
  world.pay("pay_no", "alice", usd(1));
  world.gateway("pay_no", 1, GatewayReply::kDeclined);
  expect_refused(world.cancel("pay_no"), OutcomeKind::kPaymentClosed);
  world.pay("pay_refused", "nobody", usd(1));
  expect_refused(world.cancel("pay_refused"), OutcomeKind::kPaymentClosed);
  one_payment = false;
}

TEST_F(CancelTest, WhileItIsUndoneForAnotherReason_IsRefused) {
  start_accepted();
  world.now = payment().callback_deadline;
  world.timer("pay_1");
  expect_refused(world.cancel("pay_1"), OutcomeKind::kPaymentClosed);
  world.undo("pay_1", 1, UndoReply::kFailed);
  world.undo("pay_1", 2, UndoReply::kFailed);
  ASSERT_EQ(payment().compensation, CompensationState::kFailed);
  expect_refused(world.cancel("pay_1"), OutcomeKind::kPaymentClosed);
  EXPECT_EQ(count<CancelRequested>(), 0);
}

TEST_F(CancelTest, Answer_DependsOnTheCancelThatWasFirst) {
  start();
  const Seq newest = world.cancel("pay_1").payment->stream_last;
  EXPECT_EQ(world.cancel("pay_1").depends_on, newest);
}

TEST_F(CancelTest, Fold_RefusesACancelAfterTheEnd) {
  start();
  world.gateway("pay_1", 1, GatewayReply::kConfirmed);
  const auto refuse = [&](const Event& event) {
    expect_fold_refuses(StreamKind::kPayment, "pay_1", event);
  };
  refuse(CancelRequested{});
  refuse(CompensationStarted{});
  refuse(PaymentCancelled{});
}

}  // namespace
}  // namespace payonce::core
