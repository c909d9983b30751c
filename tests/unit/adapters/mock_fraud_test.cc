#include "adapters/mock_fraud.h"

#include <gtest/gtest.h>

#include <string>

namespace payonce::adapters {
namespace {

using core::FraudReply;
using std::chrono::milliseconds;

core::CheckFraud task(std::string method) {
  return {.fraud_id = "fraud-check-p",
          .attempt = 3,
          .not_before = {},
          .payment_id = "p",
          .user_id = "u",
          .amount = {1050, *Currency::find("USD")},
          .payment_method = std::move(method)};
}

TEST(MockFraud, Rule_RejectsWhateverTheConfiguredVerdict) {
  for (const bool approve : {true, false}) {
    const MockFraud fraud(
        {.delay = milliseconds(0), .slow_delay = milliseconds(1), .approve = approve});
    for (const char* method : {"pm_fraud", "pm_fraud.pm_void_fail", "pm_fraud.pm_fraud_slow"}) {
      const auto reply = fraud.check(task(method));
      EXPECT_EQ(reply.reply, FraudReply::kRejected);
      EXPECT_EQ(reply.detail, "mock_rule");
      EXPECT_EQ(reply.fraud_id, "fraud-check-p");
      EXPECT_EQ(reply.attempt, 3U);
    }
    EXPECT_EQ(fraud.check(task("pm_fraud_slow")).reply, FraudReply::kApproved);
    EXPECT_EQ(fraud.check(task("pm_ok")).reply,
              approve ? FraudReply::kApproved : FraudReply::kRejected);
  }
}

TEST(MockFraud, OnlyAnApprovalWithoutAWait_IsImmediate) {
  const MockFraud quick({});
  EXPECT_TRUE(quick.immediate("pm_ok"));
  EXPECT_FALSE(quick.immediate("pm_fraud"));
  EXPECT_FALSE(quick.immediate("pm_async.pm_fraud_slow"));
  const MockFraud slow({.delay = milliseconds(1), .slow_delay = milliseconds(0), .approve = true});
  EXPECT_FALSE(slow.immediate("pm_ok"));
  const MockFraud strict(
      {.delay = milliseconds(0), .slow_delay = milliseconds(0), .approve = false});
  EXPECT_FALSE(strict.immediate("pm_ok"));
}

TEST(MockFraud, Delay_IsTheMethods) {
  const MockFraud fraud(
      {.delay = milliseconds(5), .slow_delay = milliseconds(70), .approve = true});
  EXPECT_EQ(fraud.delay("pm_ok"), milliseconds(5));
  EXPECT_EQ(fraud.delay("pm_fraud"), milliseconds(5));
  EXPECT_EQ(fraud.delay("pm_fraud_slow"), milliseconds(70));
  EXPECT_EQ(fraud.delay("pm_async.pm_fraud_slow"), milliseconds(70));
}

}  // namespace
}  // namespace payonce::adapters
