#include "adapters/mock_gateway.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <fstream>
#include <future>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "adapters/mock_methods.h"
#include "support/money.h"
#include "support/temp_dir.h"

namespace payonce::adapters {
namespace {

using core::GatewayReply;
using core::InquiryReply;
using core::RefundReply;
using core::UndoReply;
using std::chrono::milliseconds;
using testing_support::usd;

core::CallGateway call(std::string id, std::string method, std::uint32_t attempt = 1) {
  return {.payment_id = std::move(id),
          .attempt = attempt,
          .not_before = {},
          .amount = usd(1050),
          .payment_method = std::move(method)};
}

core::InquireGateway inquiry(std::string id, std::string method) {
  return {.payment_id = std::move(id),
          .inquiry = 3,
          .not_before = {},
          .payment_method = std::move(method)};
}

core::UndoAtGateway undo(std::string id, std::string method,
                         core::CompensationKind kind = core::CompensationKind::kVoidCharge) {
  return {.payment_id = std::move(id),
          .kind = kind,
          .call = 2,
          .not_before = {},
          .amount = usd(1050),
          .payment_method = std::move(method)};
}

core::RefundAtGateway refund(std::string refund_id, std::string id, std::int64_t minor,
                             std::string method = "pm_ok") {
  return {.refund_id = std::move(refund_id),
          .payment_id = std::move(id),
          .call = 4,
          .not_before = {},
          .amount = usd(minor),
          .payment_method = std::move(method)};
}

core::StartTimer waiting(std::string id, std::string method = "pm_async") {
  return {.kind = core::StreamKind::kPayment,
          .id = std::move(id),
          .due = {},
          .payment_method = std::move(method)};
}

GatewayReply reply_to(MockGateway& gateway, const std::string& method, std::uint32_t attempt = 1) {
  return gateway.charge(call("p", method, attempt)).reply;
}

MockGateway::Options quick(std::string journal = {}) {
  MockGateway::Options options;
  options.callback_delay = milliseconds(0);
  options.journal = std::move(journal);
  return options;
}

MockGateway::Options remembering() {
  MockGateway::Options options = quick();
  options.remember = true;
  return options;
}

std::vector<std::string> lines_of(const std::string& path) {
  std::ifstream file(path);
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);) {
    lines.push_back(line);
  }
  return lines;
}

// Callbacks as they come.
class Inbox {
 public:
  void operator()(core::RecordCallback callback) {
    const std::lock_guard lock(mutex_);
    callbacks_.push_back(std::move(callback));
    changed_.notify_all();
  }
  // False when they have not come within a time that is long for any machine.
  [[nodiscard]] bool wait_for(std::size_t count) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(30),
                             [&] { return callbacks_.size() >= count; });
  }
  [[nodiscard]] std::vector<core::RecordCallback> all() {
    const std::lock_guard lock(mutex_);
    return callbacks_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<core::RecordCallback> callbacks_;
};

TEST(MockMethods, Behaviours_AreSeparatedByDots) {
  EXPECT_TRUE(has("pm_manual", "pm_manual"));
  EXPECT_TRUE(has("pm_manual.pm_void_fail", "pm_manual"));
  EXPECT_TRUE(has("pm_manual.pm_void_fail", "pm_void_fail"));
  EXPECT_TRUE(has("a..pm_fraud", "pm_fraud"));
  EXPECT_FALSE(has("pm_manual2", "pm_manual"));
  EXPECT_FALSE(has("pm_fraud_slow", "pm_fraud"));
  EXPECT_FALSE(has("", "pm_fraud"));
  EXPECT_EQ(flaky_failures("pm_flaky_12"), 12U);
  EXPECT_EQ(flaky_failures("pm_async.pm_flaky_3"), 3U);
  for (const char* none :
       {"pm_ok", "pm_flaky_", "pm_flaky_x", "pm_flaky_2x", "pm_flaky_-1", "pm_flaky_99999999999"}) {
    EXPECT_EQ(flaky_failures(none), 0U) << none;
  }
}

TEST(MockGateway, PaymentMethod_PicksTheBehaviour) {
  MockGateway gateway({});
  for (const char* ordinary :
       {"pm_ok", "anything", "pm_fraud", "pm_fraud_slow", "pm_notify_fail", "pm_void_fail"}) {
    EXPECT_EQ(reply_to(gateway, ordinary), GatewayReply::kConfirmed) << ordinary;
  }
  EXPECT_EQ(reply_to(gateway, "pm_decline"), GatewayReply::kDeclined);
  EXPECT_EQ(reply_to(gateway, "pm_down", 99), GatewayReply::kTemporaryFailure);
  EXPECT_EQ(reply_to(gateway, "pm_async"), GatewayReply::kAccepted);
  EXPECT_EQ(reply_to(gateway, "pm_manual.pm_void_fail"), GatewayReply::kAccepted);
  EXPECT_EQ(reply_to(gateway, "pm_timeout"), GatewayReply::kNoAnswer);
  EXPECT_EQ(reply_to(gateway, "pm_timeout_lost", 7), GatewayReply::kNoAnswer);
}

TEST(MockGateway, Replies_NameTheCallThatTheyAnswer) {
  MockGateway gateway({});
  const auto charged = gateway.charge(call("p", "pm_ok", 5));
  EXPECT_EQ(charged.payment_id, "p");
  EXPECT_EQ(charged.attempt, 5U);
  EXPECT_EQ(charged.detail, "mock_p");
  EXPECT_EQ(gateway.inquire(inquiry("p", "pm_ok")).inquiry, 3U);
  EXPECT_EQ(gateway.undo(undo("p", "pm_ok")).call, 2U);
  const auto refunded = gateway.refund(refund("ref_1", "p", 50));
  EXPECT_EQ(refunded.refund_id, "ref_1");
  EXPECT_EQ(refunded.call, 4U);
}

TEST(MockGateway, Flaky_FailsNTimesThenDoesWhatElseTheMethodSays) {
  MockGateway gateway({});
  EXPECT_EQ(reply_to(gateway, "pm_flaky_2", 1), GatewayReply::kTemporaryFailure);
  EXPECT_EQ(reply_to(gateway, "pm_flaky_2", 2), GatewayReply::kTemporaryFailure);
  EXPECT_EQ(reply_to(gateway, "pm_flaky_2", 3), GatewayReply::kConfirmed);
  EXPECT_EQ(reply_to(gateway, "pm_flaky_1.pm_manual", 1), GatewayReply::kTemporaryFailure);
  EXPECT_EQ(reply_to(gateway, "pm_flaky_1.pm_manual", 2), GatewayReply::kAccepted);
  EXPECT_EQ(reply_to(gateway, "pm_flaky_", 1), GatewayReply::kConfirmed);
  EXPECT_EQ(reply_to(gateway, "pm_flaky_x", 1), GatewayReply::kConfirmed);
}

TEST(MockGateway, FailureRate_HoldsOverManyCallsAndIsTheSameForTheSameCall) {
  MockGateway::Options options;
  options.failure_rate = 0.25;
  MockGateway gateway(options);
  int failures = 0;
  for (int i = 0; i < 4000; ++i) {
    const auto one = call("p" + std::to_string(i), "pm_ok");
    const auto reply = gateway.charge(one).reply;
    EXPECT_EQ(gateway.charge(one).reply, reply);
    failures += reply == GatewayReply::kTemporaryFailure ? 1 : 0;
  }
  EXPECT_GT(failures, 850);
  EXPECT_LT(failures, 1150);
}

TEST(MockGateway, Inquiry_TellsWhatTheMethodMakesOfTheCharge) {
  for (const bool remember : {false, true}) {
    MockGateway gateway(remember ? remembering() : quick());
    const auto ask = [&](const std::string& method) {
      (void)gateway.charge(call(method, method));
      return gateway.inquire(inquiry(method, method)).reply;
    };
    EXPECT_EQ(ask("pm_timeout"), InquiryReply::kConfirmed);
    EXPECT_EQ(ask("pm_timeout_lost"), InquiryReply::kUnknownKey);
    EXPECT_EQ(ask("pm_down"), InquiryReply::kUnknownKey);
    EXPECT_EQ(ask("pm_decline"), InquiryReply::kDeclined);
    EXPECT_EQ(ask("pm_manual"), InquiryReply::kAccepted);
    EXPECT_EQ(ask("pm_async"), InquiryReply::kAccepted);
  }
}

TEST(MockGateway, VoidFail_FailsEveryVoidAndRefund) {
  for (const bool remember : {false, true}) {
    MockGateway gateway(remember ? remembering() : quick());
    for (const std::string method : {"pm_void_fail", "pm_manual.pm_void_fail"}) {
      (void)gateway.charge(call(method, method));
      EXPECT_EQ(gateway.undo(undo(method, method)).reply, UndoReply::kFailed);
      EXPECT_EQ(gateway.undo(undo(method, method, core::CompensationKind::kRefundCharge)).reply,
                UndoReply::kFailed);
      EXPECT_EQ(gateway.refund(refund("r", method, 1, method)).reply, RefundReply::kFailed);
    }
    (void)gateway.charge(call("p", "pm_ok"));
    EXPECT_EQ(gateway.undo(undo("p", "pm_ok")).reply, UndoReply::kDone);
  }
}

TEST(MockGateway, WithABook_AnUndoneKeyIsNeverTakenAgain) {
  MockGateway gateway(remembering());
  EXPECT_EQ(gateway.charge(call("p", "pm_ok")).reply, GatewayReply::kConfirmed);
  EXPECT_EQ(gateway.undo(undo("p", "pm_ok")).reply, UndoReply::kDone);
  EXPECT_EQ(gateway.undo(undo("p", "pm_ok")).reply, UndoReply::kDone);
  EXPECT_EQ(gateway.charge(call("p", "pm_ok", 2)).reply, GatewayReply::kDeclined);
  EXPECT_EQ(gateway.inquire(inquiry("p", "pm_ok")).reply, InquiryReply::kDeclined);
  EXPECT_EQ(gateway.charges().find("p")->returned_minor, 1050);
  // A void that overtakes the charge counts as well.
  EXPECT_EQ(gateway.undo(undo("early", "pm_ok")).reply, UndoReply::kDone);
  EXPECT_EQ(gateway.charge(call("early", "pm_ok")).reply, GatewayReply::kDeclined);
  EXPECT_FALSE(gateway.charges().find("early")->taken);
}

TEST(MockGateway, WithABook_TheSameKeyHasTheSameAnswer) {
  MockGateway gateway(remembering());
  for (int i = 0; i < 3; ++i) {
    // Even when the attempts are counted anew.
    EXPECT_EQ(gateway.charge(call("p", "pm_ok", 1)).reply, GatewayReply::kConfirmed);
    EXPECT_EQ(gateway.charge(call("t", "pm_timeout", 1)).reply, GatewayReply::kNoAnswer);
  }
  auto other = call("p", "pm_ok", 2);
  other.amount = usd(1);
  EXPECT_EQ(gateway.charge(other).reply, GatewayReply::kRefused);
  EXPECT_EQ(gateway.charge(call("p", "pm_decline", 2)).reply, GatewayReply::kRefused);
  EXPECT_EQ(gateway.charge(call("p", "pm_ok", 2)).reply, GatewayReply::kConfirmed);
}

TEST(MockGateway, WithABook_WhatWasTakenIsNeverATemporaryFailure) {
  MockGateway::Options options = remembering();
  options.failure_rate = 0.5;
  MockGateway gateway(options);
  for (int i = 0; i < 50; ++i) {
    const std::string id = "p" + std::to_string(i);
    bool taken = false;
    for (std::uint32_t attempt = 1; attempt < 10; ++attempt) {
      const auto reply = gateway.charge(call(id, "pm_ok", attempt)).reply;
      EXPECT_FALSE(taken && reply != GatewayReply::kConfirmed);
      taken = reply == GatewayReply::kConfirmed;
    }
  }
}

TEST(MockGateway, WithABook_RefundsNeverExceedWhatWasTaken) {
  MockGateway gateway(remembering());
  (void)gateway.charge(call("p", "pm_ok"));
  EXPECT_EQ(gateway.refund(refund("r1", "p", 1000)).reply, RefundReply::kConfirmed);
  EXPECT_EQ(gateway.refund(refund("r1", "p", 1000)).reply, RefundReply::kConfirmed);  // the same
  EXPECT_EQ(gateway.refund(refund("r2", "p", 51)).reply, RefundReply::kDeclined);
  EXPECT_EQ(gateway.refund(refund("r3", "p", 50)).reply, RefundReply::kConfirmed);
  EXPECT_EQ(gateway.charges().find("p")->returned_minor, 1050);
  EXPECT_EQ(gateway.refund(refund("r4", "p", 1)).reply, RefundReply::kDeclined);
  EXPECT_EQ(gateway.refund(refund("r5", "nobody", 1)).reply, RefundReply::kDeclined);
  // Somebody else told that it was taken; this book does not know.
  (void)gateway.charge(call("m", "pm_manual"));
  EXPECT_EQ(gateway.refund(refund("r6", "m", 1, "pm_manual")).reply, RefundReply::kConfirmed);
  EXPECT_EQ(gateway.charges().find("m")->returned_minor, 0);
}

TEST(MockGateway, Async_CallsBackOnceForEachExpectation) {
  MockGateway gateway(quick());
  Inbox inbox;
  gateway.set_callback([&](core::RecordCallback callback) { inbox(std::move(callback)); });
  gateway.expect_callback(waiting("m", "pm_manual"));
  gateway.expect_callback(waiting("o", "pm_ok"));
  auto fraud = waiting("f");
  fraud.kind = core::StreamKind::kFraud;
  gateway.expect_callback(fraud);
  gateway.expect_callback(waiting("p"));
  ASSERT_TRUE(inbox.wait_for(1));
  gateway.expect_callback(waiting("p"));  // after a restart, say
  gateway.expect_callback(waiting("q", "pm_void_fail.pm_async"));
  ASSERT_TRUE(inbox.wait_for(3));
  gateway.stop();
  const auto all = inbox.all();
  ASSERT_EQ(all.size(), 3U);
  EXPECT_EQ(all[0].payment_id, "p");
  EXPECT_EQ(all[0].outcome, core::CallbackOutcome::kConfirmed);
  EXPECT_EQ(all[0].reference, "mock_p");
  EXPECT_EQ(all[2].payment_id, "q");
}

// Callbacks go to the inbox; the one about "gate" holds up those behind it until it is opened.
struct GatedCallbacks {
  explicit GatedCallbacks(MockGateway& gateway) {
    gateway.set_callback([this](core::RecordCallback callback) {
      if (callback.payment_id == "gate") {
        at_gate.set_value();
        open.get_future().wait();
      }
      inbox(std::move(callback));
    });
    gateway.expect_callback(waiting("gate"));
    at_gate.get_future().wait();
  }

  Inbox inbox;
  std::promise<void> at_gate;
  std::promise<void> open;
};

TEST(MockGateway, Async_WhileACallbackIsPendingItIsNotExpectedTwice) {
  MockGateway gateway(quick());
  GatedCallbacks callbacks(gateway);
  for (int i = 0; i < 100; ++i) {
    gateway.expect_callback(waiting("p"));
  }
  gateway.expect_callback(waiting("last"));
  callbacks.open.set_value();
  ASSERT_TRUE(callbacks.inbox.wait_for(3));
  EXPECT_EQ(callbacks.inbox.all()[1].payment_id, "p");
  EXPECT_EQ(callbacks.inbox.all()[2].payment_id, "last");
  gateway.stop();
}

TEST(MockGateway, Async_AnUndoneChargeIsNotCalledBackAbout) {
  for (const bool remember : {false, true}) {
    MockGateway gateway(remember ? remembering() : quick());
    (void)gateway.charge(call("p", "pm_async"));
    GatedCallbacks callbacks(gateway);
    gateway.expect_callback(waiting("p"));
    EXPECT_EQ(gateway.undo(undo("p", "pm_async")).reply, UndoReply::kDone);
    gateway.expect_callback(waiting("last"));
    callbacks.open.set_value();
    ASSERT_TRUE(callbacks.inbox.wait_for(2));
    EXPECT_EQ(callbacks.inbox.all()[1].payment_id, "last");
    gateway.stop();
  }
}

MockGateway::Options slow(std::chrono::milliseconds latency) {
  MockGateway::Options options;
  options.latency = latency;
  options.callback_delay = std::chrono::hours(1);
  return options;
}

TEST(MockGateway, Stop_EndsLatencyAndDropsCallbacks) {
  MockGateway gateway(slow(std::chrono::hours(1)));
  Inbox inbox;
  gateway.set_callback([&](core::RecordCallback callback) { inbox(std::move(callback)); });
  gateway.expect_callback(waiting("p"));
  auto charging =
      std::async(std::launch::async, [&] { return reply_to(gateway.waited(), "pm_ok"); });
  std::vector<GatewayReply> replies;
  for (const char* method : {"pm_ok", "pm_decline"}) {
    gateway.after_latency([&, method] { replies.push_back(reply_to(gateway, method)); });
  }
  EXPECT_TRUE(replies.empty());
  gateway.stop();
  // The truth, only earlier.
  EXPECT_EQ(charging.get(), GatewayReply::kConfirmed);
  EXPECT_EQ(replies, (std::vector{GatewayReply::kConfirmed, GatewayReply::kDeclined}));
  gateway.expect_callback(waiting("q"));
  gateway.after_latency([&] { replies.push_back(reply_to(gateway, "pm_down")); });
  EXPECT_EQ(replies.size(), 3U);
  EXPECT_TRUE(inbox.all().empty());
}

TEST(MockGateway, CallsInTheirLatency_HoldOneThreadAndComeInTheirOrder) {
  constexpr int kCalls = 1000;
  MockGateway gateway(slow(milliseconds(1)));
  std::vector<int> order;
  std::set<std::thread::id> threads;
  std::promise<void> all;
  for (int i = 0; i < kCalls; ++i) {
    gateway.after_latency([&, i] {
      order.push_back(i);
      threads.insert(std::this_thread::get_id());
      if (i + 1 == kCalls) {
        all.set_value();
      }
    });
  }
  all.get_future().wait();
  EXPECT_EQ(order.size(), std::size_t{kCalls});
  EXPECT_TRUE(std::ranges::is_sorted(order));
  EXPECT_EQ(threads.size(), 1U);
  EXPECT_FALSE(threads.contains(std::this_thread::get_id()));
}

TEST(MockGateway, Journal_TakesAKeyOnceAcrossARestart) {
  const testing_support::TempDir dir;
  const std::string path = dir / "journal";
  {
    MockGateway gateway(quick(path));
    ASSERT_TRUE(gateway.open());
    EXPECT_EQ(gateway.charge(call("a", "pm_ok")).reply, GatewayReply::kConfirmed);
    EXPECT_EQ(gateway.charge(call("b", "pm_decline")).reply, GatewayReply::kDeclined);
  }
  MockGateway again(quick(path));
  ASSERT_TRUE(again.open());
  EXPECT_EQ(again.charge(call("a", "pm_ok", 2)).reply, GatewayReply::kConfirmed);
  const auto lines = lines_of(path);
  ASSERT_EQ(lines.size(), 3U);
  EXPECT_EQ(lines[0],
            R"({"key":"a","amount":"10.50","currency":"USD","attempt":1,"outcome":"confirmed",)"
            R"("repeat":false,"op":"charge","payment_method":"pm_ok"})");
  EXPECT_NE(lines[1].find(R"("outcome":"declined","repeat":false)"), std::string::npos);
  EXPECT_NE(lines[2].find(R"("attempt":2,"outcome":"confirmed","repeat":true)"), std::string::npos);
}

TEST(MockGateway, Journal_HasALineForEachCall) {
  const testing_support::TempDir dir;
  const std::string path = dir / "journal";
  MockGateway gateway(quick(path));
  ASSERT_TRUE(gateway.open());
  const auto last = [&] { return lines_of(path).back(); };
  (void)gateway.charge(call("t", "pm_timeout"));
  EXPECT_TRUE(last().ends_with(R"("outcome":"confirmed","repeat":false,"op":"charge",)"
                               R"("payment_method":"pm_timeout","answered":false})"));
  (void)gateway.charge(call("l", "pm_timeout_lost"));
  EXPECT_NE(last().find(R"("outcome":"no_answer","repeat":false)"), std::string::npos);
  (void)gateway.inquire(inquiry("t", "pm_timeout"));
  EXPECT_EQ(last(),
            R"({"key":"t","attempt":3,"outcome":"confirmed","repeat":false,"op":"inquire"})");
  (void)gateway.refund(refund("r1", "t", 50));
  EXPECT_EQ(last(), R"({"key":"t","amount":"0.50","currency":"USD","attempt":4,"outcome":"done",)"
                    R"("repeat":false,"op":"refund","refund":"r1"})");
  (void)gateway.undo(undo("t", "pm_timeout"));
  EXPECT_EQ(last(), R"({"key":"t","amount":"10.00","currency":"USD","attempt":2,"outcome":"done",)"
                    R"("repeat":false,"op":"void"})");
  (void)gateway.undo(undo("t", "pm_timeout"));
  EXPECT_NE(last().find(R"("repeat":true,"op":"void")"), std::string::npos);
  (void)gateway.undo(undo("l", "pm_timeout_lost"));
  EXPECT_NE(last().find(R"("outcome":"nothing","repeat":false,"op":"void")"), std::string::npos);
  (void)gateway.undo(undo("v", "pm_void_fail"));
  EXPECT_NE(last().find(R"("outcome":"failed","repeat":false,"op":"void")"), std::string::npos);
  EXPECT_EQ(lines_of(path).size(), 8U);
}

TEST(MockGateway, Journal_ACallbackIsTakenBeforeItIsTold) {
  const testing_support::TempDir dir;
  const std::string path = dir / "journal";
  for (int run = 0; run < 2; ++run) {
    MockGateway gateway(quick(path));
    ASSERT_TRUE(gateway.open());
    Inbox inbox;
    gateway.set_callback([&](core::RecordCallback callback) { inbox(std::move(callback)); });
    if (run == 0) {
      EXPECT_EQ(gateway.charge(call("p", "pm_async")).reply, GatewayReply::kAccepted);
    }
    gateway.expect_callback(waiting("p"));
    ASSERT_TRUE(inbox.wait_for(1));
    EXPECT_TRUE(gateway.charges().find("p")->taken);
  }
  const auto lines = lines_of(path);
  ASSERT_EQ(lines.size(), 3U);
  EXPECT_NE(lines[0].find(R"("attempt":1,"outcome":"accepted")"), std::string::npos);
  EXPECT_NE(lines[1].find(R"("attempt":0,"outcome":"confirmed","repeat":false)"),
            std::string::npos);
  EXPECT_NE(lines[2].find(R"("attempt":0,"outcome":"confirmed","repeat":true)"), std::string::npos);
}

TEST(MockGateway, Journal_GivesTheWholeBookBack) {
  const testing_support::TempDir dir;
  const std::string path = dir / "journal";
  {
    MockGateway gateway(quick(path));
    ASSERT_TRUE(gateway.open());
    (void)gateway.charge(call("void", "pm_ok"));
    (void)gateway.undo(undo("void", "pm_ok"));
    (void)gateway.undo(undo("early", "pm_ok"));
    (void)gateway.charge(call("part", "pm_ok"));
    (void)gateway.refund(refund("r1", "part", 1000));
    (void)gateway.charge(call("flaky", "pm_flaky_1", 0));
    (void)gateway.charge(call("told", "pm_async"));
    (void)gateway.charge(call("untold", "pm_async"));
    gateway.charges().mark_told("told");
  }
  MockGateway again(quick(path));
  ASSERT_TRUE(again.open());
  EXPECT_EQ(again.charge(call("void", "pm_ok")).reply, GatewayReply::kDeclined);
  EXPECT_EQ(again.charge(call("early", "pm_ok")).reply, GatewayReply::kDeclined);
  EXPECT_EQ(again.refund(refund("r1", "part", 1000)).reply, RefundReply::kConfirmed);
  EXPECT_EQ(again.charges().find("part")->returned_minor, 1000);
  EXPECT_EQ(again.refund(refund("r2", "part", 51)).reply, RefundReply::kDeclined);
  EXPECT_EQ(again.charge(call("flaky", "pm_flaky_1", 0)).reply, GatewayReply::kConfirmed);
  EXPECT_EQ(again.charges().untold(), std::vector<std::string>{"untold"});
}

TEST(MockGateway, Journal_OfAnOlderVersionIsRead) {
  const testing_support::TempDir dir;
  const std::string path = dir / "journal";
  std::ofstream(path) << R"({"key":"a","amount":"10.50","currency":"USD","attempt":1,)"
                      << R"("outcome":"confirmed","repeat":false})"
                      << "\n";
  MockGateway gateway(quick(path));
  ASSERT_TRUE(gateway.open());
  EXPECT_TRUE(gateway.charges().find("a")->taken);
  EXPECT_EQ(gateway.charge(call("a", "pm_ok", 2)).reply, GatewayReply::kConfirmed);
  EXPECT_NE(lines_of(path).back().find(R"("repeat":true)"), std::string::npos);
}

TEST(MockGateway, DamagedOrUnwritableJournal_IsRefused) {
  const testing_support::TempDir dir;
  const std::string path = dir / "journal";
  for (const char* damage :
       {"{\"key\":\"a\"", "{\"key\":\"a\"}", "[]", "",
        R"({"key":"a","amount":"10.505","currency":"USD","outcome":"confirmed"})",
        R"({"key":"a","amount":"1","currency":"XXX","outcome":"confirmed"})"}) {
    std::ofstream(path) << damage << "\n";
    MockGateway damaged(quick(path));
    const auto opened = damaged.open();
    ASSERT_FALSE(opened) << damage;
    EXPECT_EQ(opened.error().code, Errc::kCorrupt);
  }
  MockGateway unwritable(quick(path + "/below-a-file"));
  EXPECT_EQ(unwritable.open().error().code, Errc::kIo);
}

}  // namespace
}  // namespace payonce::adapters
