// Version 2 of the payment: from an amount on, the fraud check comes before the gateway call.
#include "unit/core/saga_fixture.h"

namespace payonce::core {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class Version2Test : public SagaFixture {
 protected:
  Version2Test() {
    world.rules.version = kPaymentVersion2;
    world.rules.gate_minor = 300;
  }
  bool calls_the_gateway() {
    return std::ranges::any_of(world.added.effects, [](const Effect& effect) {
      return std::holds_alternative<CallGateway>(effect);
    });
  }
};

TEST_F(Version2Test, BelowTheThreshold_TheGatewayIsCalledAtOnce) {
  world.rules.gate_minor = 301;
  world.rules.fraud.mode = FraudMode::kManual;
  world.pay("pay_1", "alice", usd(300));
  EXPECT_EQ(payment().gateway, GatewayState::kPending);
  EXPECT_TRUE(calls_the_gateway());
}

TEST_F(Version2Test, AtAndAboveTheThreshold_TheGatewayWaitsForTheCheck) {
  for (const std::int64_t gate : {300, 299, 0}) {
    world.rules.gate_minor = gate;
    world.rules.fraud.mode = FraudMode::kManual;
    const std::string id = "pay_" + std::to_string(gate);
    world.pay(id, "alice", usd(300));
    EXPECT_EQ(world.payment_row(id).gateway, GatewayState::kGated);
    EXPECT_EQ(world.payment_row(id).step, PaymentStep::kFraudCheck);
    EXPECT_EQ(world.payment_row(id).status, PaymentStatus::kPending);
    EXPECT_FALSE(calls_the_gateway());
  }
  one_payment = false;
}

TEST_F(Version2Test, Version1_NeverWaits) {
  world.rules.version = kPaymentVersion1;
  world.rules.gate_minor = 0;
  world.rules.fraud.mode = FraudMode::kManual;
  world.pay("pay_1", "alice", usd(300));
  EXPECT_TRUE(calls_the_gateway());
}

TEST_F(Version2Test, WithoutACheck_ThereIsNothingToWaitFor) {
  world.pay("pay_1", "alice", usd(300));
  EXPECT_EQ(payment().gateway, GatewayState::kPending);
  EXPECT_TRUE(calls_the_gateway());
}

TEST_F(Version2Test, InlineCheck_ApprovesWithinTheCreateAndTheGatewayIsCalled) {
  world.rules.fraud.mode = FraudMode::kInline;
  world.pay("pay_1", "alice", usd(300));
  EXPECT_EQ(payment().gateway, GatewayState::kPending);
  EXPECT_EQ(payment().step, PaymentStep::kGateway);
  EXPECT_TRUE(calls_the_gateway());
}

TEST_F(Version2Test, Approved_CallsTheGatewayThen) {
  start(FraudMode::kTask);
  world.fraud("pay_1", 1, FraudReply::kApproved);
  EXPECT_THAT(world.events(), ElementsAre("fraud_check_decided", "fraud_check_ended"));
  EXPECT_EQ(payment().gateway, GatewayState::kPending);
  EXPECT_EQ(payment().step, PaymentStep::kGateway);
  ASSERT_EQ(world.added.effects.size(), 1U);
  const auto& call = std::get<CallGateway>(world.added.effects[0]);
  EXPECT_EQ(call.attempt, 1U);
  EXPECT_EQ(call.not_before, world.now);
  world.gateway("pay_1", 1, GatewayReply::kConfirmed);
  EXPECT_EQ(payment().status, PaymentStatus::kSuccess);
}

TEST_F(Version2Test, Rejected_FailsWithoutAnythingToUndoAtTheGateway) {
  start(FraudMode::kTask);
  world.fraud("pay_1", 1, FraudReply::kRejected, "too risky");
  EXPECT_THAT(world.events(), ElementsAre("fraud_check_decided", "fraud_check_ended", "hold_voided",
                                          "payment_failed"));
  EXPECT_EQ(payment().failure, FailureCode::kFraudRejected);
  EXPECT_EQ(payment().gateway, GatewayState::kNone);
  EXPECT_EQ(payment().gateway_attempts, 0U);
  EXPECT_EQ(alice().available(), 1000);
  EXPECT_FALSE(calls_the_gateway());
}

TEST_F(Version2Test, NoVerdictInTime_Fails) {
  start(FraudMode::kManual);
  world.now = check().deadline;
  world.fraud_timer("pay_1");
  EXPECT_EQ(payment().failure, FailureCode::kFraudTimeout);
  EXPECT_EQ(payment().gateway, GatewayState::kNone);
  EXPECT_EQ(alice().available(), 1000);
}

TEST_F(Version2Test, WhileItWaits_NoReplyOfTheGatewayCounts) {
  start(FraudMode::kManual);
  for (int reply = 1; reply <= 6; ++reply) {
    expect_stale(world.gateway("pay_1", 1, static_cast<GatewayReply>(reply)));
  }
  expect_stale(world.inquiry("pay_1", 1, InquiryReply::kConfirmed));
  world.callback("pay_1", CallbackOutcome::kConfirmed);
  EXPECT_THAT(world.events(), ElementsAre("callback_received"));
  EXPECT_EQ(std::get<CallbackReceived>(world.added.records[0].event).effect,
            CallbackEffect::kContradicts);
  EXPECT_EQ(payment().gateway, GatewayState::kGated);
  EXPECT_THAT(world.effects(), IsEmpty());
}

}  // namespace
}  // namespace payonce::core
