// Which tasks a change releases, and whether one that was released is still wanted.
#include "core/effects.h"

#include <gmock/gmock.h>

#include "unit/core/saga_fixture.h"

namespace payonce::core {
namespace {

using testing::IsEmpty;
using testing::SizeIs;

FraudCheck running_check() {
  FraudCheck check;
  check.id = "fraud-check-pay_1";
  check.payment_id = "pay_1";
  check.result = FraudResult::kRunning;
  check.rules.mode = FraudMode::kTask;
  check.deadline = kStart + Duration::seconds(600);
  return check;
}

Refund open_refund() {
  Refund refund;
  refund.id = "re_1";
  refund.payment_id = "pay_1";
  refund.amount = usd(100);
  return refund;
}

CallGateway gateway_call() {
  CallGateway call;
  call.attempt = 1;
  return call;
}

CheckFraud fraud_call(std::uint32_t attempt) {
  CheckFraud call;
  call.attempt = attempt;
  return call;
}

RefundAtGateway refund_call(std::uint32_t number) {
  RefundAtGateway call;
  call.call = number;
  return call;
}

TEST(NewEffects, FraudCheckThatWaitsForTheSameAsBefore_ReleasesNothing) {
  const FraudCheck check = running_check();
  Outcome outcome;
  outcome.fraud = &check;
  std::vector<Effect> out;
  append_new_effects(outcome, waits_of(nullptr, &check, nullptr), out);
  EXPECT_THAT(out, IsEmpty());
  append_new_effects(outcome, Waits{}, out);
  EXPECT_THAT(out, SizeIs(2));
}

TEST(NewEffects, RefundThatWaitsForTheSameAsBefore_ReleasesNothing) {
  const Refund refund = open_refund();
  Outcome outcome;
  outcome.refund = &refund;
  std::vector<Effect> out;
  append_new_effects(outcome, waits_of(nullptr, nullptr, &refund), out);
  EXPECT_THAT(out, IsEmpty());
  append_new_effects(outcome, Waits{}, out);
  EXPECT_THAT(out, SizeIs(1));
}

TEST(NewEffects, PaymentThatWaitsForTheSameCallbackAsBefore_ReleasesNothing) {
  Payment payment;
  payment.gateway = GatewayState::kAccepted;
  payment.callback_deadline = kStart;
  Outcome outcome;
  outcome.payment = &payment;
  std::vector<Effect> out;
  append_new_effects(outcome, waits_of(&payment, nullptr, nullptr), out);
  EXPECT_THAT(out, IsEmpty());
  append_new_effects(outcome, Waits{}, out);
  EXPECT_THAT(out, SizeIs(1));
}

TEST(Wanted, TaskOfARowThatIsNotThere_IsNot) {
  const Payment* no_payment = nullptr;
  const FraudCheck* no_check = nullptr;
  const Refund* no_refund = nullptr;
  EXPECT_FALSE(wanted(CallGateway{}, no_payment));
  EXPECT_FALSE(wanted(CheckFraud{}, no_check));
  EXPECT_FALSE(wanted(RefundAtGateway{}, no_refund));
}

TEST(Wanted, NotificationByAChannelThatThePaymentDoesNotUse_IsNot) {
  Payment payment;
  payment.deliveries.emplace_back().channel = NotifyChannel::kLog;
  SendNotification send;
  send.channel = NotifyChannel::kLog;
  send.attempt = 1;
  EXPECT_TRUE(wanted(send, &payment));
  send.channel = NotifyChannel::kSmtp;
  EXPECT_FALSE(wanted(send, &payment));
}

TEST(Wanted, OnlyTheTaskOfTheNumberThatTheRowWaitsFor_Is) {
  const FraudCheck check = running_check();
  EXPECT_TRUE(wanted(fraud_call(1), &check));
  EXPECT_FALSE(wanted(fraud_call(2), &check));
  const Refund refund = open_refund();
  EXPECT_TRUE(wanted(refund_call(1), &refund));
  EXPECT_FALSE(wanted(refund_call(2), &refund));
}

TEST(Wanted, TimerOfAFraudCheck_IsUntilItsDeadlineIsAnother) {
  const FraudCheck check = running_check();
  StartTimer timer;
  timer.kind = StreamKind::kFraud;
  timer.due = check.deadline;
  EXPECT_TRUE(wanted(timer, &check));
  timer.due = timer.due + Duration::ms(1);
  EXPECT_FALSE(wanted(timer, &check));
}

TEST(Wanted, TaskOfAnotherKindOfWorkflow_IsNot) {
  Payment payment;
  payment.gateway = GatewayState::kPending;
  const FraudCheck check = running_check();
  const Refund refund = open_refund();
  EXPECT_TRUE(wanted(gateway_call(), &payment));
  EXPECT_FALSE(wanted(fraud_call(1), &payment));
  EXPECT_FALSE(wanted(gateway_call(), &check));
  EXPECT_FALSE(wanted(gateway_call(), &refund));
}

}  // namespace
}  // namespace payonce::core
