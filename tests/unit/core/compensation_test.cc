// Undoing at the gateway: tried again with growing delays, given up, and gone on with by an
// operator.
#include "unit/core/saga_fixture.h"

namespace payonce::core {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class CompensationTest : public SagaFixture {
 protected:
  CompensationTest() {
    world.rules.compensation_retry.maximum_attempts = 3;
    start();
    world.cancel("pay_1", "changed my mind");
  }
  Duration delay(std::uint32_t attempt) {
    return retry_delay(world.rules.compensation_retry, attempt, "pay_1/undo");
  }
  void use_up(std::uint32_t first_call) {
    for (std::uint32_t call = first_call; call < first_call + 3; ++call) {
      world.undo("pay_1", call, UndoReply::kFailed, "503");
    }
    ASSERT_EQ(payment().compensation, CompensationState::kFailed);
  }
  CompensationStepState step(std::size_t at) { return payment().compensation_steps.at(at).state; }
};

TEST_F(CompensationTest, Failed_IsTriedAgainAfterADelayThatGrows) {
  for (std::uint32_t call = 1; call <= 2; ++call) {
    EXPECT_EQ(world.undo("pay_1", call, UndoReply::kFailed, "503").kind,
              OutcomeKind::kResultApplied);
    EXPECT_THAT(world.events(), ElementsAre("compensation_retry_scheduled"));
    EXPECT_EQ(payment().compensation_error, "503");
    EXPECT_EQ(payment().compensation_attempts, call);
    ASSERT_EQ(world.added.effects.size(), 1U);
    const auto& undo = std::get<UndoAtGateway>(world.added.effects[0]);
    EXPECT_EQ(undo.call, call + 1);
    EXPECT_EQ(undo.not_before, world.now + delay(call));
    EXPECT_EQ(alice().held, 300);
    world.now = undo.not_before;
  }
  EXPECT_GT(delay(2).us, delay(1).us * 3 / 2);
  world.undo("pay_1", 3, UndoReply::kDone);
  EXPECT_EQ(payment().status, PaymentStatus::kCancelled);
  EXPECT_EQ(payment().compensation_error, "");
}

TEST_F(CompensationTest, AnswerToAnotherCall_IsStale) {
  for (const std::uint32_t call : {0U, 2U, 9U}) {
    expect_stale(world.undo("pay_1", call, UndoReply::kDone));
    expect_stale(world.undo("pay_1", call, UndoReply::kFailed));
  }
  expect_stale(world.undo("nothing", 1, UndoReply::kDone));
  world.undo("pay_1", 1, UndoReply::kFailed);
  expect_stale(world.undo("pay_1", 1, UndoReply::kDone));
  world.undo("pay_1", 2, UndoReply::kDone);
  expect_stale(world.undo("pay_1", 2, UndoReply::kDone));
  expect_stale(world.undo("pay_1", 3, UndoReply::kFailed));
}

TEST_F(CompensationTest, WithoutACompensation_AnAnswerIsStale) {
  world.pay("pay_2", "alice", usd(1));
  expect_stale(world.undo("pay_2", 1, UndoReply::kDone));
  one_payment = false;
}

TEST_F(CompensationTest, Steps_TellWhatIsDone) {
  EXPECT_EQ(step(0), CompensationStepState::kPending);
  EXPECT_EQ(step(1), CompensationStepState::kPending);
  use_up(1);
  EXPECT_EQ(step(0), CompensationStepState::kFailed);
  EXPECT_EQ(step(1), CompensationStepState::kPending);
  world.retry_compensation("pay_1");
  EXPECT_EQ(step(0), CompensationStepState::kPending);
  world.undo("pay_1", 4, UndoReply::kDone);
  EXPECT_EQ(step(0), CompensationStepState::kDone);
  EXPECT_EQ(step(1), CompensationStepState::kDone);
}

TEST_F(CompensationTest, UsedUp_FailsThePaymentAndKeepsTheHold) {
  use_up(1);
  EXPECT_THAT(world.events(), ElementsAre("compensation_exhausted", "payment_failed"));
  EXPECT_EQ(payment().status, PaymentStatus::kFail);
  EXPECT_EQ(payment().step, PaymentStep::kCompensate);
  EXPECT_EQ(payment().failure, FailureCode::kCompensationFailed);
  EXPECT_EQ(payment().failure_message, "cancelled, and undoing it at the gateway failed: 503");
  EXPECT_EQ(payment().cause, FailureCode::kCancelled);
  EXPECT_EQ(hold().state, TransferState::kHeld);
  EXPECT_EQ(alice().held, 300);
  EXPECT_THAT(world.state.indexes.keys(Index::kExhausted), ElementsAre("compensation:pay_1"));
  // Its end is told, but nothing is called any more.
  ASSERT_EQ(world.added.effects.size(), 2U);
  EXPECT_EQ(std::get<SendNotification>(world.added.effects[0]).failure,
            FailureCode::kCompensationFailed);
  EXPECT_TRUE(std::holds_alternative<WorkflowEnded>(world.added.effects[1]));
  expect_stale(world.undo("pay_1", 4, UndoReply::kDone));
}

TEST_F(CompensationTest, Retried_CompletesAndShowsTheFirstCause) {
  use_up(1);
  world.now = world.now + Duration::seconds(10);
  EXPECT_EQ(world.retry_compensation("pay_1").kind, OutcomeKind::kCompensationRetried);
  EXPECT_THAT(world.events(), ElementsAre("compensation_resumed"));
  EXPECT_THAT(world.state.indexes.keys(Index::kExhausted), IsEmpty());
  EXPECT_EQ(payment().compensation_attempts, 0U);
  ASSERT_EQ(world.added.effects.size(), 1U);
  const auto& undo = std::get<UndoAtGateway>(world.added.effects[0]);
  EXPECT_EQ(undo.call, 4U);  // numbers of calls are never used again
  EXPECT_EQ(undo.not_before, world.now);
  world.undo("pay_1", 4, UndoReply::kDone);
  EXPECT_THAT(world.events(),
              ElementsAre("compensation_step_done", "hold_voided", "compensation_completed"));
  EXPECT_THAT(world.effects(), IsEmpty());
  EXPECT_EQ(payment().status, PaymentStatus::kFail);
  EXPECT_EQ(payment().step, PaymentStep::kNotify);
  EXPECT_EQ(payment().failure, FailureCode::kCancelled);
  EXPECT_EQ(payment().failure_message, "changed my mind");
  EXPECT_EQ(payment().compensation, CompensationState::kCompleted);
  EXPECT_EQ(alice().available(), 1000);
}

TEST_F(CompensationTest, RetriedInVain_IsGivenUpAgainWithoutASecondEnd) {
  use_up(1);
  world.retry_compensation("pay_1");
  use_up(4);
  EXPECT_THAT(world.events(), ElementsAre("compensation_exhausted"));
  EXPECT_EQ(count<PaymentFailed>(), 1);
  EXPECT_EQ(payment().failure, FailureCode::kCompensationFailed);
  EXPECT_EQ(alice().held, 300);
  world.retry_compensation("pay_1");
  world.undo("pay_1", 7, UndoReply::kDone);
  EXPECT_EQ(alice().available(), 1000);
}

TEST_F(CompensationTest, RetryOfWhatHasNotFailed_IsRefused) {
  expect_refused(world.retry_compensation("pay_1"), OutcomeKind::kNotCompensationFailed);
  world.undo("pay_1", 1, UndoReply::kDone);
  expect_refused(world.retry_compensation("pay_1"), OutcomeKind::kNotCompensationFailed);
  expect_refused(world.retry_compensation("nothing"), OutcomeKind::kPaymentNotFound);
  world.pay("pay_2", "alice", usd(1));
  expect_refused(world.retry_compensation("pay_2"), OutcomeKind::kNotCompensationFailed);
  one_payment = false;
}

TEST_F(CompensationTest, RetryTwice_StartsItOnce) {
  use_up(1);
  world.retry_compensation("pay_1");
  expect_refused(world.retry_compensation("pay_1"), OutcomeKind::kNotCompensationFailed);
}

TEST_F(CompensationTest, WhileItHasFailed_NothingElseChangesThePayment) {
  use_up(1);
  world.notified("pay_1", 1, true);
  EXPECT_EQ(payment().step, PaymentStep::kCompensate);
  const std::string before = dump(payment());
  expect_refused(world.callback("pay_1", CallbackOutcome::kConfirmed),
                 OutcomeKind::kCallbackAccepted);
  expect_stale(world.gateway("pay_1", 1, GatewayReply::kConfirmed));
  expect_refused(world.cancel("pay_1"), OutcomeKind::kPaymentClosed);
  expect_refused(world.refund("pay_1"), OutcomeKind::kRefundNotPossible);
  EXPECT_EQ(dump(payment()), before);
}

TEST_F(CompensationTest, EndWithoutAnythingAtTheGateway_ShowsTheReleasedHold) {
  world.pay("pay_2", "alice", usd(1));
  world.gateway("pay_2", 1, GatewayReply::kDeclined);
  EXPECT_THAT(world.payment_row("pay_2").compensation_steps,
              ElementsAre(CompensationStep{.kind = CompensationKind::kReleaseHold,
                                           .state = CompensationStepState::kDone}));
  EXPECT_EQ(world.payment_row("pay_2").compensation, CompensationState::kCompleted);
  one_payment = false;
}

TEST_F(CompensationTest, Fold_RefusesWhatTheStateDoesNotWaitFor) {
  const auto refuse = [&](const Event& event) {
    expect_fold_refuses(StreamKind::kPayment, "pay_1", event);
  };
  refuse(CompensationStarted{});
  refuse(CompensationResumed{});
  refuse(CompensationCompleted{});
  refuse(CompensationStepDone{.step = CompensationKind::kRefundCharge, .call = 1, .detail = {}});
  refuse(CompensationStepDone{.step = CompensationKind::kVoidCharge, .call = 2, .detail = {}});
  refuse(CompensationRetryScheduled{.call = 2, .error = {}, .not_before = {}});
  refuse(CompensationExhausted{.call = 0, .error = {}});
  use_up(1);
  refuse(CompensationStepDone{.step = CompensationKind::kVoidCharge, .call = 4, .detail = {}});
  refuse(CompensationCompleted{});
  refuse(PaymentCancelled{});
}

}  // namespace
}  // namespace payonce::core
