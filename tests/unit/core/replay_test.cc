// A recorded history is decided again, and the first event that differs is named.
#include "core/replay.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <utility>

#include "support/machine_world.h"

namespace payonce::core {
namespace {

using testing_support::kSalt;
using testing_support::usd;
using testing_support::World;

// What belongs to the payment: its own events, its fraud check's and its refunds'.
std::vector<Record> history_of(const World& w) {
  std::vector<Record> history;
  for (const Record& record : w.log) {
    if (record.kind == StreamKind::kPayment || record.kind == StreamKind::kFraud ||
        record.kind == StreamKind::kRefund) {
      history.push_back(record);
    }
  }
  return history;
}

void expect_same(const World& w) {
  const auto history = history_of(w);
  ASSERT_FALSE(history.empty());
  const auto difference = redecide(history, kSalt);
  EXPECT_FALSE(difference) << difference->seq << ": " << difference->recorded << " / "
                           << difference->decided;
}

World begun(FraudMode mode = FraudMode::kInline) {
  World w;
  w.rules.fraud.mode = mode;
  w.rules.gateway_retry.maximum_attempts = 3;
  w.rules.void_when_given_up = true;
  w.rules.compensation_retry.maximum_attempts = 2;
  w.open("alice", 10'000);
  w.pay("p", "alice", usd(1'000));
  return w;
}

TEST(Replay, APaymentThatSucceedsDecidesTheSame) {
  World w = begun();
  w.gateway("p", 1, GatewayReply::kTemporaryFailure);
  w.gateway("p", 2, GatewayReply::kConfirmed);
  w.notified("p", 1, false);
  w.notified("p", 2, true);
  expect_same(w);
}

TEST(Replay, ARefusedPaymentIsNotJudged) {
  World w;
  w.open("alice", 10);
  w.pay("p", "alice", usd(1'000));
  expect_same(w);
}

TEST(Replay, AnOpenPaymentDecidesTheSameAtEveryLengthOfItsHistory) {
  World w = begun(FraudMode::kManual);
  w.gateway("p", 1, GatewayReply::kNoAnswer);
  expect_same(w);
  w.inquiry("p", 1, InquiryReply::kNoAnswer);
  expect_same(w);
  w.inquiry("p", 2, InquiryReply::kUnknownKey);
  expect_same(w);
  w.gateway("p", 2, GatewayReply::kAccepted);
  expect_same(w);
  w.callback("p", CallbackOutcome::kConfirmed, "ref");
  expect_same(w);
  w.verdict("p", true);
  expect_same(w);
  const auto refund = w.refund("p", "2.50");
  const std::string id = refund.refund->id;
  expect_same(w);
  w.refund_reply(id, 1, RefundReply::kFailed);
  w.refund_reply(id, 2, RefundReply::kConfirmed);
  expect_same(w);
}

TEST(Replay, EveryWayOfEndingBadlyDecidesTheSame) {
  const std::vector<std::pair<const char*, void (*)(World&)>> ways = {
      {"declined", [](World& w) { w.gateway("p", 1, GatewayReply::kDeclined); }},
      {"refused", [](World& w) { w.gateway("p", 1, GatewayReply::kRefused); }},
      {"exhausted",
       [](World& w) {
         for (std::uint32_t attempt = 1; attempt <= 3; ++attempt) {
           w.gateway("p", attempt, GatewayReply::kTemporaryFailure);
         }
       }},
      {"timed out",
       [](World& w) {
         w.gateway("p", 1, GatewayReply::kAccepted);
         w.now = w.now + Duration::seconds(301);
         w.timer("p");
         w.undo("p", 1, UndoReply::kDone);
       }},
      {"fraud timed out",
       [](World& w) {
         w.now = w.now + Duration::seconds(601);
         w.fraud_timer("p");
         w.undo("p", 1, UndoReply::kDone);
       }},
      {"cancelled, stuck, resumed",
       [](World& w) {
         w.cancel("p");
         w.undo("p", 1, UndoReply::kFailed);
         w.undo("p", 2, UndoReply::kFailed);
         w.retry_compensation("p");
         w.undo("p", 3, UndoReply::kDone);
       }},
      {"late success", [](World& w) {
         w.gateway("p", 1, GatewayReply::kDeclined);
         w.callback("p", CallbackOutcome::kConfirmed, "late");
         w.undo("p", 1, UndoReply::kDone);
       }}};
  for (const auto& [name, go] : ways) {
    for (const FraudMode mode : {FraudMode::kManual, FraudMode::kTask}) {
      SCOPED_TRACE(name);
      World w = begun(mode);
      go(w);
      expect_same(w);
    }
  }
}

TEST(Replay, APaymentOfBeforeGivingUpMeantAVoidDecidesTheSame) {
  World w;
  w.rules.gateway_retry.maximum_attempts = 1;
  w.open("alice", 10'000);
  w.pay("p", "alice", usd(1'000));
  w.gateway("p", 1, GatewayReply::kTemporaryFailure);
  ASSERT_EQ(w.payment_row("p").status, PaymentStatus::kFail);
  expect_same(w);
}

// Regression: the replay's account held so much that a large refund found no room in it.
TEST(Replay, ARefundOfMoreThanHalfOfAllMoneyDecidesTheSame) {
  World w;
  w.open("alice", 9'000'000'000'000'000'000);
  w.pay("p", "alice", usd(8'000'000'000'000'000'000));
  w.gateway("p", 1, GatewayReply::kConfirmed);
  const std::string id = w.refund("p", "70000000000000000.00").refund->id;
  w.refund_reply(id, 1, RefundReply::kConfirmed);
  ASSERT_EQ(w.refund_row(id).status, RefundStatus::kSuccess);
  expect_same(w);
}

TEST(Replay, ARefundOfAllMoneyThatThereCanBeDecidesTheSame) {
  const std::int64_t max = std::numeric_limits<std::int64_t>::max();
  World w;
  w.open("alice", max);
  w.pay("p", "alice", usd(max));
  w.gateway("p", 1, GatewayReply::kConfirmed);
  const std::string id = w.refund("p").refund->id;
  w.refund_reply(id, 1, RefundReply::kConfirmed);
  ASSERT_EQ(w.refund_row(id).status, RefundStatus::kSuccess);
  expect_same(w);
}

TEST(Replay, AChangedEventIsNamed) {
  World w = begun();
  w.gateway("p", 1, GatewayReply::kTemporaryFailure);
  auto history = history_of(w);
  Record& last = history.back();
  std::get<GatewayRetryScheduled>(last.event).not_before.us += 1;
  const auto difference = redecide(history, kSalt);
  ASSERT_TRUE(difference);
  EXPECT_EQ(difference->seq, last.seq);
  EXPECT_NE(difference->recorded, difference->decided);
  EXPECT_TRUE(difference->recorded.starts_with("gateway_retry_scheduled{"));
}

TEST(Replay, AChangedEventInTheMiddleIsNamedByItsOwnNumber) {
  World w = begun();
  w.gateway("p", 1, GatewayReply::kTemporaryFailure, "503");
  const std::size_t changed = history_of(w).size() - 1;
  w.gateway("p", 2, GatewayReply::kConfirmed);
  auto history = history_of(w);
  std::get<GatewayRetryScheduled>(history[changed].event).not_before.us += 1;
  const auto difference = redecide(history, kSalt);
  ASSERT_TRUE(difference);
  EXPECT_EQ(difference->seq, history[changed].seq);
}

TEST(Replay, AMissingEventIsNamed) {
  World w = begun();
  w.gateway("p", 1, GatewayReply::kConfirmed);
  auto history = history_of(w);
  history.pop_back();
  const auto difference = redecide(history, kSalt);
  ASSERT_TRUE(difference);
  EXPECT_EQ(difference->recorded, "");
  EXPECT_EQ(difference->decided, "payment_succeeded{}");
}

TEST(Replay, AHistoryOfOneEventMissesTheRest) {
  auto history = history_of(begun());
  history.resize(1);
  const auto difference = redecide(history, kSalt);
  ASSERT_TRUE(difference);
  EXPECT_EQ(difference->seq, history.front().seq);
  EXPECT_EQ(difference->recorded, "");
  EXPECT_TRUE(difference->decided.starts_with("funds_held{")) << difference->decided;
}

TEST(Replay, AnEventThatNothingLeadsToIsNamed) {
  World w = begun();
  auto history = history_of(w);
  Record extra = history.back();
  extra.seq += 1;
  extra.event = PaymentSucceeded{};
  history.push_back(extra);
  const auto difference = redecide(history, kSalt);
  ASSERT_TRUE(difference);
  EXPECT_EQ(difference->seq, extra.seq);
  EXPECT_EQ(difference->decided, "");
}

TEST(Replay, AnEventInAnotherStreamIsNamed) {
  World w = begun(FraudMode::kManual);
  w.gateway("p", 1, GatewayReply::kConfirmed);
  w.verdict("p", true);
  auto history = history_of(w);
  Record& last = history.back();
  last.stream = "q";
  const auto difference = redecide(history, kSalt);
  ASSERT_TRUE(difference);
  EXPECT_EQ(difference->seq, last.seq);
  EXPECT_EQ(difference->recorded, difference->decided);
}

TEST(Replay, AHistoryWithoutItsBeginningIsNamed) {
  World w = begun(FraudMode::kManual);
  w.now = w.now + Duration::seconds(601);
  w.fraud_timer("p");
  const auto whole = history_of(w);
  const auto decided = std::ranges::find_if(whole, [](const Record& record) {
    return std::holds_alternative<FraudCheckDecided>(record.event);
  });
  ASSERT_NE(decided, whole.end());
  auto difference = redecide({decided, whole.end()}, kSalt);
  ASSERT_TRUE(difference);
  EXPECT_EQ(difference->seq, decided->seq);

  World confirmed = begun();
  confirmed.gateway("p", 1, GatewayReply::kConfirmed);
  const auto other = history_of(confirmed);
  const auto answer = std::ranges::find_if(other, [](const Record& record) {
    return std::holds_alternative<GatewayConfirmed>(record.event);
  });
  ASSERT_NE(answer, other.end());
  difference = redecide({answer, other.end()}, kSalt);
  ASSERT_TRUE(difference);
  EXPECT_EQ(difference->seq, answer->seq);
}

}  // namespace
}  // namespace payonce::core
