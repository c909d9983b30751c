// Refunds: parts of a payment that are given back after it succeeded.
#include <limits>

#include "unit/core/saga_fixture.h"

namespace payonce::core {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class RefundTest : public SagaFixture {
 protected:
  RefundTest() {
    start();
    world.gateway("pay_1", 1, GatewayReply::kConfirmed);
  }
  // The id of a new refund, which must be accepted.
  std::string refund(const std::string& amount = {}) {
    const Outcome outcome = world.refund("pay_1", amount);
    EXPECT_EQ(outcome.kind, OutcomeKind::kRefundAccepted) << amount;
    return outcome.refund == nullptr ? "" : outcome.refund->id;
  }
  void expect_amounts(std::int64_t refunding, std::int64_t refunded) {
    EXPECT_EQ(payment().refunding_minor, refunding);
    EXPECT_EQ(payment().refunded_minor, refunded);
  }
};

TEST_F(RefundTest, Accepted_ReservesTheAmountAndAsksTheGateway) {
  const Outcome outcome = world.refund("pay_1", "1.20");
  EXPECT_EQ(outcome.kind, OutcomeKind::kRefundAccepted);
  EXPECT_THAT(world.events(), ElementsAre("refund_created", "refund_requested"));
  ASSERT_NE(outcome.refund, nullptr);
  const Refund& refund = *outcome.refund;
  EXPECT_TRUE(refund.id.starts_with("ref_"));
  EXPECT_TRUE(valid_id(refund.id));
  EXPECT_EQ(refund.payment_id, "pay_1");
  EXPECT_EQ(refund.user_id, "alice");
  EXPECT_EQ(refund.amount, usd(120));
  EXPECT_EQ(refund.status, RefundStatus::kProcessing);
  EXPECT_EQ(refund.retry, world.rules.compensation_retry);
  expect_amounts(120, 0);
  EXPECT_EQ(alice().posted, 700);  // nothing moves before the gateway has given it back
  ASSERT_EQ(world.added.effects.size(), 1U);
  const auto& call = std::get<RefundAtGateway>(world.added.effects[0]);
  EXPECT_EQ(call.refund_id, refund.id);  // the gateway's key
  EXPECT_EQ(call.payment_id, "pay_1");
  EXPECT_EQ(call.call, 1U);
  EXPECT_EQ(call.not_before, world.now);
  EXPECT_EQ(call.amount, usd(120));
}

TEST_F(RefundTest, Confirmed_MovesTheMoneyToTheUser) {
  const std::string id = refund("1.20");
  EXPECT_EQ(world.refund_reply(id, 1, RefundReply::kConfirmed, "re_1").kind,
            OutcomeKind::kResultApplied);
  EXPECT_THAT(world.events(), ElementsAre("refund_confirmed", "funds_transferred", "refund_ended"));
  EXPECT_EQ(world.refund_row(id).status, RefundStatus::kSuccess);
  EXPECT_EQ(world.refund_row(id).reference, "re_1");
  expect_amounts(0, 120);
  EXPECT_EQ(alice().posted, 820);
  EXPECT_EQ(world.account("sys:gateway:USD").posted, 180);
  const Transfer& transfer = *world.state.rows.transfers.find(id + "/refund");
  EXPECT_TRUE(transfer.id.starts_with("tr_"));
  EXPECT_EQ(transfer.state, TransferState::kPosted);
  EXPECT_EQ(transfer.credit_account, "alice");
  EXPECT_EQ(transfer.reference, "pay_1");
  ASSERT_EQ(world.added.effects.size(), 1U);
  EXPECT_EQ(std::get<WorkflowEnded>(world.added.effects[0]).kind, StreamKind::kRefund);
  EXPECT_EQ(payment().status, PaymentStatus::kSuccess);
}

TEST_F(RefundTest, WithoutAnAmount_GivesBackAllThatIsLeft) {
  const std::string part = refund("1");
  EXPECT_EQ(world.refund_row(refund()).amount, usd(200));
  expect_refused(world.refund("pay_1"), OutcomeKind::kRefundTooMuch);
  expect_amounts(300, 0);
}

TEST_F(RefundTest, SeveralParts_GiveBackAllAndNoMore) {
  for (const char* amount : {"1", "0.50", "1.50"}) {
    world.refund_reply(refund(amount), 1, RefundReply::kConfirmed);
  }
  expect_amounts(0, 300);
  EXPECT_EQ(alice().posted, 1000);
  EXPECT_EQ(world.account("sys:gateway:USD").posted, 0);
  EXPECT_EQ(payment().refunds, 3U);
  expect_refused(world.refund("pay_1", "0.01"), OutcomeKind::kRefundTooMuch);
  expect_refused(world.refund("pay_1"), OutcomeKind::kRefundTooMuch);
}

TEST_F(RefundTest, TooMuch_IsRefused) {
  expect_refused(world.refund("pay_1", "3.01"), OutcomeKind::kRefundTooMuch);
  expect_refused(world.refund("pay_1", "92233720368547758.07"), OutcomeKind::kRefundTooMuch);
  expect_amounts(0, 0);
}

TEST_F(RefundTest, WhatOthersHaveReserved_IsNotGivenBackTwice) {
  const std::string first = refund("2");
  expect_refused(world.refund("pay_1", "1.01"), OutcomeKind::kRefundTooMuch);
  const std::string second = refund("1");
  expect_refused(world.refund("pay_1", "0.01"), OutcomeKind::kRefundTooMuch);
  world.refund_reply(second, 1, RefundReply::kConfirmed);
  world.refund_reply(first, 1, RefundReply::kConfirmed);
  EXPECT_EQ(alice().posted, 1000);
}

TEST_F(RefundTest, Declined_FreesWhatWasReserved) {
  const std::string id = refund();
  world.refund_reply(id, 1, RefundReply::kDeclined, "too old");
  EXPECT_THAT(world.events(), ElementsAre("refund_declined", "refund_ended"));
  EXPECT_EQ(world.refund_row(id).status, RefundStatus::kFail);
  EXPECT_EQ(world.refund_row(id).error, "too old");
  expect_amounts(0, 0);
  EXPECT_EQ(alice().posted, 700);
  ASSERT_EQ(world.added.effects.size(), 1U);
  EXPECT_TRUE(std::holds_alternative<WorkflowEnded>(world.added.effects[0]));
  world.refund_reply(refund(), 1, RefundReply::kConfirmed);
  EXPECT_EQ(alice().posted, 1000);
}

TEST_F(RefundTest, BadAmounts_AreRefused) {
  for (const char* amount : {"x", "0.001", "-1", "1e2", " 1"}) {
    expect_refused(world.refund("pay_1", amount), OutcomeKind::kInvalidAmount);
  }
  for (const char* amount : {"0", "0.00"}) {
    const Outcome outcome = world.refund("pay_1", amount);
    EXPECT_NE(outcome.kind, OutcomeKind::kRefundAccepted);
    expect_nothing_added();
  }
}

TEST_F(RefundTest, PaymentThatHasNotSucceeded_HasNothingToGiveBack) {
  expect_refused(world.refund("nothing"), OutcomeKind::kPaymentNotFound);
  world.pay("pay_open", "alice", usd(1));
  expect_refused(world.refund("pay_open"), OutcomeKind::kRefundNotPossible);
  world.gateway("pay_open", 1, GatewayReply::kDeclined);
  expect_refused(world.refund("pay_open"), OutcomeKind::kRefundNotPossible);
  world.pay("pay_refused", "nobody", usd(1));
  expect_refused(world.refund("pay_refused"), OutcomeKind::kRefundNotPossible);
  world.pay("pay_off", "alice", usd(1));
  world.cancel("pay_off");
  expect_refused(world.refund("pay_off"), OutcomeKind::kRefundNotPossible);
  one_payment = false;
}

TEST_F(RefundTest, FailedCall_IsTriedAgainUnderTheSameKey) {
  const std::string id = refund("1");
  world.refund_reply(id, 1, RefundReply::kFailed, "503");
  EXPECT_THAT(world.events(), ElementsAre("refund_retry_scheduled"));
  ASSERT_EQ(world.added.effects.size(), 1U);
  const auto& call = std::get<RefundAtGateway>(world.added.effects[0]);
  EXPECT_EQ(call.refund_id, id);
  EXPECT_EQ(call.call, 2U);
  EXPECT_EQ(call.not_before, world.now + retry_delay(world.rules.compensation_retry, 1, id));
  EXPECT_EQ(world.refund_row(id).error, "503");
  expect_amounts(100, 0);
  world.refund_reply(id, 2, RefundReply::kConfirmed);
  EXPECT_EQ(world.refund_row(id).error, "");
}

TEST_F(RefundTest, AnswerToAnotherCall_IsStale) {
  const std::string id = refund("1");
  for (const std::uint32_t call : {0U, 2U}) {
    for (int reply = 1; reply <= 3; ++reply) {
      expect_stale(world.refund_reply(id, call, static_cast<RefundReply>(reply)));
    }
  }
  expect_stale(world.refund_reply("nothing", 1, RefundReply::kConfirmed));
  world.refund_reply(id, 1, RefundReply::kConfirmed);
  for (int reply = 1; reply <= 3; ++reply) {
    expect_stale(world.refund_reply(id, 1, static_cast<RefundReply>(reply)));
    expect_stale(world.refund_reply(id, 2, static_cast<RefundReply>(reply)));
  }
  EXPECT_EQ(alice().posted, 800);
}

TEST_F(RefundTest, AttemptsUsedUp_KeepTheReserveAndWaitForAnOperator) {
  const std::string id = refund("1");
  world.refund_reply(id, 1, RefundReply::kFailed);
  world.refund_reply(id, 2, RefundReply::kFailed, "still down");
  EXPECT_THAT(world.events(), ElementsAre("refund_exhausted"));
  EXPECT_THAT(world.effects(), IsEmpty());
  EXPECT_EQ(world.refund_row(id).status, RefundStatus::kExhausted);
  EXPECT_EQ(world.refund_row(id).error, "still down");
  expect_amounts(100, 0);
  EXPECT_THAT(world.state.indexes.keys(Index::kExhausted), ElementsAre("refund:" + id));
  expect_refused(world.refund("pay_1", "2.01"), OutcomeKind::kRefundTooMuch);
  expect_stale(world.refund_reply(id, 3, RefundReply::kConfirmed));
}

TEST_F(RefundTest, Resumed_HasItsAttemptsAgain) {
  const std::string id = refund("1");
  world.refund_reply(id, 1, RefundReply::kFailed);
  world.refund_reply(id, 2, RefundReply::kFailed);
  world.now = world.now + Duration::seconds(9);
  EXPECT_EQ(world.handle(RetryRefund{.refund_id = id}).kind, OutcomeKind::kTaskRetried);
  EXPECT_THAT(world.events(), ElementsAre("refund_resumed"));
  EXPECT_THAT(world.state.indexes.keys(Index::kExhausted), IsEmpty());
  ASSERT_EQ(world.added.effects.size(), 1U);
  EXPECT_EQ(std::get<RefundAtGateway>(world.added.effects[0]).call, 3U);
  EXPECT_EQ(std::get<RefundAtGateway>(world.added.effects[0]).not_before, world.now);
  world.refund_reply(id, 3, RefundReply::kFailed);
  EXPECT_EQ(world.refund_row(id).status, RefundStatus::kProcessing);
  world.refund_reply(id, 4, RefundReply::kConfirmed);
  EXPECT_EQ(world.refund_row(id).status, RefundStatus::kSuccess);
  EXPECT_EQ(alice().posted, 800);
}

TEST_F(RefundTest, RetryOfWhatIsNotUsedUp_IsRefused) {
  const std::string id = refund("1");
  expect_refused(world.handle(RetryRefund{.refund_id = id}), OutcomeKind::kTaskNotExhausted);
  world.refund_reply(id, 1, RefundReply::kConfirmed);
  expect_refused(world.handle(RetryRefund{.refund_id = id}), OutcomeKind::kTaskNotExhausted);
  expect_refused(world.handle(RetryRefund{.refund_id = "nothing"}), OutcomeKind::kTaskNotFound);
}

// The gateway has given the money back, so it may not be lost: it waits until there is room.
TEST_F(RefundTest, IntoAnAccountThatCannotHoldIt_WaitsForRoom) {
  const std::string id = refund("3");
  const std::int64_t max = std::numeric_limits<std::int64_t>::max();
  world.deposit("alice", format_amount(max - 700, testing_support::currency("USD")));
  ASSERT_EQ(alice().posted, max);
  world.refund_reply(id, 1, RefundReply::kConfirmed);
  EXPECT_THAT(world.events(), ElementsAre("refund_exhausted"));
  EXPECT_EQ(world.refund_row(id).error, "the account could not hold that much");
  expect_amounts(300, 0);
  world.pay("pay_room", "alice", usd(300));
  world.gateway("pay_room", 1, GatewayReply::kConfirmed);
  world.handle(RetryRefund{.refund_id = id});
  world.refund_reply(id, 2, RefundReply::kConfirmed);
  EXPECT_EQ(world.refund_row(id).status, RefundStatus::kSuccess);
  EXPECT_EQ(alice().posted, max);
  one_payment = false;
}

// As above, and the first call of several that are allowed: the history tells why it waits.
TEST_F(RefundTest, HistoryOfARefundWithoutRoom_IsDecidedTheSameAgain) {
  const std::string id = refund("3");
  world.deposit("alice", format_amount(std::numeric_limits<std::int64_t>::max() - 700,
                                       testing_support::currency("USD")));
  world.refund_reply(id, 1, RefundReply::kConfirmed);
  EXPECT_EQ(world.refund_row(id).status, RefundStatus::kExhausted);
}

TEST_F(RefundTest, Number_IsBounded) {
  world.deposit("alice", "100");
  world.pay("pay_2", "alice", usd(5000));
  world.gateway("pay_2", 1, GatewayReply::kConfirmed);
  for (int i = 0; i < 1000; ++i) {
    ASSERT_EQ(world.refund("pay_2", "0.01").kind, OutcomeKind::kRefundAccepted) << i;
  }
  expect_refused(world.refund("pay_2", "0.01"), OutcomeKind::kRefundNotPossible);
  one_payment = false;
}

TEST_F(RefundTest, Indexes_ListTheRefundsOfAPaymentInTheirOrder) {
  const std::string first = refund("1");
  world.now = world.now + Duration::seconds(1);
  const std::string second = refund("1");
  EXPECT_THAT(world.state.indexes.values(Index::kRefundsByPayment), ElementsAre(first, second));
  EXPECT_THAT(world.state.indexes.values(Index::kRefundsByTime), ElementsAre(first, second));
  EXPECT_THAT(world.state.indexes.waiting(), testing::Contains("\x05" + first));
  world.refund_reply(first, 1, RefundReply::kConfirmed);
  EXPECT_THAT(world.state.indexes.waiting(), testing::Not(testing::Contains("\x05" + first)));
}

TEST_F(RefundTest, Fold_RefusesWhatDoesNotFit) {
  const std::string id = refund("1");
  const auto refuse = [&](const Event& event) {
    expect_fold_refuses(StreamKind::kRefund, id, event);
  };
  refuse(RefundCreated{});
  refuse(RefundConfirmed{.call = 2, .reference = {}});
  refuse(RefundDeclined{.call = 0, .reason = {}});
  refuse(RefundResumed{});
  const auto refuse_payment = [&](const Event& event) {
    expect_fold_refuses(StreamKind::kPayment, "pay_1", event);
  };
  refuse_payment(RefundRequested{.refund_id = "x", .amount = usd(201)});
  refuse_payment(RefundRequested{.refund_id = "x", .amount = usd(0)});
  refuse_payment(RefundEnded{.refund_id = id, .amount = usd(101), .success = true});
  refuse_payment(RefundEnded{.refund_id = id, .amount = usd(0), .success = true});
  refuse_payment(RefundEnded{.refund_id = id, .amount = usd(-1), .success = true});
}

}  // namespace
}  // namespace payonce::core
