#include "core/event_text.h"

#include <gtest/gtest.h>

#include <map>
#include <string>

#include "support/dump.h"
#include "unit/log/sample_records.h"

namespace payonce::core {
namespace {

using testing_support::currency;
using testing_support::dump;
using testing_support::kStart;

TEST(EventText, Event_IsItsNameAndItsFields) {
  EXPECT_EQ(to_text(PaymentSucceeded{}), "payment_succeeded{}");
  EXPECT_EQ(to_text(GatewayConfirmed{.attempt = 2, .reference = "gw_42"}),
            "gateway_confirmed{attempt=2, reference=gw_42}");
  EXPECT_EQ(to_text(HoldPosted{.step = "hold", .amount = {2550, currency("USD")}}),
            "hold_posted{step=hold, amount=25.50 USD}");
  EXPECT_EQ(to_text(GatewayAccepted{.attempt = 1, .reference = {}, .deadline = kStart}),
            "gateway_accepted{attempt=1, reference=, deadline=2027-01-15T08:00:00.000000Z}");
  EXPECT_EQ(to_text(FraudCheckEnded{.result = FraudResult::kTimedOut}),
            "fraud_check_ended{result=timed_out}");
  EXPECT_EQ(to_text(AccountOpened{.currency = currency("USD"), .metadata = {}, .system = true}),
            "account_opened{currency=USD, metadata=, system=true}");
}

TEST(EventText, NestedFieldsAndLists_AreShown) {
  PaymentCreated created;
  created.rules.webhook_delays_ms = {5, 300};
  const std::string text = to_text(created);
  EXPECT_NE(text.find("webhook_delays_ms=[5, 300]"), std::string::npos) << text;
  EXPECT_NE(text.find("fraud={mode=none, timeout_us=600000000us"), std::string::npos) << text;
  EXPECT_NE(text.find("}, parent_close=terminate}, gate_minor=0"), std::string::npos) << text;
}

// Two events are compared by their texts: other events have other texts.
TEST(EventText, OtherEvents_HaveOtherTexts) {
  std::map<std::string, std::string> seen;
  for (const Record& record : log::sample_history()) {
    const auto known = seen.emplace(to_text(record.event), dump(record.event)).first;
    EXPECT_EQ(known->second, dump(record.event));
  }
  EXPECT_GT(seen.size(), std::variant_size_v<Event>);
}

TEST(EventText, TruthValues_AreShown) {
  RefundEnded ended;
  ended.success = true;
  EXPECT_NE(to_text(ended).find("success=true"), std::string::npos);
  ended.success = false;
  EXPECT_NE(to_text(ended).find("success=false"), std::string::npos);
}

}  // namespace
}  // namespace payonce::core
