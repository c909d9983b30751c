// The fraud check: a child workflow that runs beside the call to the gateway, decided by an
// activity, a person or its time-out; and what becomes of it when its payment ends first.
#include "unit/core/saga_fixture.h"

namespace payonce::core {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class FraudTest : public SagaFixture {};

// ---- The start

TEST_F(FraudTest, None_StartsNoCheck) {
  start();
  EXPECT_EQ(payment().fraud, FraudResult::kNone);
  EXPECT_EQ(world.state.rows.frauds.find("fraud-check-pay_1"), nullptr);
}

TEST_F(FraudTest, Inline_ApprovesWithinTheCreate) {
  world.rules.fraud.mode = FraudMode::kInline;
  const Outcome outcome = world.pay("pay_1", "alice", usd(300));
  EXPECT_EQ(outcome.kind, OutcomeKind::kPaymentAccepted);
  EXPECT_THAT(world.events(),
              ElementsAre("payment_created", "account_opened", "funds_held", "fraud_check_opened",
                          "fraud_check_started", "fraud_check_decided", "fraud_check_ended"));
  EXPECT_EQ(payment().fraud, FraudResult::kApproved);
  EXPECT_EQ(check().result, FraudResult::kApproved);
  ASSERT_EQ(world.added.effects.size(), 1U);
  EXPECT_TRUE(std::holds_alternative<CallGateway>(world.added.effects[0]));
  world.gateway("pay_1", 1, GatewayReply::kConfirmed);
  EXPECT_EQ(payment().status, PaymentStatus::kSuccess);
}

TEST_F(FraudTest, Task_IsReleasedBesideTheCallToTheGateway) {
  world.rules.fraud.delay = Duration::ms(500);
  world.rules.fraud.mode = FraudMode::kTask;
  world.pay("pay_1", "alice", usd(300));
  EXPECT_EQ(payment().fraud, FraudResult::kRunning);
  EXPECT_EQ(payment().gateway, GatewayState::kPending);
  ASSERT_EQ(world.added.effects.size(), 3U);
  EXPECT_TRUE(std::holds_alternative<CallGateway>(world.added.effects[0]));
  const auto& task = std::get<CheckFraud>(world.added.effects[1]);
  EXPECT_EQ(task.fraud_id, "fraud-check-pay_1");
  EXPECT_EQ(task.attempt, 1U);
  EXPECT_EQ(task.not_before, world.now + Duration::ms(500));
  EXPECT_EQ(task.payment_id, "pay_1");
  EXPECT_EQ(task.user_id, "alice");
  EXPECT_EQ(task.amount, usd(300));
  const auto& timer = std::get<StartTimer>(world.added.effects[2]);
  EXPECT_EQ(timer.kind, StreamKind::kFraud);
  EXPECT_EQ(timer.id, "fraud-check-pay_1");
  EXPECT_EQ(timer.due, world.now + Duration::seconds(600));
}

TEST_F(FraudTest, Manual_HasATimerAndNoTask) {
  world.rules.fraud.mode = FraudMode::kManual;
  world.pay("pay_1", "alice", usd(300));
  ASSERT_EQ(world.added.effects.size(), 2U);
  EXPECT_TRUE(std::holds_alternative<CallGateway>(world.added.effects[0]));
  EXPECT_TRUE(std::holds_alternative<StartTimer>(world.added.effects[1]));
  expect_stale(world.fraud("pay_1", 1, FraudReply::kApproved));
}

TEST_F(FraudTest, RefusedPayment_GetsNoCheck) {
  world.rules.fraud.mode = FraudMode::kTask;
  world.pay("pay_1", "alice", usd(5000));
  EXPECT_EQ(payment().fraud, FraudResult::kNone);
  EXPECT_EQ(count<FraudCheckOpened>(), 0);
}

TEST_F(FraudTest, Indexes_ListTheCheckAndForgetItsWaitWithItsEnd) {
  start(FraudMode::kManual);
  const auto& indexes = world.state.indexes;
  EXPECT_THAT(indexes.values(Index::kFraudByTime), ElementsAre("fraud-check-pay_1"));
  EXPECT_THAT(indexes.waiting(), ElementsAre("\x02pay_1",
                                             "\x04"
                                             "fraud-check-pay_1"));
  world.verdict("pay_1", true);
  EXPECT_THAT(indexes.values(Index::kFraudByTime), ElementsAre("fraud-check-pay_1"));
  EXPECT_THAT(indexes.waiting(), ElementsAre("\x02pay_1"));
}

// ---- Both have to say yes

TEST_F(FraudTest, ApprovedThenConfirmed_Succeeds) {
  start(FraudMode::kTask);
  world.fraud("pay_1", 1, FraudReply::kApproved);
  EXPECT_THAT(world.events(), ElementsAre("fraud_check_decided", "fraud_check_ended"));
  EXPECT_EQ(payment().fraud, FraudResult::kApproved);
  EXPECT_EQ(payment().status, PaymentStatus::kPending);
  world.gateway("pay_1", 1, GatewayReply::kConfirmed);
  EXPECT_EQ(payment().status, PaymentStatus::kSuccess);
}

TEST_F(FraudTest, ConfirmedThenApproved_Succeeds) {
  start(FraudMode::kTask);
  world.gateway("pay_1", 1, GatewayReply::kConfirmed);
  EXPECT_THAT(world.events(), ElementsAre("gateway_confirmed"));
  EXPECT_EQ(payment().step, PaymentStep::kFraudCheck);
  EXPECT_EQ(payment().status, PaymentStatus::kProcessing);
  EXPECT_EQ(alice().held, 300);
  EXPECT_EQ(alice().posted, 1000);
  world.fraud("pay_1", 1, FraudReply::kApproved);
  EXPECT_THAT(world.events(), ElementsAre("fraud_check_decided", "fraud_check_ended", "hold_posted",
                                          "payment_succeeded"));
  EXPECT_EQ(payment().status, PaymentStatus::kSuccess);
  EXPECT_EQ(alice().posted, 700);
}

TEST_F(FraudTest, ApprovedWhileInDoubt_ChangesNothingUntilTheInquiry) {
  start(FraudMode::kTask);
  reach(GatewayState::kInDoubt);
  world.fraud("pay_1", 1, FraudReply::kApproved);
  EXPECT_EQ(payment().step, PaymentStep::kInquiry);
  world.inquiry("pay_1", 1, InquiryReply::kConfirmed);
  EXPECT_EQ(payment().status, PaymentStatus::kSuccess);
}

class RejectedTest : public FraudTest, public testing::WithParamInterface<GatewayState> {};

TEST_P(RejectedTest, WhateverTheGatewayHas_IsUndoneFirst) {
  start(FraudMode::kTask);
  reach(GetParam());
  world.fraud("pay_1", 1, FraudReply::kRejected, "too risky");
  EXPECT_THAT(world.events(),
              ElementsAre("fraud_check_decided", "fraud_check_ended", "compensation_started"));
  const CompensationKind kind = GetParam() == GatewayState::kConfirmed
                                    ? CompensationKind::kRefundCharge
                                    : CompensationKind::kVoidCharge;
  ASSERT_EQ(world.added.effects.size(), 1U);
  EXPECT_EQ(std::get<UndoAtGateway>(world.added.effects[0]).kind, kind);
  EXPECT_EQ(alice().held, 300);
  world.undo("pay_1", 1, UndoReply::kDone);
  EXPECT_EQ(payment().status, PaymentStatus::kFail);
  EXPECT_EQ(payment().failure, FailureCode::kFraudRejected);
  EXPECT_EQ(payment().failure_message, "the fraud check rejected it: too risky");
  EXPECT_EQ(alice().available(), 1000);
}

INSTANTIATE_TEST_SUITE_P(States, RejectedTest,
                         testing::Values(GatewayState::kPending, GatewayState::kRetrying,
                                         GatewayState::kInDoubt, GatewayState::kAccepted,
                                         GatewayState::kConfirmed),
                         [](const auto& param) { return std::string(name(param.param)); });

// ---- The time-out and the activity's attempts

TEST_F(FraudTest, NoVerdictInTime_Undoes) {
  start(FraudMode::kManual);
  world.gateway("pay_1", 1, GatewayReply::kConfirmed);
  world.now = check().deadline;
  EXPECT_EQ(world.fraud_timer("pay_1").kind, OutcomeKind::kResultApplied);
  EXPECT_EQ(check().result, FraudResult::kTimedOut);
  EXPECT_EQ(payment().compensation, CompensationState::kRunning);
  world.undo("pay_1", 1, UndoReply::kDone);
  EXPECT_EQ(payment().failure, FailureCode::kFraudTimeout);
  EXPECT_EQ(payment().failure_message, "the fraud check gave no verdict in time");
}

TEST_F(FraudTest, TimerBeforeItsTimeOrOfAnotherDeadline_IsStale) {
  start(FraudMode::kManual);
  const Timestamp deadline = check().deadline;
  world.now = deadline - Duration{1};
  expect_stale(world.fraud_timer("pay_1"));
  world.now = deadline + Duration{5};
  for (const std::int64_t off : {-1, 1}) {
    expect_stale(world.handle(TimerFired{
        .kind = StreamKind::kFraud, .id = "fraud-check-pay_1", .due = deadline + Duration{off}}));
  }
  expect_stale(world.handle(
      TimerFired{.kind = StreamKind::kFraud, .id = "fraud-check-nothing", .due = deadline}));
  world.verdict("pay_1", true);
  expect_stale(world.fraud_timer("pay_1"));
}

TEST_F(FraudTest, FailedCall_IsTriedAgainAfterTheDelay) {
  start(FraudMode::kTask);
  world.fraud("pay_1", 1, FraudReply::kFailed, "no route");
  EXPECT_THAT(world.events(), ElementsAre("fraud_check_retry_scheduled"));
  EXPECT_EQ(check().error, "no route");
  ASSERT_EQ(world.added.effects.size(), 1U);
  const auto& task = std::get<CheckFraud>(world.added.effects[0]);
  EXPECT_EQ(task.attempt, 2U);
  EXPECT_EQ(task.not_before,
            world.now + retry_delay(world.rules.fraud.retry, 1, "fraud-check-pay_1"));
  expect_stale(world.fraud("pay_1", 1, FraudReply::kApproved));
  world.fraud("pay_1", 2, FraudReply::kApproved);
  EXPECT_EQ(check().error, "");
  EXPECT_EQ(check().attempts, 2U);
}

TEST_F(FraudTest, AttemptsUsedUp_LeaveItToTheTimeOutOrAPerson) {
  for (const bool in_time : {true, false}) {
    const std::string id = in_time ? "pay_a" : "pay_b";
    world.rules.fraud.mode = FraudMode::kTask;
    world.pay(id, "alice", usd(10));
    world.fraud(id, 1, FraudReply::kFailed);
    world.fraud(id, 2, FraudReply::kFailed);
    EXPECT_THAT(world.effects(), IsEmpty());
    EXPECT_EQ(world.check_row(id).result, FraudResult::kRunning);
    expect_stale(world.fraud(id, 3, FraudReply::kApproved));
    if (in_time) {
      world.verdict(id, true);
      EXPECT_EQ(world.check_row(id).result, FraudResult::kApproved);
    } else {
      world.now = world.check_row(id).deadline;
      world.fraud_timer(id);
      EXPECT_EQ(world.check_row(id).result, FraudResult::kTimedOut);
    }
  }
  one_payment = false;
}

TEST_F(FraudTest, ResultOfAnotherCall_IsStale) {
  start(FraudMode::kTask);
  for (const std::uint32_t attempt : {0U, 2U}) {
    for (int reply = 1; reply <= 3; ++reply) {
      expect_stale(world.fraud("pay_1", attempt, static_cast<FraudReply>(reply)));
    }
  }
  expect_stale(world.fraud("nothing", 1, FraudReply::kApproved));
}

// ---- A person's verdict

TEST_F(FraudTest, SameVerdictAgain_ChangesNothing) {
  for (const bool approved : {true, false}) {
    const std::string id = approved ? "pay_a" : "pay_b";
    world.rules.fraud.mode = FraudMode::kManual;
    world.pay(id, "alice", usd(10));
    EXPECT_EQ(world.verdict(id, approved).kind, OutcomeKind::kFraudDecided);
    expect_refused(world.verdict(id, approved), OutcomeKind::kFraudDecided);
    expect_refused(world.verdict(id, !approved), OutcomeKind::kFraudClosed);
  }
  one_payment = false;
}

TEST_F(FraudTest, VerdictOnNothing_IsNotFound) {
  start();
  expect_refused(world.verdict("pay_1", true), OutcomeKind::kFraudNotFound);
  expect_refused(world.verdict("nothing", false), OutcomeKind::kFraudNotFound);
}

TEST_F(FraudTest, VerdictBeforeTheActivitysReply_MakesTheReplyStale) {
  start(FraudMode::kTask);
  world.verdict("pay_1", true, "known customer");
  EXPECT_EQ(check().reason, "known customer");
  expect_stale(world.fraud("pay_1", 1, FraudReply::kRejected));
  EXPECT_EQ(payment().fraud, FraudResult::kApproved);
}

// ---- The payment ends first

TEST_F(FraudTest, Terminate_EndsTheCheckWithItsPayment) {
  start(FraudMode::kTask);
  world.gateway("pay_1", 1, GatewayReply::kDeclined);
  EXPECT_THAT(world.events(), ElementsAre("gateway_declined", "fraud_check_decided",
                                          "fraud_check_ended", "hold_voided", "payment_failed"));
  EXPECT_EQ(check().result, FraudResult::kCancelled);
  EXPECT_EQ(payment().fraud, FraudResult::kCancelled);
  expect_stale(world.fraud("pay_1", 1, FraudReply::kRejected));
  expect_refused(world.verdict("pay_1", true), OutcomeKind::kFraudClosed);
  world.now = check().deadline;
  expect_stale(world.fraud_timer("pay_1"));
}

TEST_F(FraudTest, Abandon_LeavesTheCheckToGoOnByItself) {
  world.rules.fraud.parent_close = ParentClose::kAbandon;
  for (const char* id : {"pay_verdict", "pay_reply", "pay_timer"}) {
    world.rules.fraud.mode = FraudMode::kTask;
    world.pay(id, "alice", usd(10));
    world.gateway(id, 1, GatewayReply::kDeclined);
    EXPECT_THAT(world.events(), ElementsAre("gateway_declined", "fraud_check_ended", "hold_voided",
                                            "payment_failed"));
    EXPECT_EQ(world.check_row(id).result, FraudResult::kRunning);
    EXPECT_EQ(world.payment_row(id).fraud, FraudResult::kCancelled);
  }
  const std::string before = dump(world.payment_row("pay_verdict"));
  world.verdict("pay_verdict", false);
  EXPECT_THAT(world.events(), ElementsAre("fraud_check_decided"));
  EXPECT_EQ(dump(world.payment_row("pay_verdict")), before);
  world.fraud("pay_reply", 1, FraudReply::kApproved);
  EXPECT_THAT(world.events(), ElementsAre("fraud_check_decided"));
  world.now = world.check_row("pay_timer").deadline;
  world.fraud_timer("pay_timer");
  EXPECT_THAT(world.events(), ElementsAre("fraud_check_decided"));
  EXPECT_THAT(world.effects(), IsEmpty());
  one_payment = false;
}

TEST_F(FraudTest, GivingUpOnTheGateway_EndsTheCheck) {
  start(FraudMode::kManual);
  world.gateway("pay_1", 1, GatewayReply::kRefused);
  EXPECT_EQ(check().result, FraudResult::kCancelled);
  EXPECT_EQ(payment().failure, FailureCode::kGatewayUnavailable);
}

TEST_F(FraudTest, Fold_RefusesWhatDoesNotFit) {
  start(FraudMode::kTask);
  const std::string id = "fraud-check-pay_1";
  const auto refuse = [&](const Event& event) {
    expect_fold_refuses(StreamKind::kFraud, id, event);
  };
  refuse(FraudCheckOpened{});
  refuse(FraudCheckRetryScheduled{.attempt = 2, .error = {}, .not_before = {}});
  refuse(FraudCheckDecided{.result = FraudResult::kRunning, .attempt = 0, .reason = {}});
  refuse(FraudCheckDecided{.result = FraudResult::kNone, .attempt = 0, .reason = {}});
  expect_fold_refuses(StreamKind::kPayment, "pay_1", FraudCheckStarted{});
  expect_fold_refuses(StreamKind::kPayment, "pay_1",
                      FraudCheckEnded{.result = FraudResult::kRunning});
  world.fraud("pay_1", 1, FraudReply::kApproved);
  refuse(FraudCheckDecided{.result = FraudResult::kRejected, .attempt = 0, .reason = {}});
  refuse(FraudCheckRetryScheduled{.attempt = 2, .error = {}, .not_before = {}});
  expect_fold_refuses(StreamKind::kPayment, "pay_1",
                      FraudCheckEnded{.result = FraudResult::kRejected});
  expect_fold_refuses(StreamKind::kFraud, "nothing",
                      FraudCheckDecided{.result = FraudResult::kApproved, .reason = {}});
}

}  // namespace
}  // namespace payonce::core
