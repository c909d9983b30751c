#include "adapters/notification.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "adapters/log_notifier.h"
#include "support/notifications.h"

namespace payonce::adapters {
namespace {

using testing_support::notification;

TEST(Notification, Id_IsTheSameForEveryAttemptAndChannelAndAnotherForAnotherEnd) {
  auto message = notification(core::NotifyChannel::kWebhook, 1);
  const std::string id = notification_id(message);
  // printf pay_1/payment.success | sha256sum
  EXPECT_EQ(id, "msg_d36cac8223359a9ae98578dbeb7d35b9");
  EXPECT_EQ(notification_id(notification(core::NotifyChannel::kSmtp, 7)), id);
  message.status = core::PaymentStatus::kFail;
  EXPECT_NE(notification_id(message), id);
  message = notification(core::NotifyChannel::kWebhook);
  message.payment_id = "pay_2";
  EXPECT_NE(notification_id(message), id);
}

TEST(Notification, Type_NamesEveryEnd) {
  EXPECT_EQ(notification_type(core::PaymentStatus::kSuccess), "payment.success");
  EXPECT_EQ(notification_type(core::PaymentStatus::kFail), "payment.fail");
  EXPECT_EQ(notification_type(core::PaymentStatus::kCancelled), "payment.cancelled");
}

TEST(Notification, Answer_CarriesWhatTheEffectCarriedAndOneLineOfError) {
  const auto answer = answer_to(notification(core::NotifyChannel::kSmtp, 3),
                                core::NotifyReply::kFailed, "two\r\nlines \xc3\xa9");
  EXPECT_EQ(answer.payment_id, "pay_1");
  EXPECT_EQ(answer.channel, core::NotifyChannel::kSmtp);
  EXPECT_EQ(answer.attempt, 3U);
  EXPECT_EQ(answer.reply, core::NotifyReply::kFailed);
  EXPECT_EQ(answer.error, "two??lines ??");
  EXPECT_LT(answer_to(notification(core::NotifyChannel::kLog), core::NotifyReply::kFailed,
                      std::string(100'000, 'x'))
                .error.size(),
            1000U);
}

TEST(Notification, MockFailure_OnlyWhereMockMethodsAreHonoured) {
  auto message = notification(core::NotifyChannel::kWebhook, 2);
  EXPECT_FALSE(mock_failure(message, true));
  message.payment_method = "pm_flaky_2_pm_notify_fail";
  EXPECT_FALSE(mock_failure(message, false));
  const auto failure = mock_failure(message, true);
  ASSERT_TRUE(failure);
  EXPECT_EQ(failure->reply, core::NotifyReply::kFailed);
  EXPECT_EQ(failure->channel, core::NotifyChannel::kWebhook);
  EXPECT_EQ(failure->attempt, 2U);
  EXPECT_EQ(failure->error, "mock: pm_notify_fail");
}

TEST(LogNotifier, Send_WritesOneLineAndDelivers) {
  testing::internal::CaptureStderr();
  observe::Logger log(observe::Level::kInfo);
  LogNotifier notifier(log, true);
  const auto answer = notifier.send(notification(core::NotifyChannel::kLog, 4));
  auto message = notification(core::NotifyChannel::kLog, 5);
  message.payment_method = "pm_notify_fail";
  const auto failure = notifier.send(message);
  const std::string written = testing::internal::GetCapturedStderr();
  EXPECT_EQ(answer.reply, core::NotifyReply::kDelivered);
  EXPECT_EQ(answer.channel, core::NotifyChannel::kLog);
  EXPECT_EQ(answer.attempt, 4U);
  EXPECT_EQ(failure.reply, core::NotifyReply::kFailed);
  EXPECT_TRUE(written.contains(R"("event":"notification")")) << written;
  EXPECT_TRUE(written.contains(R"("amount":"10.50")")) << written;
  EXPECT_EQ(std::ranges::count(written, '\n'), 1) << written;
}

}  // namespace
}  // namespace payonce::adapters
