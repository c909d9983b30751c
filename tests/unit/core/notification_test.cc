// The outbox: one delivery for each channel, each with its own attempts and its own schedule.
#include "unit/core/saga_fixture.h"

namespace payonce::core {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr NotifyChannel kLog = NotifyChannel::kLog;
constexpr NotifyChannel kWebhook = NotifyChannel::kWebhook;
constexpr NotifyChannel kSmtp = NotifyChannel::kSmtp;

class NotificationTest : public SagaFixture {
 protected:
  NotificationTest() { world.rules.webhook_delays_ms = {5'000, 300'000}; }
  void succeed(std::uint32_t channels) {
    world.rules.channels = channels;
    start();
    world.gateway("pay_1", 1, GatewayReply::kConfirmed);
  }
  const Delivery& delivery(NotifyChannel channel) { return *find_delivery(payment(), channel); }
  std::vector<NotifyChannel> sent_by() const {
    std::vector<NotifyChannel> all;
    for (const Effect& effect : world.added.effects) {
      if (const auto* send = std::get_if<SendNotification>(&effect)) {
        all.push_back(send->channel);
      }
    }
    return all;
  }
  static constexpr std::uint32_t kAll =
      channel_bit(kLog) | channel_bit(kWebhook) | channel_bit(kSmtp);
};

TEST_F(NotificationTest, End_IsToldByEveryChannelOfThePayment) {
  succeed(kAll);
  EXPECT_THAT(sent_by(), ElementsAre(kLog, kWebhook, kSmtp));
  const auto& send = std::get<SendNotification>(world.added.effects[1]);
  EXPECT_EQ(send.attempt, 1U);
  EXPECT_EQ(send.not_before, world.now);
  EXPECT_EQ(send.status, PaymentStatus::kSuccess);
  EXPECT_EQ(send.ended_at, world.now);
  EXPECT_EQ(send.user_id, "alice");
  EXPECT_EQ(payment().step, PaymentStep::kNotify);
}

TEST_F(NotificationTest, Cancel_IsToldAsWell) {
  world.rules.channels = channel_bit(kWebhook);
  start();
  world.cancel("pay_1");
  EXPECT_THAT(sent_by(), IsEmpty());
  world.undo("pay_1", 1, UndoReply::kDone);
  ASSERT_THAT(sent_by(), ElementsAre(kWebhook));
  EXPECT_EQ(std::get<SendNotification>(world.added.effects[0]).status, PaymentStatus::kCancelled);
}

TEST_F(NotificationTest, NoChannels_AreDoneAtOnce) {
  succeed(0);
  EXPECT_THAT(sent_by(), IsEmpty());
  EXPECT_THAT(payment().deliveries, IsEmpty());
  EXPECT_EQ(payment().step, PaymentStep::kDone);
  EXPECT_THAT(world.state.indexes.waiting(), IsEmpty());
}

TEST_F(NotificationTest, Channels_DoNotWaitForEachOther) {
  succeed(kAll);
  world.notified("pay_1", 1, NotifyReply::kDelivered, kSmtp);
  EXPECT_EQ(delivery(kSmtp).state, NotifyState::kSent);
  world.notified("pay_1", 1, NotifyReply::kFailed, kLog);
  EXPECT_EQ(delivery(kLog).state, NotifyState::kPending);
  EXPECT_EQ(delivery(kWebhook).attempts, 0U);
  EXPECT_EQ(payment().step, PaymentStep::kNotify);
  world.notified("pay_1", 1, NotifyReply::kDelivered, kWebhook);
  world.notified("pay_1", 2, NotifyReply::kDelivered, kLog);
  EXPECT_EQ(payment().step, PaymentStep::kDone);
  EXPECT_THAT(world.state.indexes.waiting(), IsEmpty());
}

TEST_F(NotificationTest, ChannelThatThePaymentDoesNotHave_IsStale) {
  succeed(channel_bit(kLog));
  expect_stale(world.notified("pay_1", 1, NotifyReply::kDelivered, kWebhook));
  expect_stale(world.notified("pay_1", 1, NotifyReply::kGone, kSmtp));
}

TEST_F(NotificationTest, AnotherAttempt_IsStale) {
  succeed(kAll);
  for (const NotifyChannel channel : kNotifyChannels) {
    for (const std::uint32_t attempt : {0U, 2U}) {
      expect_stale(world.notified("pay_1", attempt, NotifyReply::kDelivered, channel));
    }
    world.notified("pay_1", 1, NotifyReply::kDelivered, channel);
    expect_stale(world.notified("pay_1", 1, NotifyReply::kDelivered, channel));
    expect_stale(world.notified("pay_1", 2, NotifyReply::kFailed, channel));
  }
}

TEST_F(NotificationTest, Webhook_FollowsItsSchedule) {
  succeed(channel_bit(kWebhook));
  for (std::uint32_t attempt = 1; attempt <= 2; ++attempt) {
    world.notified("pay_1", attempt, NotifyReply::kFailed, kWebhook);
    ASSERT_THAT(world.events(), ElementsAre("notification_retry_scheduled"));
    const Duration delay = delivery(kWebhook).not_before - world.now;
    const auto scheduled =
        Duration::ms(static_cast<std::int64_t>(world.rules.webhook_delays_ms[attempt - 1]));
    EXPECT_LE(delay.us, scheduled.us);
    EXPECT_GE(delay.us, scheduled.us * 9 / 10);  // less the jitter
    world.now = delivery(kWebhook).not_before;
  }
  world.notified("pay_1", 3, NotifyReply::kFailed, kWebhook);
  EXPECT_THAT(world.events(), ElementsAre("notification_exhausted"));
  EXPECT_THAT(world.effects(), IsEmpty());
  EXPECT_EQ(payment().step, PaymentStep::kDone);
}

TEST_F(NotificationTest, WebhookWithoutASchedule_IsTriedOnce) {
  world.rules.webhook_delays_ms.clear();
  succeed(channel_bit(kWebhook));
  world.notified("pay_1", 1, NotifyReply::kFailed, kWebhook);
  EXPECT_THAT(world.events(), ElementsAre("notification_exhausted"));
}

// The log was the only channel once: its retries come when they came then. The others have times
// of their own, so that the channels do not come in one instant.
TEST_F(NotificationTest, OtherChannels_FollowTheRetryPolicy) {
  succeed(channel_bit(kLog) | channel_bit(kSmtp));
  world.notified("pay_1", 1, NotifyReply::kFailed, kLog);
  world.notified("pay_1", 1, NotifyReply::kFailed, kSmtp);
  EXPECT_EQ(delivery(kLog).not_before,
            world.now + retry_delay(world.rules.notify_retry, 1, "pay_1/notify"));
  EXPECT_EQ(delivery(kSmtp).not_before,
            world.now + retry_delay(world.rules.notify_retry, 1, "pay_1/notify-smtp"));
}

TEST_F(NotificationTest, Gone_IsNeverTriedAgainByItself) {
  succeed(kAll);
  world.notified("pay_1", 1, NotifyReply::kGone, kWebhook);
  EXPECT_THAT(world.events(), ElementsAre("notification_exhausted"));
  EXPECT_THAT(world.effects(), IsEmpty());
  EXPECT_EQ(delivery(kWebhook).state, NotifyState::kExhausted);
  EXPECT_EQ(delivery(kWebhook).error, "unreachable");
  EXPECT_THAT(world.state.indexes.keys(Index::kExhausted), ElementsAre("notify-webhook:pay_1"));
}

TEST_F(NotificationTest, Retried_HasItsAttemptsAgain) {
  succeed(channel_bit(kWebhook));
  world.notified("pay_1", 1, NotifyReply::kGone, kWebhook);
  world.now = world.now + Duration::seconds(60);
  const Outcome outcome =
      world.handle(RetryNotification{.payment_id = "pay_1", .channel = kWebhook});
  EXPECT_EQ(outcome.kind, OutcomeKind::kTaskRetried);
  EXPECT_THAT(world.events(), ElementsAre("notification_resumed"));
  EXPECT_EQ(delivery(kWebhook).attempts, 0U);
  EXPECT_THAT(world.state.indexes.keys(Index::kExhausted), IsEmpty());
  EXPECT_THAT(world.state.indexes.waiting(), ElementsAre("\x02pay_1"));
  ASSERT_THAT(sent_by(), ElementsAre(kWebhook));
  const auto& send = std::get<SendNotification>(world.added.effects[0]);
  EXPECT_EQ(send.attempt, 2U);  // numbers of calls are never used again
  EXPECT_EQ(send.not_before, world.now);
  expect_stale(world.notified("pay_1", 1, NotifyReply::kDelivered, kWebhook));
  world.notified("pay_1", 2, NotifyReply::kFailed, kWebhook);
  EXPECT_THAT(world.events(), ElementsAre("notification_retry_scheduled"));
  world.notified("pay_1", 3, NotifyReply::kDelivered, kWebhook);
  EXPECT_EQ(delivery(kWebhook).state, NotifyState::kSent);
}

TEST_F(NotificationTest, RetryOfWhatIsNotUsedUp_IsRefused) {
  succeed(channel_bit(kWebhook));
  const auto retry = [&](const char* id, NotifyChannel channel) {
    return world.handle(RetryNotification{.payment_id = id, .channel = channel});
  };
  expect_refused(retry("pay_1", kWebhook), OutcomeKind::kTaskNotExhausted);
  expect_refused(retry("pay_1", kLog), OutcomeKind::kTaskNotFound);
  expect_refused(retry("nothing", kWebhook), OutcomeKind::kTaskNotFound);
  world.notified("pay_1", 1, NotifyReply::kDelivered, kWebhook);
  expect_refused(retry("pay_1", kWebhook), OutcomeKind::kTaskNotExhausted);
}

TEST_F(NotificationTest, WhateverBecomesOfIt_ThePaymentStays) {
  succeed(kAll);
  const std::string ledger = dump(alice()) + dump(hold());
  for (const NotifyChannel channel : kNotifyChannels) {
    world.notified("pay_1", 1, NotifyReply::kGone, channel);
    EXPECT_EQ(payment().status, PaymentStatus::kSuccess);
    EXPECT_EQ(dump(alice()) + dump(hold()), ledger);
  }
  EXPECT_EQ(payment().step, PaymentStep::kDone);
}

TEST_F(NotificationTest, Fold_RefusesWhatTheOutboxDoesNotWaitFor) {
  succeed(channel_bit(kWebhook));
  const auto refuse = [&](const Event& event) {
    expect_fold_refuses(StreamKind::kPayment, "pay_1", event);
  };
  refuse(NotificationSent{.attempt = 1, .channel = kLog});
  refuse(NotificationSent{.attempt = 2, .channel = kWebhook});
  refuse(NotificationResumed{.channel = kWebhook});
  refuse(NotificationExhausted{.attempt = 0, .error = {}, .channel = kWebhook});
}

}  // namespace
}  // namespace payonce::core
