// Accepting and refusing payments.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <variant>

#include "support/machine_world.h"

namespace payonce::core {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing_support::currency;
using testing_support::kStart;
using testing_support::usd;
using testing_support::World;

TEST(CreatePayment, Accepted_HoldsTheMoneyAndCallsTheGateway) {
  World world;
  world.open("alice", 1000);
  world.now = kStart + Duration::seconds(1);
  const Outcome outcome = world.pay("pay_1", "alice", usd(300));
  EXPECT_EQ(outcome.kind, OutcomeKind::kPaymentAccepted);
  EXPECT_THAT(world.events(), ElementsAre("payment_created", "account_opened", "funds_held"));
  ASSERT_NE(outcome.payment, nullptr);
  const Payment& payment = *outcome.payment;
  EXPECT_EQ(payment.status, PaymentStatus::kPending);
  EXPECT_EQ(payment.step, PaymentStep::kGateway);
  EXPECT_EQ(payment.failure, FailureCode::kNone);
  EXPECT_EQ(payment.gateway, GatewayState::kPending);
  EXPECT_EQ(payment.gateway_attempts, 0U);
  EXPECT_THAT(payment.deliveries, IsEmpty());
  EXPECT_EQ(payment.fraud, FraudResult::kNone);
  EXPECT_EQ(payment.created_at, world.now);
  EXPECT_EQ(world.account("alice").available(), 700);
  EXPECT_EQ(world.account("alice").posted, 1000);
  ASSERT_EQ(world.added.effects.size(), 1U);
  const auto& call = std::get<CallGateway>(world.added.effects[0]);
  EXPECT_EQ(call.payment_id, "pay_1");
  EXPECT_EQ(call.attempt, 1U);
  EXPECT_EQ(call.not_before, world.now);
  EXPECT_EQ(call.amount, usd(300));
  EXPECT_EQ(call.payment_method, "pm_ok");
}

TEST(CreatePayment, GatewayAccount_IsOpenedOncePerCurrency) {
  World world;
  world.open("alice", 1000);
  world.pay("pay_1", "alice", usd(300));
  world.pay("pay_2", "alice", usd(300));
  EXPECT_THAT(world.events(), ElementsAre("payment_created", "funds_held"));
}

TEST(CreatePayment, WithoutId_GetsOneOfItsOwn) {
  World world;
  world.open("alice", 1000);
  const std::string first = world.pay("", "alice", usd(1)).payment->id;
  const std::string second = world.pay("", "alice", usd(1)).payment->id;
  EXPECT_TRUE(first.starts_with("pay_"));
  EXPECT_TRUE(valid_id(first));
  EXPECT_NE(first, second);
  EXPECT_EQ(world.account("alice").held, 2);
}

TEST(CreatePayment, ExactlyTheAvailableAmount_IsAccepted) {
  World world;
  world.open("alice", 1000);
  EXPECT_EQ(world.pay("pay_1", "alice", usd(1000)).kind, OutcomeKind::kPaymentAccepted);
  EXPECT_EQ(world.account("alice").available(), 0);
}

// A refusal is a payment that failed: recorded, ended, and nothing is held, sent or told.
void expect_refused(World& world, const Outcome& outcome, FailureCode code) {
  EXPECT_EQ(outcome.kind, OutcomeKind::kPaymentRefused);
  EXPECT_THAT(world.events(), ElementsAre("payment_created", "payment_refused"));
  ASSERT_NE(outcome.payment, nullptr);
  EXPECT_EQ(outcome.payment->status, PaymentStatus::kFail);
  EXPECT_EQ(outcome.payment->step, PaymentStep::kDone);
  EXPECT_EQ(outcome.payment->failure, code);
  EXPECT_EQ(outcome.payment->gateway, GatewayState::kNone);
  EXPECT_THAT(outcome.payment->deliveries, IsEmpty());
  EXPECT_EQ(outcome.payment->compensation, CompensationState::kNone);
  ASSERT_EQ(world.added.effects.size(), 1U);
  EXPECT_EQ(std::get<WorkflowEnded>(world.added.effects[0]).id, outcome.payment->id);
}

TEST(CreatePayment, UnknownAccount_IsRefused) {
  World world;
  const Outcome outcome = world.pay("pay_1", "nobody", usd(1));
  expect_refused(world, outcome, FailureCode::kAccountNotFound);
  EXPECT_THAT(outcome.payment->failure_message, HasSubstr("nobody"));
}

TEST(CreatePayment, FromASystemAccount_IsRefusedAsUnknown) {
  World world;
  world.open("alice", 1000);
  world.pay("pay_1", "alice", usd(1));
  for (const char* id : {"sys:funding:USD", "sys:gateway:USD"}) {
    expect_refused(world, world.pay(std::string("by ") + id, id, usd(1)),
                   FailureCode::kAccountNotFound);
  }
}

TEST(CreatePayment, OtherCurrencyThanTheAccount_IsRefused) {
  World world;
  world.open("alice", 1000);
  const Outcome outcome = world.pay("pay_1", "alice", Money{1, currency("EUR")});
  expect_refused(world, outcome, FailureCode::kCurrencyMismatch);
  EXPECT_EQ(outcome.payment->failure_message, "account alice holds USD, the payment is in EUR");
}

TEST(CreatePayment, MoreThanIsAvailable_IsRefused) {
  World world;
  world.open("alice", 1000);
  world.pay("pay_1", "alice", usd(600));
  const Outcome outcome = world.pay("pay_2", "alice", usd(401));
  expect_refused(world, outcome, FailureCode::kInsufficientFunds);
  EXPECT_EQ(outcome.payment->failure_message, "insufficient funds: available 4.00, payment 4.01");
  EXPECT_EQ(world.account("alice").available(), 400);
}

TEST(CreatePayment, SameIdAndContent_IsTheSamePayment) {
  World world;
  world.open("alice", 1000);
  world.pay("pay_1", "alice", usd(300));
  const Outcome outcome = world.pay("pay_1", "alice", usd(300));
  EXPECT_EQ(outcome.kind, OutcomeKind::kPaymentExisting);
  EXPECT_THAT(world.added.records, IsEmpty());
  EXPECT_THAT(world.added.effects, IsEmpty());
  ASSERT_NE(outcome.payment, nullptr);
  EXPECT_EQ(outcome.depends_on, outcome.payment->stream_last);
  EXPECT_EQ(world.account("alice").held, 300);
}

TEST(CreatePayment, SameIdAndContentAfterARefusal_IsTheSameRefusal) {
  World world;
  world.pay("pay_1", "alice", usd(300));
  world.open("alice", 1000);
  const Outcome outcome = world.pay("pay_1", "alice", usd(300));
  EXPECT_EQ(outcome.kind, OutcomeKind::kPaymentExisting);
  EXPECT_EQ(outcome.payment->failure, FailureCode::kAccountNotFound);
}

TEST(CreatePayment, SameContentUnderOtherRules_IsTheSamePayment) {
  World world;
  world.open("alice", 1000);
  world.pay("pay_1", "alice", usd(300));
  world.rules.gateway_retry.maximum_attempts = 99;
  EXPECT_EQ(world.pay("pay_1", "alice", usd(300)).kind, OutcomeKind::kPaymentExisting);
  EXPECT_NE(world.payment_row("pay_1").rules.gateway_retry.maximum_attempts, 99U);
}

TEST(CreatePayment, SameIdAndAnyOtherContent_IsRefused) {
  World world;
  world.open("alice", 1000);
  world.open("bob", 1000);
  const CreatePayment first = world.payment("pay_1", "alice", usd(300));
  world.handle(first);
  const auto expect_exists = [&](auto&& change) {
    CreatePayment other = first;
    change(other.content);
    const Outcome outcome = world.handle(other);
    EXPECT_EQ(outcome.kind, OutcomeKind::kPaymentExists);
    EXPECT_THAT(world.added.records, IsEmpty());
    EXPECT_NE(outcome.payment, nullptr);
  };
  expect_exists([](PaymentContent& content) { content.user_id = "bob"; });
  expect_exists([](PaymentContent& content) { content.amount.minor = 301; });
  expect_exists([](PaymentContent& content) { content.amount.currency = currency("EUR"); });
  expect_exists([](PaymentContent& content) { content.payment_method = "pm_other"; });
  expect_exists([](PaymentContent& content) { content.description = "x"; });
  expect_exists([](PaymentContent& content) { content.metadata = "{}"; });
}

TEST(CreatePayment, VersionAndRules_AreRecordedAndKept) {
  World world;
  world.open("alice", 1000);
  world.rules.gateway_retry = {.initial_interval_ms = 7,
                               .backoff_coefficient_permille = 1700,
                               .maximum_interval_ms = 70,
                               .maximum_attempts = 3};
  world.rules.notify_retry = {.initial_interval_ms = 9,
                              .backoff_coefficient_permille = 1900,
                              .maximum_interval_ms = 90,
                              .maximum_attempts = 4};
  world.rules.callback_timeout = Duration::seconds(11);
  world.rules.webhook_delays_ms = {5, 300'000};
  world.pay("pay_1", "alice", usd(300));
  const auto& created = std::get<PaymentCreated>(world.added.records[0].event);
  EXPECT_EQ(created.rules, world.rules);
  const PaymentRules born_with = world.rules;
  world.rules = {};
  world.pay("pay_2", "alice", usd(300));
  EXPECT_EQ(world.payment_row("pay_1").rules, born_with);
  EXPECT_EQ(world.payment_row("pay_1").rules.version, 1U);
}

TEST(CreatePayment, OneAfterAnother_SeeEachOther) {
  World world;
  world.open("alice", 1000);
  EXPECT_EQ(world.pay("pay_1", "alice", usd(600)).kind, OutcomeKind::kPaymentAccepted);
  EXPECT_EQ(world.pay("pay_2", "alice", usd(600)).kind, OutcomeKind::kPaymentRefused);
}

TEST(PaymentIndexes, ByTimeUserAndStatus_AndWakeups) {
  World world;
  world.open("alice", 1000);
  world.open("bob", 1000);
  world.pay("pay_b", "bob", usd(1));
  world.pay("pay_a", "alice", usd(1));
  world.pay("pay_refused", "alice", usd(5000));
  const auto& indexes = world.state.indexes;
  EXPECT_THAT(indexes.values(Index::kPaymentsByTime), ElementsAre("pay_b", "pay_a", "pay_refused"));
  EXPECT_THAT(indexes.values(Index::kPaymentsByUser), ElementsAre("pay_a", "pay_refused", "pay_b"));
  EXPECT_THAT(indexes.values(Index::kPaymentsByStatus),
              ElementsAre("pay_b", "pay_a", "pay_refused"));
  EXPECT_THAT(indexes.waiting(), ElementsAre("\x02pay_a", "\x02pay_b"));
}

}  // namespace
}  // namespace payonce::core
