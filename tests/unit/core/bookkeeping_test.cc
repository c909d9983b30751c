// What the rows, events and tasks of a payment tell besides the money: whose they are, when they
// were last changed, how often something was tried and what the last error was.
#include <gtest/gtest.h>

#include "core/due.h"
#include "unit/core/saga_fixture.h"

namespace payonce::core {
namespace {

class BookkeepingTest : public SagaFixture {
 protected:
  template <class T>
  const T& effect() {
    for (const Effect& each : world.added.effects) {
      if (const auto* found = std::get_if<T>(&each)) {
        return *found;
      }
    }
    ADD_FAILURE() << "no such effect";
    static const T none{};
    return none;
  }
  template <class T>
  const T& event() {
    for (const Record& record : world.added.records) {
      if (const auto* found = std::get_if<T>(&record.event)) {
        return *found;
      }
    }
    ADD_FAILURE() << "no such event";
    static const T none{};
    return none;
  }
  void later() { world.now = world.now + Duration::seconds(2); }
};

TEST_F(BookkeepingTest, EveryTaskAtTheGateway_NamesThePaymentMethod) {
  start();
  EXPECT_EQ(effect<CallGateway>().payment_method, "pm_ok");
  reach(GatewayState::kInDoubt);
  EXPECT_EQ(effect<InquireGateway>().payment_method, "pm_ok");
  world.inquiry("pay_1", 1, InquiryReply::kAccepted);
  EXPECT_EQ(effect<StartTimer>().payment_method, "pm_ok");
  world.cancel("pay_1");
  EXPECT_EQ(effect<UndoAtGateway>().payment_method, "pm_ok");
  world.undo("pay_1", 1, UndoReply::kDone);
  EXPECT_EQ(effect<SendNotification>().payment_method, "pm_ok");
}

TEST_F(BookkeepingTest, FraudCheckAndRefund_NameThePaymentMethod) {
  start(FraudMode::kTask);
  EXPECT_EQ(check().payment_method, "pm_ok");
  EXPECT_EQ(effect<CheckFraud>().payment_method, "pm_ok");
  EXPECT_EQ(effect<StartTimer>().kind, StreamKind::kFraud);
  EXPECT_EQ(effect<StartTimer>().payment_method, "pm_ok");
  reach(GatewayState::kConfirmed);
  world.fraud("pay_1", 1, FraudReply::kApproved);
  const std::string id = world.refund("pay_1").refund->id;
  EXPECT_EQ(effect<RefundAtGateway>().payment_method, "pm_ok");
  EXPECT_EQ(world.refund_row(id).payment_method, "pm_ok");
}

TEST_F(BookkeepingTest, EndOfAPayment_IsToldAsAPayments) {
  start();
  reach(GatewayState::kConfirmed);
  EXPECT_EQ(effect<WorkflowEnded>().kind, StreamKind::kPayment);
  EXPECT_EQ(effect<WorkflowEnded>().id, "pay_1");
}

TEST_F(BookkeepingTest, FraudCheck_CountsItsAttemptsAndKnowsWhenItChanged) {
  start(FraudMode::kTask);
  EXPECT_EQ(check().created_at, kStart);
  EXPECT_EQ(check().updated_at, kStart);
  EXPECT_EQ(world.fraud("pay_1", 1, FraudReply::kFailed, "502").kind, OutcomeKind::kResultApplied);
  EXPECT_EQ(check().updated_at, world.now);
  later();
  EXPECT_EQ(world.fraud("pay_1", 2, FraudReply::kApproved).kind, OutcomeKind::kResultApplied);
  EXPECT_EQ(check().attempts, 2U);
  EXPECT_EQ(check().error, "");
  EXPECT_EQ(check().updated_at, world.now);
}

TEST_F(BookkeepingTest, FraudCheck_KnowsItsFirstEventAndIsNamedInItsPaymentsHistory) {
  start(FraudMode::kTask);
  const auto opened = std::ranges::find_if(world.log, [](const Record& record) {
    return std::holds_alternative<FraudCheckOpened>(record.event);
  });
  ASSERT_NE(opened, world.log.end());
  EXPECT_EQ(check().created_seq, opened->seq);
  EXPECT_EQ(event<FraudCheckStarted>().workflow_id, opened->stream);
}

TEST_F(BookkeepingTest, FraudCheckThatTimedOut_KeepsItsAttemptsAndItsLastError) {
  start(FraudMode::kTask);
  world.fraud("pay_1", 1, FraudReply::kFailed, "502");
  world.fraud("pay_1", 2, FraudReply::kFailed, "504");
  world.now = check().deadline;
  world.fraud_timer("pay_1");
  EXPECT_EQ(check().result, FraudResult::kTimedOut);
  EXPECT_EQ(check().attempts, 2U);
  EXPECT_EQ(check().error, "504");
}

TEST_F(BookkeepingTest, FraudCheckApprovedAtOnce_HasOneAttempt) {
  start(FraudMode::kTask);
  world.fraud("pay_1", 1, FraudReply::kApproved);
  EXPECT_EQ(check().attempts, 1U);
}

TEST_F(BookkeepingTest, FraudCheckOfOneAttempt_IsNotAskedAgain) {
  world.rules.fraud.retry.maximum_attempts = 1;
  start(FraudMode::kTask);
  world.fraud("pay_1", 1, FraudReply::kFailed, "502");
  EXPECT_FALSE(pending_fraud_call(check()));
}

TEST_F(BookkeepingTest, FraudCheckThatItsPaymentEnded_HasNoAttemptAndSaysWhy) {
  world.rules.fraud.parent_close = ParentClose::kTerminate;
  start(FraudMode::kTask);
  world.cancel("pay_1");
  EXPECT_EQ(check().result, FraudResult::kCancelled);
  EXPECT_EQ(check().attempts, 0U);
  EXPECT_EQ(check().reason, "the payment ended");
}

TEST_F(BookkeepingTest, InlineFraudCheck_SaysThatItWasAutomatic) {
  start(FraudMode::kInline);
  EXPECT_EQ(check().reason, "automatic");
  EXPECT_EQ(check().attempts, 0U);
}

TEST_F(BookkeepingTest, Refund_KnowsItsBeginningAndWhenItChanged) {
  start();
  reach(GatewayState::kConfirmed);
  const std::string id = world.refund("pay_1", "1.00").refund->id;
  EXPECT_EQ(event<RefundRequested>().refund_id, id);
  EXPECT_EQ(world.refund_row(id).created_at, world.now);
  EXPECT_EQ(world.refund_row(id).updated_at, world.now);
  EXPECT_EQ(world.refund_row(id).created_seq, world.added.records.front().seq);
  later();
  world.refund_reply(id, 1, RefundReply::kConfirmed);
  EXPECT_EQ(event<RefundEnded>().refund_id, id);
  EXPECT_EQ(world.refund_row(id).updated_at, world.now);
}

TEST_F(BookkeepingTest, AnswerToARefundsCall_ShowsThePaymentToo) {
  start();
  reach(GatewayState::kConfirmed);
  const std::string id = world.refund("pay_1").refund->id;
  const Outcome outcome = world.refund_reply(id, 1, RefundReply::kConfirmed);
  ASSERT_NE(outcome.payment, nullptr);
  EXPECT_EQ(outcome.payment->id, "pay_1");
  EXPECT_EQ(outcome.payment->refunded_minor, 300);
}

TEST_F(BookkeepingTest, PaymentAskedForAgain_DependsOnItsOwnLastEventAlone) {
  world.rules.fraud.parent_close = ParentClose::kAbandon;
  start(FraudMode::kTask);
  world.gateway("pay_1", 1, GatewayReply::kDeclined);
  world.fraud("pay_1", 1, FraudReply::kApproved);
  ASSERT_GT(check().stream_last, payment().stream_last);
  const Outcome outcome = world.pay("pay_1", "alice", usd(300));
  EXPECT_EQ(outcome.kind, OutcomeKind::kPaymentExisting);
  EXPECT_EQ(outcome.depends_on, payment().stream_last);
}

TEST_F(BookkeepingTest, RefundOfAnAmountThatIsNone_SaysWhy) {
  start();
  reach(GatewayState::kConfirmed);
  const Outcome outcome = world.refund("pay_1", "1.234");
  EXPECT_EQ(outcome.kind, OutcomeKind::kInvalidAmount);
  EXPECT_EQ(outcome.amount_error, *parse_amount("1.234", usd(0).currency).error);
}

TEST_F(BookkeepingTest, RefundOfMoreThanIsLeft_IsRefusedByTheFoldToo) {
  start();
  reach(GatewayState::kConfirmed);
  const std::string id = world.refund("pay_1", "1.00").refund->id;
  world.refund_reply(id, 1, RefundReply::kConfirmed);
  expect_fold_refuses(StreamKind::kPayment, "pay_1",
                      RefundRequested{.refund_id = "ref_2", .amount = usd(201)});
}

TEST_F(BookkeepingTest, RefusedPayment_HasEndedAndNamesTheAccount) {
  world.pay("pay_1", "nobody", usd(300));
  EXPECT_EQ(payment().ended_at, world.now);
  EXPECT_EQ(payment().failure_message, "account nobody not found");
}

TEST_F(BookkeepingTest, Hold_KnowsItsIdAndItsTime) {
  start();
  EXPECT_TRUE(hold().id.starts_with("tr_"));
  EXPECT_EQ(hold().created_at, kStart);
}

TEST_F(BookkeepingTest, GatewayThatIsUsedUp_LeavesItsLastError) {
  start();
  for (std::uint32_t attempt = 1; attempt <= 3; ++attempt) {
    world.gateway("pay_1", attempt, GatewayReply::kTemporaryFailure,
                  "50" + std::to_string(attempt));
  }
  EXPECT_EQ(payment().gateway_error, "503");
}

TEST_F(BookkeepingTest, AcceptedCharge_ForgetsTheErrorAndTakesTheCallbacksReference) {
  start();
  reach(GatewayState::kRetrying);
  world.gateway("pay_1", 2, GatewayReply::kAccepted, "gw_1");
  EXPECT_EQ(payment().gateway_error, "");
  world.callback("pay_1", CallbackOutcome::kDeclined, "gw_2");
  EXPECT_EQ(payment().gateway_reference, "gw_2");
}

TEST_F(BookkeepingTest, CallbackWithoutAReference_LeavesTheOneThatIsKnown) {
  start_accepted();
  world.callback("pay_1", CallbackOutcome::kDeclined);
  EXPECT_EQ(payment().gateway_reference, "gw_1");
}

TEST_F(BookkeepingTest, InquiryThatFoundNothing_LeadsBackToTheGatewaysStep) {
  start();
  reach(GatewayState::kInDoubt);
  EXPECT_EQ(payment().step, PaymentStep::kInquiry);
  world.inquiry("pay_1", 1, InquiryReply::kUnknownKey);
  EXPECT_EQ(payment().step, PaymentStep::kGateway);
}

TEST_F(BookkeepingTest, CompensationThatGaveUp_CountsItsLastAttempt_AndResumedForgetsTheError) {
  start();
  world.cancel("pay_1");
  world.undo("pay_1", 1, UndoReply::kFailed, "503");
  world.undo("pay_1", 2, UndoReply::kFailed, "504");
  EXPECT_EQ(payment().compensation_attempts, 2U);
  EXPECT_EQ(payment().compensation_error, "504");
  world.retry_compensation("pay_1");
  EXPECT_EQ(payment().compensation_error, "");
}

TEST_F(BookkeepingTest, CompensationStepDone_KeepsWhatTheGatewaySaid) {
  start();
  world.cancel("pay_1");
  world.undo("pay_1", 1, UndoReply::kDone, "void_1");
  EXPECT_EQ(event<CompensationStepDone>().detail, "void_1");
}

TEST_F(BookkeepingTest, CompensationCompletedWithoutAny_IsRefused) {
  start();
  expect_fold_refuses(StreamKind::kPayment, "pay_1", CompensationCompleted{});
  reach(GatewayState::kConfirmed);
  expect_fold_refuses(StreamKind::kPayment, "pay_1", CompensationCompleted{});
}

TEST_F(BookkeepingTest, NotificationThatWasSent_ForgetsTheErrorOfTheAttemptBefore) {
  start();
  reach(GatewayState::kConfirmed);
  world.notified("pay_1", 1, false);
  EXPECT_EQ(payment().deliveries[0].error, "unreachable");
  world.notified("pay_1", 2, true);
  EXPECT_EQ(payment().deliveries[0].error, "");
}

TEST_F(BookkeepingTest, NotificationResumed_ConcernsItsChannelAlone) {
  world.rules.channels = channel_bit(NotifyChannel::kLog) | channel_bit(NotifyChannel::kSmtp);
  start();
  reach(GatewayState::kConfirmed);
  world.notified("pay_1", 1, NotifyReply::kGone, NotifyChannel::kLog);
  world.notified("pay_1", 1, NotifyReply::kGone, NotifyChannel::kSmtp);
  world.handle(RetryNotification{.payment_id = "pay_1", .channel = NotifyChannel::kSmtp});
  EXPECT_EQ(find_delivery(payment(), NotifyChannel::kLog)->state, NotifyState::kExhausted);
  EXPECT_EQ(find_delivery(payment(), NotifyChannel::kSmtp)->state, NotifyState::kPending);
}

TEST_F(BookkeepingTest, MovementOfAPayment_IsNoPartOfAnAccountsHistoryOfTheSameName) {
  world.open("pay_1");
  const Seq last = world.account("pay_1").stream_last;
  start();
  reach(GatewayState::kConfirmed);
  const std::string id = world.refund("pay_1").refund->id;
  world.open(id);
  const Seq opened = world.account(id).stream_last;
  world.refund_reply(id, 1, RefundReply::kConfirmed);
  EXPECT_EQ(world.account("pay_1").stream_last, last);
  EXPECT_EQ(world.account(id).stream_last, opened);
}

TEST_F(BookkeepingTest, Answer_IsWhatTheRendererWrote) {
  const Outcome outcome = world.deposit("alice", "1.00");
  EXPECT_EQ(world.answer.body, "kind " + std::to_string(static_cast<int>(outcome.kind)));
  EXPECT_EQ(outcome.transfer->step, "deposit");
}

TEST_F(BookkeepingTest, OpeningBalanceOfTheSmallestUnit_IsBooked) {
  world.open("bob", 1);
  EXPECT_EQ(world.account("bob").posted, 1);
}

TEST(PendingUndo, WhereOnlyTheHoldIsLeft_IsNothing) {
  Payment payment;
  payment.compensation = CompensationState::kRunning;
  payment.compensation_steps = {
      {.kind = CompensationKind::kVoidCharge, .state = CompensationStepState::kDone},
      {.kind = CompensationKind::kReleaseHold}};
  EXPECT_FALSE(pending_undo(payment));
}

// The numbers are in the state on the disk: another one loses tasks that wait there.
TEST(TaskClass, EachHasAnIndexOfItsOwn_OfAFixedNumber) {
  const std::vector<std::pair<TaskClass, int>> numbers = {
      {TaskClass::kGateway, 12}, {TaskClass::kFraud, 13}, {TaskClass::kNotify, 14},
      {TaskClass::kWebhook, 16}, {TaskClass::kSmtp, 17},  {TaskClass::kTimer, 15}};
  for (const auto& [task, number] : numbers) {
    EXPECT_EQ(static_cast<int>(index_of(task)), number);
  }
  EXPECT_EQ(task_class(NotifyChannel::kLog), TaskClass::kNotify);
  EXPECT_EQ(task_class(NotifyChannel::kWebhook), TaskClass::kWebhook);
  EXPECT_EQ(task_class(NotifyChannel::kSmtp), TaskClass::kSmtp);
}

TEST(Rows, Size_CountsTheRowsOfEveryTable) {
  testing_support::Folded folded;
  folded.rows.accounts.put("a", {}, 1);
  folded.rows.transfers.put("t", {}, 1);
  folded.rows.payments.put("p", {}, 1);
  folded.rows.keys.put("k", {}, 1);
  folded.rows.frauds.put("f", {}, 1);
  folded.rows.refunds.put("r", {}, 1);
  EXPECT_EQ(folded.rows.size(), 6U);
}

TEST(Rows, RowThatATrimKeeps_IsLookedAtAgainByTheNext) {
  testing_support::Folded folded;
  auto& accounts = folded.rows.accounts;
  accounts.put("a", {}, 5);
  EXPECT_EQ(accounts.trim(4, 10), 1U);
  EXPECT_EQ(accounts.trim(5, 10), 1U);
  EXPECT_EQ(accounts.size(), 0U);
  accounts.put("b", {}, 6);
  accounts.clear();
  EXPECT_EQ(accounts.trim(9, 10), 0U);
}

}  // namespace
}  // namespace payonce::core
