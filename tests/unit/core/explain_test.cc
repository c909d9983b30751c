// What a payment waits for, as it is told to people: who, what comes next, when, and how often it
// was tried.
#include "core/payment/explain.h"

#include "unit/core/saga_fixture.h"

namespace payonce::core {
namespace {

class ExplainTest : public SagaFixture {
 protected:
  Explanation now() {
    return explain(payment(), world.state.rows.frauds.find(fraud_check_id("pay_1")));
  }
  void expect(const std::string& waiting_for, const std::string& next_action,
              std::optional<Timestamp> due_at, std::uint32_t attempt, const std::string& error) {
    const Explanation told = now();
    EXPECT_EQ(told.waiting_for, waiting_for);
    EXPECT_EQ(told.next_action, next_action);
    EXPECT_EQ(told.due_at, due_at);
    EXPECT_EQ(told.attempt, attempt);
    EXPECT_EQ(told.last_error, error);
  }
};

TEST_F(ExplainTest, NewPayment_WaitsForItsChargeAtTheGateway) {
  start();
  expect("gateway", "charge at the gateway", kStart, 1, "");
}

TEST_F(ExplainTest, FailedCall_IsToldWithItsErrorAndTheTimeOfTheNext) {
  start();
  reach(GatewayState::kRetrying);
  expect("gateway", "charge at the gateway", payment().gateway_not_before, 2, "503");
}

TEST_F(ExplainTest, CallWithoutAnAnswer_WaitsForAnInquiry) {
  start();
  reach(GatewayState::kInDoubt);
  expect("gateway", "ask the gateway what became of the charge", payment().inquiry_not_before, 1,
         "read timeout");
}

TEST_F(ExplainTest, AcceptedCharge_WaitsForTheCallback) {
  start_accepted();
  expect("gateway_callback",
         "fail with callback_timeout and void the charge, unless the gateway calls back first",
         payment().callback_deadline, 0, "");
}

TEST_F(ExplainTest, ConfirmedCharge_WaitsForTheFraudCheckThatStillRuns) {
  start(FraudMode::kTask);
  reach(GatewayState::kConfirmed);
  expect("fraud_check", "ask the fraud check", kStart, 1, "");
  world.fraud("pay_1", 1, FraudReply::kFailed, "502");
  expect("fraud_check", "ask the fraud check", check().not_before, 2, "502");
}

TEST_F(ExplainTest, FraudCheckThatNobodyAsks_WaitsForAVerdictOrItsTimeOut) {
  start(FraudMode::kManual);
  reach(GatewayState::kConfirmed);
  expect("fraud_check", "fail with fraud_timeout and undo, unless a verdict comes first",
         check().deadline, 0, "");
}

TEST_F(ExplainTest, FraudCheckThatIsUsedUp_TellsItsLastError) {
  start(FraudMode::kTask);
  reach(GatewayState::kConfirmed);
  world.fraud("pay_1", 1, FraudReply::kFailed, "502");
  world.fraud("pay_1", 2, FraudReply::kFailed, "504");
  expect("fraud_check", "fail with fraud_timeout and undo, unless a verdict comes first",
         check().deadline, 0, "504");
}

TEST_F(ExplainTest, CancelledPayment_WaitsForTheVoid) {
  start();
  world.cancel("pay_1");
  expect("gateway", "void the charge at the gateway", world.now, 1, "");
  world.undo("pay_1", 1, UndoReply::kFailed, "503");
  expect("gateway", "void the charge at the gateway", payment().compensation_not_before, 2, "503");
}

TEST_F(ExplainTest, LateSuccess_WaitsForTheRefund) {
  start();
  world.gateway("pay_1", 1, GatewayReply::kDeclined);
  world.gateway("pay_1", 1, GatewayReply::kConfirmed);
  expect("gateway", "refund the charge at the gateway", world.now, 1, "");
}

TEST_F(ExplainTest, CompensationThatGaveUp_WaitsForAnOperator) {
  start();
  world.cancel("pay_1");
  world.undo("pay_1", 1, UndoReply::kFailed, "503");
  world.undo("pay_1", 2, UndoReply::kFailed, "504");
  expect("operator",
         "void the charge at the gateway, once POST /v1/payments/pay_1/retry-compensation asks for "
         "it",
         std::nullopt, 0, "504");
}

TEST_F(ExplainTest, EndedPayment_WaitsForItsNotificationAndThenForNothing) {
  start();
  reach(GatewayState::kConfirmed);
  expect("notification", "notify by log", world.now, 1, "");
  world.notified("pay_1", 1, false);
  expect("notification", "notify by log", payment().deliveries[0].not_before, 2, "unreachable");
  world.notified("pay_1", 2, true);
  expect("nothing", "none: the payment has ended", std::nullopt, 0, "");
}

TEST_F(ExplainTest, FraudCheckThatHasEnded_IsWaitedForNoMore) {
  start(FraudMode::kTask);
  reach(GatewayState::kConfirmed);
  world.fraud("pay_1", 1, FraudReply::kApproved);
  EXPECT_EQ(now().waiting_for, "notification");
}

// A check that was removed, or is not at hand, cannot be told about.
TEST_F(ExplainTest, FraudCheckThatIsNotAtHand_IsPassedOver) {
  start(FraudMode::kManual);
  reach(GatewayState::kConfirmed);
  EXPECT_EQ(explain(payment(), nullptr).waiting_for, "nothing");
}

TEST(Explain, CompensationWithoutAStep_IsToldAsWaitingForTheGateway) {
  Payment payment;
  payment.compensation = CompensationState::kRunning;
  EXPECT_EQ(explain(payment, nullptr).waiting_for, "gateway");
}

}  // namespace
}  // namespace payonce::core
