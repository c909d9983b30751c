// A call without an answer: nobody knows whether money was taken, so the gateway is asked before
// anything else is done.
#include "unit/core/saga_fixture.h"

namespace payonce::core {
namespace {

using testing::ElementsAre;

class InquiryTest : public SagaFixture {
 protected:
  InquiryTest() {
    start();
    world.gateway("pay_1", 1, GatewayReply::kNoAnswer, "read timeout");
  }
  Duration inquiry_delay(std::uint32_t attempt) {
    return retry_delay(world.rules.inquiry_retry, attempt, "pay_1/inquiry");
  }
};

TEST_F(InquiryTest, NoAnswer_PutsThePaymentInDoubtAndAsks) {
  EXPECT_THAT(world.events(), ElementsAre("gateway_in_doubt"));
  EXPECT_EQ(payment().status, PaymentStatus::kProcessing);
  EXPECT_EQ(payment().step, PaymentStep::kInquiry);
  EXPECT_EQ(payment().gateway, GatewayState::kInDoubt);
  EXPECT_EQ(payment().gateway_attempts, 1U);
  EXPECT_EQ(payment().gateway_error, "read timeout");
  EXPECT_EQ(alice().held, 300);
  ASSERT_EQ(world.added.effects.size(), 1U);
  const auto& inquiry = std::get<InquireGateway>(world.added.effects[0]);
  EXPECT_EQ(inquiry.payment_id, "pay_1");
  EXPECT_EQ(inquiry.inquiry, 1U);
  EXPECT_EQ(inquiry.not_before, world.now + inquiry_delay(1));
}

TEST_F(InquiryTest, InDoubt_NoReplyToACallIsWaitedFor) {
  for (const std::uint32_t attempt : {1U, 2U}) {
    for (int reply = 1; reply <= 6; ++reply) {
      expect_stale(world.gateway("pay_1", attempt, static_cast<GatewayReply>(reply)));
    }
  }
}

TEST_F(InquiryTest, Confirmed_Succeeds) {
  EXPECT_EQ(world.inquiry("pay_1", 1, InquiryReply::kConfirmed, "gw_7").kind,
            OutcomeKind::kResultApplied);
  EXPECT_THAT(world.events(), ElementsAre("gateway_confirmed", "hold_posted", "payment_succeeded"));
  EXPECT_EQ(payment().status, PaymentStatus::kSuccess);
  EXPECT_EQ(payment().gateway_reference, "gw_7");
  EXPECT_EQ(payment().gateway_attempts, 1U);
  EXPECT_EQ(payment().gateway_error, "");
}

TEST_F(InquiryTest, Declined_Fails) {
  world.inquiry("pay_1", 1, InquiryReply::kDeclined, "stolen");
  EXPECT_THAT(world.events(), ElementsAre("gateway_declined", "hold_voided", "payment_failed"));
  EXPECT_EQ(payment().failure, FailureCode::kGatewayDeclined);
  EXPECT_EQ(alice().available(), 1000);
}

TEST_F(InquiryTest, Accepted_WaitsForTheCallbackFromNowOn) {
  world.now = world.now + Duration::seconds(5);
  world.inquiry("pay_1", 1, InquiryReply::kAccepted, "gw_7");
  EXPECT_THAT(world.events(), ElementsAre("gateway_accepted"));
  EXPECT_EQ(payment().gateway, GatewayState::kAccepted);
  EXPECT_EQ(payment().callback_deadline, world.now + Duration::seconds(60));
}

TEST_F(InquiryTest, UnknownKey_CallsAgainUnderTheSameKey) {
  world.inquiry("pay_1", 1, InquiryReply::kUnknownKey);
  EXPECT_THAT(world.events(), ElementsAre("inquiry_found_nothing", "gateway_retry_scheduled"));
  EXPECT_EQ(payment().gateway, GatewayState::kRetrying);
  ASSERT_EQ(world.added.effects.size(), 1U);
  const auto& call = std::get<CallGateway>(world.added.effects[0]);
  EXPECT_EQ(call.payment_id, "pay_1");
  EXPECT_EQ(call.attempt, 2U);
  EXPECT_EQ(call.not_before, world.now + retry_delay(world.rules.gateway_retry, 1, "pay_1"));
}

TEST_F(InquiryTest, UnknownKeyAfterTheLastAttempt_GivesUp) {
  world.inquiry("pay_1", 1, InquiryReply::kUnknownKey);
  world.gateway("pay_1", 2, GatewayReply::kTemporaryFailure);
  world.gateway("pay_1", 3, GatewayReply::kNoAnswer, "again");
  world.inquiry("pay_1", 2, InquiryReply::kUnknownKey);
  EXPECT_THAT(world.events(), ElementsAre("inquiry_found_nothing", "gateway_exhausted",
                                          "hold_voided", "payment_failed"));
  EXPECT_EQ(payment().failure, FailureCode::kGatewayUnavailable);
  EXPECT_EQ(payment().failure_message, "the gateway did not answer after 3 attempts: again");
}

TEST_F(InquiryTest, NoAnswerToAnInquiry_IsAskedAgainWithoutEnd) {
  for (std::uint32_t number = 1; number <= 100; ++number) {
    world.inquiry("pay_1", number, InquiryReply::kNoAnswer, "down");
    ASSERT_THAT(world.events(), ElementsAre("inquiry_retry_scheduled"));
    const auto& inquiry = std::get<InquireGateway>(world.added.effects.at(0));
    EXPECT_EQ(inquiry.inquiry, number + 1);
    EXPECT_EQ(inquiry.not_before, world.now + inquiry_delay(number + 1));
    world.now = inquiry.not_before;
  }
  EXPECT_EQ(payment().gateway, GatewayState::kInDoubt);
  EXPECT_EQ(payment().gateway_error, "down");
  EXPECT_EQ(alice().held, 300);
}

TEST_F(InquiryTest, AnswerToAnotherInquiry_IsStale) {
  for (const std::uint32_t number : {0U, 2U, 9U}) {
    for (int reply = 1; reply <= 5; ++reply) {
      expect_stale(world.inquiry("pay_1", number, static_cast<InquiryReply>(reply)));
    }
  }
  world.inquiry("pay_1", 1, InquiryReply::kNoAnswer);
  expect_stale(world.inquiry("pay_1", 1, InquiryReply::kConfirmed));
  expect_stale(world.inquiry("nothing", 1, InquiryReply::kConfirmed));
}

TEST_F(InquiryTest, AnswerAfterTheEnd_IsStale) {
  world.inquiry("pay_1", 1, InquiryReply::kConfirmed);
  for (int reply = 1; reply <= 5; ++reply) {
    expect_stale(world.inquiry("pay_1", 1, static_cast<InquiryReply>(reply)));
    expect_stale(world.inquiry("pay_1", 2, static_cast<InquiryReply>(reply)));
  }
}

TEST_F(InquiryTest, NumberOfAnInquiry_IsNeverUsedAgain) {
  world.inquiry("pay_1", 1, InquiryReply::kUnknownKey);
  world.gateway("pay_1", 2, GatewayReply::kNoAnswer);
  expect_stale(world.inquiry("pay_1", 1, InquiryReply::kConfirmed));
  EXPECT_EQ(pending_inquiry(payment())->attempt, 2U);
  world.inquiry("pay_1", 2, InquiryReply::kConfirmed);
  EXPECT_EQ(payment().status, PaymentStatus::kSuccess);
  EXPECT_EQ(payment().gateway_attempts, 2U);
}

TEST_F(InquiryTest, Fold_RefusesWhatTheStateDoesNotWaitFor) {
  const auto refuse = [&](const Event& event) {
    expect_fold_refuses(StreamKind::kPayment, "pay_1", event);
  };
  refuse(GatewayInDoubt{.attempt = 1, .error = {}, .not_before = {}});
  refuse(GatewayInDoubt{.attempt = 2, .error = {}, .not_before = {}});
  refuse(InquiryRetryScheduled{.inquiry = 2, .error = {}, .not_before = {}});
  refuse(InquiryFoundNothing{.inquiry = 0});
  refuse(GatewayConfirmed{.attempt = 2, .reference = {}});
  world.inquiry("pay_1", 1, InquiryReply::kConfirmed);
  refuse(InquiryRetryScheduled{.inquiry = 1, .error = {}, .not_before = {}});
  refuse(InquiryFoundNothing{.inquiry = 1});
}

class RefusedCallTest : public SagaFixture {};

TEST_F(RefusedCallTest, Refused_FailsAtOnceAsNothingWasTaken) {
  start();
  world.gateway("pay_1", 1, GatewayReply::kRefused, "400 bad request");
  EXPECT_THAT(world.events(), ElementsAre("gateway_exhausted", "hold_voided", "payment_failed"));
  EXPECT_EQ(payment().failure, FailureCode::kGatewayUnavailable);
  EXPECT_EQ(payment().failure_message, "the gateway refused the request: 400 bad request");
  EXPECT_EQ(payment().gateway, GatewayState::kUnavailable);
  EXPECT_EQ(alice().available(), 1000);
}

// Regression: a crash may have forgotten an earlier call that took the money, so giving up is no
// proof that nothing was taken.
TEST(GivingUp, VoidsAtTheGatewayBeforeTheHoldIsReleased) {
  for (const GatewayReply reply : {GatewayReply::kTemporaryFailure, GatewayReply::kRefused}) {
    testing_support::World w;
    w.rules.void_when_given_up = true;
    w.rules.gateway_retry.maximum_attempts = 1;
    w.open("alice", 10'000);
    w.pay("p", "alice", testing_support::usd(1'000));
    w.gateway("p", 1, reply);
    EXPECT_EQ(w.payment_row("p").status, PaymentStatus::kProcessing);
    EXPECT_EQ(w.account("alice").held, 1'000);
    ASSERT_TRUE(pending_undo(w.payment_row("p")));
    w.undo("p", 1, UndoReply::kDone);
    EXPECT_EQ(w.payment_row("p").status, PaymentStatus::kFail);
    EXPECT_EQ(w.payment_row("p").failure, FailureCode::kGatewayUnavailable);
    EXPECT_EQ(w.account("alice").held, 0);
  }
}

// Regression: only the reply to a call did so.
TEST(LateInquiry, AConfirmationAfterADeclinedCallback_IsRefunded) {
  testing_support::World w;
  w.open("alice", 10'000);
  w.pay("p", "alice", testing_support::usd(1'000));
  w.gateway("p", 1, GatewayReply::kNoAnswer);
  w.callback("p", CallbackOutcome::kDeclined);
  ASSERT_EQ(w.payment_row("p").status, PaymentStatus::kFail);
  w.inquiry("p", 1, InquiryReply::kConfirmed, "ref");
  ASSERT_TRUE(w.payment_row("p").late_refund);
  EXPECT_TRUE(pending_undo(w.payment_row("p")));
}

}  // namespace
}  // namespace payonce::core
