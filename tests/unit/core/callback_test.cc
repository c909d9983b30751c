// The outcome of a charge by callback: in time, early, late, again, against what is known; and the
// timer that ends the wait.
#include "unit/core/saga_fixture.h"

namespace payonce::core {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr CallbackOutcome kConfirmed = CallbackOutcome::kConfirmed;
constexpr CallbackOutcome kDeclined = CallbackOutcome::kDeclined;

class CallbackTest : public SagaFixture {};

TEST_F(CallbackTest, Accepted_WaitsUntilTheDeadline) {
  start_accepted();
  EXPECT_THAT(world.events(), ElementsAre("gateway_accepted"));
  EXPECT_EQ(payment().status, PaymentStatus::kProcessing);
  EXPECT_EQ(payment().step, PaymentStep::kAwaitCallback);
  EXPECT_EQ(payment().gateway, GatewayState::kAccepted);
  EXPECT_EQ(payment().gateway_attempts, 1U);
  EXPECT_EQ(payment().gateway_reference, "gw_1");
  EXPECT_EQ(payment().callback_deadline, world.now + Duration::seconds(60));
  EXPECT_EQ(alice().held, 300);
  ASSERT_EQ(world.added.effects.size(), 1U);
  const auto& timer = std::get<StartTimer>(world.added.effects[0]);
  EXPECT_EQ(timer.kind, StreamKind::kPayment);
  EXPECT_EQ(timer.id, "pay_1");
  EXPECT_EQ(timer.due, payment().callback_deadline);
  EXPECT_THAT(world.state.indexes.waiting(), ElementsAre("\x02pay_1"));
}

TEST_F(CallbackTest, Confirmed_Succeeds) {
  start_accepted();
  EXPECT_EQ(world.callback("pay_1", kConfirmed).kind, OutcomeKind::kCallbackAccepted);
  EXPECT_THAT(world.events(), ElementsAre("callback_received", "gateway_confirmed", "hold_posted",
                                          "payment_succeeded"));
  EXPECT_EQ(payment().status, PaymentStatus::kSuccess);
  EXPECT_EQ(payment().gateway_reference, "gw_1");  // as the reply said; the callback had none
  EXPECT_EQ(world.account("sys:gateway:USD").posted, 300);
}

TEST_F(CallbackTest, ReferenceOfTheCallback_IsKept) {
  start_accepted();
  world.callback("pay_1", kConfirmed, "gw_final");
  EXPECT_EQ(payment().gateway_reference, "gw_final");
  const auto& received = std::get<CallbackReceived>(world.added.records[0].event);
  EXPECT_EQ(received.effect, CallbackEffect::kApplied);
  EXPECT_EQ(received.webhook_id, "wh_1");
}

TEST_F(CallbackTest, Declined_Fails) {
  start_accepted();
  world.callback("pay_1", kDeclined);
  EXPECT_THAT(world.events(), ElementsAre("callback_received", "gateway_declined", "hold_voided",
                                          "payment_failed"));
  EXPECT_EQ(payment().failure, FailureCode::kGatewayDeclined);
  EXPECT_EQ(payment().failure_message, "the gateway declined the payment: stolen");
  EXPECT_EQ(alice().available(), 1000);
}

TEST_F(CallbackTest, UnknownPayment_IsNotFound) {
  expect_refused(world.callback("nothing", kConfirmed), OutcomeKind::kPaymentNotFound);
}

// ---- Early: before the reply to the call

class EarlyCallbackTest : public CallbackTest, public testing::WithParamInterface<GatewayState> {};

TEST_P(EarlyCallbackTest, Confirmed_SucceedsAndTheReplyIsStale) {
  start();
  reach(GetParam());
  const std::uint32_t attempt = GetParam() == GatewayState::kRetrying ? 2 : 1;
  world.callback("pay_1", kConfirmed, "gw_early");
  EXPECT_EQ(payment().status, PaymentStatus::kSuccess);
  EXPECT_EQ(payment().gateway_attempts, attempt);
  EXPECT_EQ(payment().gateway_reference, "gw_early");
  for (int reply = 1; reply <= 6; ++reply) {
    expect_stale(world.gateway("pay_1", attempt, static_cast<GatewayReply>(reply)));
  }
  for (int reply = 1; reply <= 5; ++reply) {
    expect_stale(world.inquiry("pay_1", 1, static_cast<InquiryReply>(reply)));
  }
}

TEST_P(EarlyCallbackTest, Declined_FailsAndTheReplyIsStale) {
  start();
  reach(GetParam());
  const std::uint32_t attempt = GetParam() == GatewayState::kRetrying ? 2 : 1;
  world.callback("pay_1", kDeclined);
  EXPECT_EQ(payment().status, PaymentStatus::kFail);
  EXPECT_EQ(payment().failure, FailureCode::kGatewayDeclined);
  EXPECT_EQ(alice().available(), 1000);
  for (int reply = 2; reply <= 6; ++reply) {  // all but a success: late_refund_test.cc
    expect_stale(world.gateway("pay_1", attempt, static_cast<GatewayReply>(reply)));
  }
}

INSTANTIATE_TEST_SUITE_P(States, EarlyCallbackTest,
                         testing::Values(GatewayState::kPending, GatewayState::kRetrying,
                                         GatewayState::kInDoubt),
                         [](const auto& param) { return std::string(name(param.param)); });

// ---- Again, and against what is known

TEST_F(CallbackTest, Repeated_AddsNothing) {
  for (const CallbackOutcome outcome : {kConfirmed, kDeclined}) {
    const std::string id = outcome == kConfirmed ? "pay_ok" : "pay_no";
    world.pay(id, "alice", usd(10));
    world.gateway(id, 1, GatewayReply::kAccepted);
    world.callback(id, outcome);
    for (int i = 0; i < 3; ++i) {
      expect_refused(world.callback(id, outcome), OutcomeKind::kCallbackAccepted);
    }
  }
  one_payment = false;
}

TEST_F(CallbackTest, SameAsTheReplySaid_AddsNothing) {
  start();
  world.gateway("pay_1", 1, GatewayReply::kConfirmed);
  expect_refused(world.callback("pay_1", kConfirmed), OutcomeKind::kCallbackAccepted);
}

TEST_F(CallbackTest, DeclinedAfterASuccess_IsRecordedOnceAndChangesNothing) {
  start();
  world.gateway("pay_1", 1, GatewayReply::kConfirmed, "gw_1");
  EXPECT_EQ(world.callback("pay_1", kDeclined, "gw_2").kind, OutcomeKind::kCallbackAccepted);
  ASSERT_THAT(world.events(), ElementsAre("callback_received"));
  EXPECT_THAT(world.effects(), IsEmpty());
  const auto& received = std::get<CallbackReceived>(world.added.records[0].event);
  EXPECT_EQ(received.effect, CallbackEffect::kContradicts);
  EXPECT_EQ(received.reason, "stolen");
  EXPECT_TRUE(payment().callback_contradicted);
  EXPECT_EQ(payment().status, PaymentStatus::kSuccess);
  EXPECT_EQ(payment().gateway_reference, "gw_1");
  EXPECT_EQ(alice().posted, 700);
  expect_refused(world.callback("pay_1", kDeclined), OutcomeKind::kCallbackAccepted);
}

TEST_F(CallbackTest, DeclinedWhileTheFraudCheckRuns_ContradictsTheConfirmation) {
  start(FraudMode::kManual);
  world.gateway("pay_1", 1, GatewayReply::kConfirmed);
  world.callback("pay_1", kDeclined);
  EXPECT_THAT(world.events(), ElementsAre("callback_received"));
  EXPECT_TRUE(payment().callback_contradicted);
  world.verdict("pay_1", true);
  EXPECT_EQ(payment().status, PaymentStatus::kSuccess);
}

TEST_F(CallbackTest, WhileItIsUndone_IsLeftToTheUndoing) {
  start_accepted();
  world.cancel("pay_1");
  for (const CallbackOutcome outcome : {kConfirmed, kDeclined}) {
    expect_refused(world.callback("pay_1", outcome), OutcomeKind::kCallbackAccepted);
  }
  EXPECT_EQ(payment().gateway, GatewayState::kUndoing);
}

TEST_F(CallbackTest, ForAPaymentThatWasNeverSent_IsRecordedOnceAndChangesNothing) {
  world.pay("pay_1", "nobody", usd(1));
  world.callback("pay_1", kConfirmed);
  EXPECT_THAT(world.events(), ElementsAre("callback_received"));
  EXPECT_THAT(world.effects(), IsEmpty());
  EXPECT_FALSE(payment().late_refund);
  expect_refused(world.callback("pay_1", kConfirmed), OutcomeKind::kCallbackAccepted);
  expect_refused(world.callback("pay_1", kDeclined), OutcomeKind::kCallbackAccepted);
  EXPECT_EQ(payment().failure, FailureCode::kAccountNotFound);
}

// ---- The timer

TEST_F(CallbackTest, TimeOut_VoidsTheChargeBeforeAnythingIsGivenBack) {
  start_accepted();
  world.now = payment().callback_deadline;
  EXPECT_EQ(world.timer("pay_1").kind, OutcomeKind::kResultApplied);
  EXPECT_THAT(world.events(), ElementsAre("callback_timed_out", "compensation_started"));
  EXPECT_EQ(payment().status, PaymentStatus::kProcessing);
  EXPECT_EQ(payment().step, PaymentStep::kCompensate);
  EXPECT_EQ(payment().gateway, GatewayState::kUndoing);
  EXPECT_EQ(alice().held, 300);
  ASSERT_EQ(world.added.effects.size(), 1U);
  EXPECT_EQ(std::get<UndoAtGateway>(world.added.effects[0]).kind, CompensationKind::kVoidCharge);
  world.undo("pay_1", 1, UndoReply::kDone);
  EXPECT_THAT(world.events(),
              ElementsAre("compensation_step_done", "hold_voided", "payment_failed"));
  EXPECT_EQ(payment().failure, FailureCode::kCallbackTimeout);
  EXPECT_EQ(payment().failure_message, "the gateway did not call back in time");
  EXPECT_EQ(alice().available(), 1000);
}

TEST_F(CallbackTest, TimerBeforeItsTime_IsStale) {
  start_accepted();
  world.now = payment().callback_deadline - Duration{1};
  expect_stale(world.timer("pay_1"));
  EXPECT_EQ(payment().gateway, GatewayState::kAccepted);
}

TEST_F(CallbackTest, TimerOfAnotherDeadline_IsStale) {
  start_accepted();
  const Timestamp deadline = payment().callback_deadline;
  world.now = deadline + Duration::seconds(1);
  for (const std::int64_t off : {-1, 1}) {
    expect_stale(world.timer("pay_1", deadline + Duration{off}));
  }
  expect_stale(world.timer("pay_1", {}));
  expect_stale(world.timer("nothing", deadline));
}

TEST_F(CallbackTest, TimerThatNothingWaitsFor_IsStale) {
  start();
  world.now = kStart + Duration::seconds(3600);
  expect_stale(world.timer("pay_1", {}));
  world.gateway("pay_1", 1, GatewayReply::kAccepted);
  const Timestamp deadline = payment().callback_deadline;
  world.callback("pay_1", kConfirmed);
  world.now = deadline;
  expect_stale(world.timer("pay_1", deadline));
  EXPECT_EQ(payment().status, PaymentStatus::kSuccess);
}

TEST_F(CallbackTest, TimerAgain_IsStale) {
  start_accepted();
  world.now = payment().callback_deadline;
  world.timer("pay_1");
  expect_stale(world.timer("pay_1"));
  world.undo("pay_1", 1, UndoReply::kDone);
  expect_stale(world.timer("pay_1"));
}

// Else its verdict would end a payment that is still being undone at the gateway.
TEST_F(CallbackTest, TimeOut_EndsTheFraudCheckToo) {
  start_accepted(FraudMode::kManual);
  world.now = payment().callback_deadline;
  world.timer("pay_1");
  EXPECT_THAT(world.events(), ElementsAre("callback_timed_out", "fraud_check_decided",
                                          "fraud_check_ended", "compensation_started"));
  EXPECT_EQ(check().result, FraudResult::kCancelled);
  expect_refused(world.verdict("pay_1", false), OutcomeKind::kFraudClosed);
  EXPECT_EQ(payment().compensation, CompensationState::kRunning);
  EXPECT_EQ(alice().held, 300);
}

TEST_F(CallbackTest, TimeOut_LeavesAnAbandonedFraudCheckToItself) {
  world.rules.fraud.parent_close = ParentClose::kAbandon;
  start_accepted(FraudMode::kManual);
  world.now = payment().callback_deadline;
  world.timer("pay_1");
  EXPECT_EQ(check().result, FraudResult::kRunning);
  world.verdict("pay_1", false);
  EXPECT_THAT(world.events(), ElementsAre("fraud_check_decided"));
  EXPECT_EQ(payment().compensation, CompensationState::kRunning);
  EXPECT_EQ(alice().held, 300);
}

TEST_F(CallbackTest, Fold_RefusesATimeOutThatNothingWaitsFor) {
  start_accepted();
  expect_fold_refuses(StreamKind::kPayment, "pay_1", CallbackTimedOut{.deadline = kStart});
  world.callback("pay_1", kConfirmed);
  expect_fold_refuses(StreamKind::kPayment, "pay_1",
                      CallbackTimedOut{.deadline = payment().callback_deadline});
}

}  // namespace
}  // namespace payonce::core
