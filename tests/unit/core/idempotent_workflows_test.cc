// Idempotency-Keys of cancels, refunds and operators' commands.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "core/idempotency/keys.h"
#include "support/machine_world.h"

namespace payonce::core {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing_support::usd;
using testing_support::World;

class KeyedWorkflowsTest : public testing::Test {
 protected:
  KeyedWorkflowsTest() {
    world.open("alice", 1000);
    world.pay("pay_1", "alice", usd(300));
  }
  Outcome handle(Command command, bool answer_later = false) {
    return world.handle_input(
        Input{std::move(command), KeyedRequest{.key = "key",
                                               .fingerprint = "payload",
                                               .retention = Duration::seconds(3600),
                                               .answer_later = answer_later}});
  }

  World world;
};

TEST_F(KeyedWorkflowsTest, Cancel_IsDoneOnceAndAnsweredTheSame) {
  const CancelPayment cancel{.payment_id = "pay_1", .reason = "off"};
  EXPECT_EQ(handle(cancel).kind, OutcomeKind::kCancelAccepted);
  EXPECT_THAT(world.events(),
              ElementsAre("cancel_requested", "compensation_started", "answer_recorded"));
  const Answer first = world.answer;
  world.undo("pay_1", 1, UndoReply::kDone);
  EXPECT_EQ(handle(cancel).kind, OutcomeKind::kKeyReplayed);
  EXPECT_EQ(world.answer.body, first.body);
  EXPECT_THAT(world.added.records, IsEmpty());
}

TEST_F(KeyedWorkflowsTest, Refund_IsMadeOnce) {
  world.gateway("pay_1", 1, GatewayReply::kConfirmed);
  const CreateRefund refund{.payment_id = "pay_1", .amount = "1"};
  EXPECT_EQ(handle(refund).kind, OutcomeKind::kRefundAccepted);
  EXPECT_THAT(world.events(), ElementsAre("refund_created", "refund_requested", "answer_recorded"));
  EXPECT_EQ(handle(refund).kind, OutcomeKind::kKeyReplayed);
  EXPECT_EQ(world.payment_row("pay_1").refunding_minor, 100);
  EXPECT_EQ(world.payment_row("pay_1").refunds, 1U);
}

TEST_F(KeyedWorkflowsTest, Refusal_IsNotKept) {
  world.gateway("pay_1", 1, GatewayReply::kConfirmed);
  EXPECT_EQ(handle(CancelPayment{.payment_id = "pay_1", .reason = {}}).kind,
            OutcomeKind::kPaymentClosed);
  EXPECT_THAT(world.added.records, IsEmpty());
  EXPECT_EQ(handle(CreateRefund{.payment_id = "pay_1", .amount = "9"}).kind,
            OutcomeKind::kRefundTooMuch);
  EXPECT_THAT(world.added.records, IsEmpty());
  EXPECT_EQ(handle(CreateRefund{.payment_id = "pay_1", .amount = "1"}).kind,
            OutcomeKind::kRefundAccepted);
}

// The end may take days, but the answer to a cancel is there with its commit.
TEST_F(KeyedWorkflowsTest, AnswerToACancel_IsNeverLeftForLater) {
  handle(CancelPayment{.payment_id = "pay_1", .reason = {}}, true);
  EXPECT_EQ(world.state.rows.keys.find("key")->state, KeyState::kCompleted);
}

TEST(KeepsAnswer, OfWhatChangedSomething_AndOfNothingElse) {
  for (const OutcomeKind kind :
       {OutcomeKind::kCancelAccepted, OutcomeKind::kCompensationRetried, OutcomeKind::kFraudDecided,
        OutcomeKind::kRefundAccepted, OutcomeKind::kTaskRetried}) {
    EXPECT_TRUE(keeps_answer(kind)) << static_cast<int>(kind);
  }
  for (const OutcomeKind kind :
       {OutcomeKind::kPaymentNotFound, OutcomeKind::kPaymentClosed,
        OutcomeKind::kNotCompensationFailed, OutcomeKind::kFraudNotFound, OutcomeKind::kFraudClosed,
        OutcomeKind::kRefundTooMuch, OutcomeKind::kRefundNotPossible, OutcomeKind::kTaskNotFound,
        OutcomeKind::kTaskNotExhausted}) {
    EXPECT_FALSE(keeps_answer(kind)) << static_cast<int>(kind);
  }
}

}  // namespace
}  // namespace payonce::core
