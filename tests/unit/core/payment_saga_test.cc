// A payment from the hold to its end: gateway results, retries, compensation, notification.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <variant>
#include <vector>

#include "support/machine_world.h"

namespace payonce::core {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing_support::dump;
using testing_support::kStart;
using testing_support::usd;
using testing_support::World;

// One payment "pay_1" of 3.00 by alice, who had 10.00; three attempts at the gateway and three
// notifications.
class SagaTest : public testing::Test {
 protected:
  SagaTest() {
    world.rules.gateway_retry.maximum_attempts = 3;
    world.rules.notify_retry.maximum_attempts = 3;
    world.open("alice", 1000);
    world.pay("pay_1", "alice", usd(300));
    world.now = kStart + Duration::seconds(1);
  }

  const Payment& payment() { return world.payment_row("pay_1"); }
  const Delivery& delivery() { return payment().deliveries.at(0); }
  const Transfer& hold() { return *world.state.rows.transfers.find("pay_1/hold"); }
  void expect_stale(const Outcome& outcome) {
    EXPECT_EQ(outcome.kind, OutcomeKind::kResultStale);
    EXPECT_THAT(world.added.records, IsEmpty());
    EXPECT_THAT(world.added.effects, IsEmpty());
  }

  World world;
};

TEST_F(SagaTest, Confirmed_PostsTheHoldAndSucceeds) {
  const Outcome outcome = world.gateway("pay_1", 1, GatewayReply::kConfirmed, "gw_77");
  EXPECT_EQ(outcome.kind, OutcomeKind::kResultApplied);
  EXPECT_THAT(world.events(), ElementsAre("gateway_confirmed", "hold_posted", "payment_succeeded"));
  EXPECT_EQ(payment().status, PaymentStatus::kSuccess);
  EXPECT_EQ(payment().step, PaymentStep::kNotify);
  EXPECT_EQ(payment().gateway, GatewayState::kConfirmed);
  EXPECT_EQ(payment().gateway_attempts, 1U);
  EXPECT_EQ(payment().gateway_reference, "gw_77");
  EXPECT_EQ(payment().gateway_error, "");
  EXPECT_EQ(payment().failure, FailureCode::kNone);
  EXPECT_EQ(payment().compensation, CompensationState::kNone);
  EXPECT_EQ(payment().updated_at, world.now);
  EXPECT_EQ(hold().state, TransferState::kPosted);
  EXPECT_EQ(world.account("alice").posted, 700);
  EXPECT_EQ(world.account("alice").held, 0);
  EXPECT_EQ(world.account("sys:gateway:USD").posted, 300);
}

TEST_F(SagaTest, Confirmed_ReleasesTheNotificationAndTheWaiters) {
  world.gateway("pay_1", 1, GatewayReply::kConfirmed);
  ASSERT_EQ(world.added.effects.size(), 2U);
  const auto& send = std::get<SendNotification>(world.added.effects[0]);
  EXPECT_EQ(send.payment_id, "pay_1");
  EXPECT_EQ(send.attempt, 1U);
  EXPECT_EQ(send.not_before, world.now);
  EXPECT_EQ(send.user_id, "alice");
  EXPECT_EQ(send.amount, usd(300));
  EXPECT_EQ(send.status, PaymentStatus::kSuccess);
  EXPECT_EQ(send.failure, FailureCode::kNone);
  EXPECT_EQ(std::get<WorkflowEnded>(world.added.effects[1]).id, "pay_1");
}

TEST_F(SagaTest, Declined_ReleasesTheHoldAndFails) {
  world.gateway("pay_1", 1, GatewayReply::kDeclined, "card_stolen");
  EXPECT_THAT(world.events(), ElementsAre("gateway_declined", "hold_voided", "payment_failed"));
  EXPECT_EQ(payment().status, PaymentStatus::kFail);
  EXPECT_EQ(payment().step, PaymentStep::kNotify);
  EXPECT_EQ(payment().failure, FailureCode::kGatewayDeclined);
  EXPECT_EQ(payment().failure_message, "the gateway declined the payment: card_stolen");
  EXPECT_EQ(payment().gateway, GatewayState::kDeclined);
  EXPECT_EQ(payment().gateway_error, "card_stolen");
  EXPECT_EQ(payment().compensation, CompensationState::kCompleted);
  EXPECT_EQ(hold().state, TransferState::kVoided);
  EXPECT_EQ(world.account("alice").available(), 1000);
  EXPECT_EQ(world.account("sys:gateway:USD").posted, 0);
  ASSERT_EQ(world.added.effects.size(), 2U);
  EXPECT_EQ(std::get<SendNotification>(world.added.effects[0]).failure,
            FailureCode::kGatewayDeclined);
}

TEST_F(SagaTest, TemporaryFailure_SchedulesTheNextAttemptAfterTheDelay) {
  world.gateway("pay_1", 1, GatewayReply::kTemporaryFailure, "503");
  EXPECT_THAT(world.events(), ElementsAre("gateway_retry_scheduled"));
  const Timestamp due = world.now + retry_delay(world.rules.gateway_retry, 1, "pay_1");
  EXPECT_EQ(payment().status, PaymentStatus::kProcessing);
  EXPECT_EQ(payment().step, PaymentStep::kGateway);
  EXPECT_EQ(payment().gateway, GatewayState::kRetrying);
  EXPECT_EQ(payment().gateway_attempts, 1U);
  EXPECT_EQ(payment().gateway_not_before, due);
  EXPECT_EQ(payment().gateway_error, "503");
  EXPECT_EQ(world.account("alice").held, 300);
  ASSERT_EQ(world.added.effects.size(), 1U);
  const auto& call = std::get<CallGateway>(world.added.effects[0]);
  EXPECT_EQ(call.payment_id, "pay_1");  // the gateway's key: the same for every attempt
  EXPECT_EQ(call.attempt, 2U);
  EXPECT_EQ(call.not_before, due);
}

TEST_F(SagaTest, Backoff_GrowsFromAttemptToAttempt) {
  world.gateway("pay_1", 1, GatewayReply::kTemporaryFailure);
  const Duration first = payment().gateway_not_before - world.now;
  world.now = payment().gateway_not_before;
  world.gateway("pay_1", 2, GatewayReply::kTemporaryFailure);
  const Duration second = payment().gateway_not_before - world.now;
  EXPECT_EQ(first, retry_delay(payment().rules.gateway_retry, 1, "pay_1"));
  EXPECT_EQ(second, retry_delay(payment().rules.gateway_retry, 2, "pay_1"));
  EXPECT_GT(second.us, first.us * 3 / 2);
}

TEST_F(SagaTest, FlakyGateway_SucceedsAtTheLastAttempt) {
  world.gateway("pay_1", 1, GatewayReply::kTemporaryFailure);
  world.gateway("pay_1", 2, GatewayReply::kTemporaryFailure);
  world.gateway("pay_1", 3, GatewayReply::kConfirmed);
  EXPECT_EQ(payment().status, PaymentStatus::kSuccess);
  EXPECT_EQ(payment().gateway_attempts, 3U);
  EXPECT_EQ(payment().gateway_error, "");
  EXPECT_EQ(world.account("alice").posted, 700);
}

TEST_F(SagaTest, AttemptsExhausted_FailAsGatewayUnavailable) {
  world.gateway("pay_1", 1, GatewayReply::kTemporaryFailure);
  world.gateway("pay_1", 2, GatewayReply::kTemporaryFailure);
  world.gateway("pay_1", 3, GatewayReply::kTemporaryFailure, "still down");
  EXPECT_THAT(world.events(), ElementsAre("gateway_exhausted", "hold_voided", "payment_failed"));
  EXPECT_EQ(payment().status, PaymentStatus::kFail);
  EXPECT_EQ(payment().failure, FailureCode::kGatewayUnavailable);
  EXPECT_EQ(payment().failure_message, "the gateway did not answer after 3 attempts: still down");
  EXPECT_EQ(payment().gateway, GatewayState::kUnavailable);
  EXPECT_EQ(payment().gateway_attempts, 3U);
  EXPECT_EQ(payment().compensation, CompensationState::kCompleted);
  EXPECT_EQ(world.account("alice").available(), 1000);
}

TEST_F(SagaTest, RulesOfBirth_DecideAboutRetriesLater) {
  world.rules.gateway_retry.maximum_attempts = 1;  // of new payments only
  world.gateway("pay_1", 1, GatewayReply::kTemporaryFailure);
  EXPECT_EQ(payment().gateway, GatewayState::kRetrying);
}

TEST_F(SagaTest, ResultOfAnotherAttempt_IsStale) {
  for (const std::uint32_t attempt : {0U, 2U, 3U, 4'294'967'295U}) {
    for (const GatewayReply reply :
         {GatewayReply::kConfirmed, GatewayReply::kDeclined, GatewayReply::kTemporaryFailure}) {
      expect_stale(world.gateway("pay_1", attempt, reply));
    }
  }
  world.gateway("pay_1", 1, GatewayReply::kTemporaryFailure);
  expect_stale(world.gateway("pay_1", 1, GatewayReply::kConfirmed));
  EXPECT_EQ(payment().status, PaymentStatus::kProcessing);
}

TEST_F(SagaTest, ResultAfterSuccess_IsStale) {
  world.gateway("pay_1", 1, GatewayReply::kConfirmed);
  const std::string before = dump(payment());
  for (const std::uint32_t attempt : {1U, 2U}) {
    expect_stale(world.gateway("pay_1", attempt, GatewayReply::kConfirmed));
    expect_stale(world.gateway("pay_1", attempt, GatewayReply::kDeclined));
    expect_stale(world.gateway("pay_1", attempt, GatewayReply::kTemporaryFailure));
  }
  EXPECT_EQ(dump(payment()), before);
  EXPECT_EQ(world.account("alice").posted, 700);
}

// But for a success, which is money that has to go back: late_refund_test.cc.
TEST_F(SagaTest, ResultAfterFailure_IsStale) {
  world.gateway("pay_1", 1, GatewayReply::kDeclined);
  const std::string before = dump(payment());
  for (const std::uint32_t attempt : {1U, 2U}) {
    for (const GatewayReply reply :
         {GatewayReply::kDeclined, GatewayReply::kTemporaryFailure, GatewayReply::kNoAnswer,
          GatewayReply::kAccepted, GatewayReply::kRefused}) {
      expect_stale(world.gateway("pay_1", attempt, reply));
    }
  }
  EXPECT_EQ(dump(payment()), before);
  EXPECT_EQ(world.account("alice").posted, 1000);
}

TEST_F(SagaTest, ResultForARefusedPayment_IsStale) {
  world.pay("pay_2", "nobody", usd(1));
  expect_stale(world.gateway("pay_2", 1, GatewayReply::kConfirmed));
  expect_stale(world.gateway("pay_2", 0, GatewayReply::kConfirmed));
  expect_stale(world.notified("pay_2", 1, true));
}

TEST_F(SagaTest, ResultForAnUnknownPayment_IsStale) {
  expect_stale(world.gateway("nothing", 1, GatewayReply::kConfirmed));
  expect_stale(world.gateway("", 1, GatewayReply::kConfirmed));
  expect_stale(world.notified("nothing", 1, true));
}

TEST_F(SagaTest, NotificationBeforeTheEnd_IsStale) {
  expect_stale(world.notified("pay_1", 1, true));
}

TEST_F(SagaTest, NotificationDelivered_EndsTheSaga) {
  world.gateway("pay_1", 1, GatewayReply::kConfirmed);
  EXPECT_EQ(world.notified("pay_1", 1, true).kind, OutcomeKind::kResultApplied);
  EXPECT_THAT(world.events(), ElementsAre("notification_sent"));
  EXPECT_THAT(world.added.effects, IsEmpty());
  EXPECT_EQ(payment().step, PaymentStep::kDone);
  EXPECT_EQ(delivery().state, NotifyState::kSent);
  EXPECT_EQ(delivery().attempts, 1U);
  expect_stale(world.notified("pay_1", 1, true));
  expect_stale(world.notified("pay_1", 2, true));
}

TEST_F(SagaTest, NotificationFailed_IsTriedAgainAfterTheDelay) {
  world.gateway("pay_1", 1, GatewayReply::kConfirmed);
  world.notified("pay_1", 1, false);
  EXPECT_THAT(world.events(), ElementsAre("notification_retry_scheduled"));
  const Timestamp due = world.now + retry_delay(world.rules.notify_retry, 1, "pay_1/notify");
  EXPECT_EQ(delivery().state, NotifyState::kPending);
  EXPECT_EQ(delivery().not_before, due);
  ASSERT_EQ(world.added.effects.size(), 1U);
  const auto& send = std::get<SendNotification>(world.added.effects[0]);
  EXPECT_EQ(send.attempt, 2U);
  EXPECT_EQ(send.not_before, due);
  expect_stale(world.notified("pay_1", 1, true));
}

TEST_F(SagaTest, NotificationsExhausted_EndTheSagaToo) {
  world.gateway("pay_1", 1, GatewayReply::kConfirmed);
  world.notified("pay_1", 1, false);
  world.notified("pay_1", 2, false);
  world.notified("pay_1", 3, false);
  EXPECT_THAT(world.events(), ElementsAre("notification_exhausted"));
  EXPECT_THAT(world.added.effects, IsEmpty());
  EXPECT_EQ(payment().step, PaymentStep::kDone);
  EXPECT_EQ(delivery().state, NotifyState::kExhausted);
  expect_stale(world.notified("pay_1", 4, true));
}

TEST_F(SagaTest, Notification_NeverChangesMoneyOrStatus) {
  for (const GatewayReply reply : {GatewayReply::kConfirmed, GatewayReply::kDeclined}) {
    const std::string id = reply == GatewayReply::kConfirmed ? "pay_ok" : "pay_no";
    world.pay(id, "alice", usd(100));
    world.gateway(id, 1, reply);
    const PaymentStatus status = world.payment_row(id).status;
    const std::string alice = dump(world.account("alice"));
    const std::string clearing = dump(world.account("sys:gateway:USD"));
    for (std::uint32_t attempt = 1; attempt <= 3; ++attempt) {
      world.notified(id, attempt, false);
      EXPECT_EQ(world.payment_row(id).status, status);
      EXPECT_EQ(world.payment_row(id).step,
                attempt < 3 ? PaymentStep::kNotify : PaymentStep::kDone);
      EXPECT_EQ(dump(world.account("alice")), alice);
      EXPECT_EQ(dump(world.account("sys:gateway:USD")), clearing);
    }
  }
}

TEST_F(SagaTest, History_IsChainedThroughMoneyAndPayment) {
  world.gateway("pay_1", 1, GatewayReply::kTemporaryFailure);
  world.gateway("pay_1", 2, GatewayReply::kConfirmed);
  world.notified("pay_1", 1, true);
  std::vector<std::string> names;
  Seq before = 0;
  for (const Record& record : world.log) {
    if (record.kind != StreamKind::kPayment) {
      continue;
    }
    EXPECT_EQ(record.stream, "pay_1");
    EXPECT_EQ(record.previous, before);
    before = record.seq;
    names.emplace_back(event_name(record.event));
  }
  EXPECT_THAT(names, ElementsAre("payment_created", "funds_held", "gateway_retry_scheduled",
                                 "gateway_confirmed", "hold_posted", "payment_succeeded",
                                 "notification_sent"));
  EXPECT_EQ(payment().stream_last, before);
}

TEST_F(SagaTest, Wakeups_HoldThePaymentAsLongAsATaskIsOwed) {
  const auto waits = [&] { return world.state.indexes.waiting().size() == 1; };
  EXPECT_TRUE(waits());
  world.gateway("pay_1", 1, GatewayReply::kTemporaryFailure);
  EXPECT_TRUE(waits());
  world.gateway("pay_1", 2, GatewayReply::kConfirmed);
  EXPECT_TRUE(waits());  // for the notification now
  world.notified("pay_1", 1, false);
  EXPECT_TRUE(waits());
  world.notified("pay_1", 2, true);
  EXPECT_FALSE(waits());
}

TEST_F(SagaTest, StatusIndex_FollowsTheStatusAndHoldsThePaymentOnce) {
  const auto statuses = [&] {
    std::vector<int> all;
    for (const std::string& key : world.state.indexes.keys(Index::kPaymentsByStatus)) {
      all.push_back(key[0]);
    }
    return all;
  };
  EXPECT_THAT(statuses(), ElementsAre(1));
  world.gateway("pay_1", 1, GatewayReply::kTemporaryFailure);
  EXPECT_THAT(statuses(), ElementsAre(2));
  world.gateway("pay_1", 2, GatewayReply::kConfirmed);
  EXPECT_THAT(statuses(), ElementsAre(3));
}

// The fold refuses what the saga does not permit, whatever a log may say.
TEST_F(SagaTest, Fold_RefusesEventsThatTheStateDoesNotWaitFor) {
  const auto refuse = [&](Event event) {
    Record record;
    record.seq = 1000;
    record.at = world.now;
    record.kind = StreamKind::kPayment;
    record.stream = "pay_1";
    record.event = std::move(event);
    const std::string before = dump(payment());
    EXPECT_FALSE(fold(world.state.rows, record)) << dump(record);
    EXPECT_EQ(dump(payment()), before);
  };
  refuse(PaymentCreated{});
  refuse(PaymentRefused{});
  refuse(PaymentSucceeded{});
  refuse(PaymentFailed{});
  refuse(GatewayConfirmed{.attempt = 2, .reference = {}});
  refuse(GatewayDeclined{.attempt = 0, .reason = {}});
  refuse(GatewayExhausted{.attempt = 3, .error = {}});
  refuse(GatewayRetryScheduled{.attempt = 2, .error = {}, .not_before = {}});
  refuse(NotificationSent{.attempt = 1});
  world.gateway("pay_1", 1, GatewayReply::kConfirmed);
  refuse(GatewayConfirmed{.attempt = 1, .reference = {}});
  refuse(GatewayConfirmed{.attempt = 2, .reference = {}});
  refuse(PaymentSucceeded{});
  refuse(PaymentFailed{});
  refuse(NotificationSent{.attempt = 2});
  refuse(NotificationExhausted{.attempt = 2, .error = {}});
  refuse(NotificationRetryScheduled{.attempt = 0, .error = {}, .not_before = {}});
  world.notified("pay_1", 1, true);
  refuse(NotificationSent{.attempt = 1});
  refuse(NotificationSent{.attempt = 2});
}

TEST_F(SagaTest, Fold_RefusesEventsOfAnUnknownPayment) {
  for (const Event& event : std::vector<Event>{
           PaymentRefused{}, GatewayConfirmed{.attempt = 1, .reference = {}}, PaymentSucceeded{},
           PaymentFailed{}, NotificationSent{.attempt = 1}, HoldVoided{.step = "hold"}}) {
    Record record;
    record.seq = 1000;
    record.kind = StreamKind::kPayment;
    record.stream = "nothing";
    record.event = event;
    EXPECT_FALSE(fold(world.state.rows, record)) << dump(record);
  }
}

template <class Enum>
void expect_names(int first, int last) {
  for (int i = first; i <= last; ++i) {
    EXPECT_NE(name(static_cast<Enum>(i)), "") << i;
  }
  EXPECT_EQ(name(static_cast<Enum>(first - 1)), "");
  EXPECT_EQ(name(static_cast<Enum>(last + 1)), "");
}

TEST(PaymentModel, EveryStoredNumber_HasAName) {
  expect_names<PaymentStatus>(1, 5);
  expect_names<PaymentStep>(1, 10);
  expect_names<FailureCode>(0, 12);
  expect_names<GatewayState>(0, 10);
  expect_names<NotifyState>(0, 3);
  expect_names<NotifyChannel>(1, 3);
  expect_names<CompensationState>(0, 3);
  expect_names<CompensationKind>(0, 3);
  expect_names<CompensationStepState>(1, 3);
  expect_names<CallbackOutcome>(1, 2);
  expect_names<CallbackEffect>(1, 3);
  expect_names<FraudMode>(0, 3);
  expect_names<FraudResult>(0, 5);
  expect_names<ParentClose>(1, 2);
  expect_names<RefundStatus>(1, 4);
  expect_names<StreamKind>(0, 5);
}

TEST(PaymentModel, OnlyEnds_AreTerminal) {
  EXPECT_FALSE(terminal(PaymentStatus::kPending));
  EXPECT_FALSE(terminal(PaymentStatus::kProcessing));
  EXPECT_TRUE(terminal(PaymentStatus::kSuccess));
  EXPECT_TRUE(terminal(PaymentStatus::kFail));
  EXPECT_TRUE(terminal(PaymentStatus::kCancelled));
}

}  // namespace
}  // namespace payonce::core
