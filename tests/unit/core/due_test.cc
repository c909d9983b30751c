// When tasks are due, and the keys that say so.
#include "core/due.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

#include "core/effects.h"
#include "unit/core/saga_fixture.h"

namespace payonce::core {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class DueTest : public SagaFixture {
 protected:
  [[nodiscard]] std::vector<std::string> keys(TaskClass task) const {
    return world.state.indexes.keys(index_of(task));
  }
  [[nodiscard]] static std::string payment_key(Timestamp at) {
    return due_key(at, StreamKind::kPayment, "pay_1");
  }
};

TEST(DueKey, IsReadBack) {
  const std::string key = due_key(Timestamp{5}, StreamKind::kRefund, "ref_1");
  const auto read = parse_due_key(key);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->at, Timestamp{5});
  EXPECT_EQ(read->kind, StreamKind::kRefund);
  EXPECT_EQ(read->id, "ref_1");
}

TEST(DueKey, OfAnIdOfOneCharacter_IsReadBack) {
  const std::string key = due_key(Timestamp{5}, StreamKind::kPayment, "p");
  const auto read = parse_due_key(key);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->id, "p");
}

TEST(DueKey, OfBytesThatAreNone_IsNothing) {
  EXPECT_FALSE(parse_due_key(""));
  EXPECT_FALSE(parse_due_key("1234567"));
  EXPECT_FALSE(parse_due_key(due_from(Timestamp{5})));
  EXPECT_FALSE(parse_due_key(due_key(Timestamp{5}, StreamKind::kPayment, "")));
}

TEST(DueKey, OrderIsThatOfTime_AndStartsAtTheFirstKeyOfATime) {
  const std::string early = due_key(Timestamp{255}, StreamKind::kRefund, "z");
  const std::string late = due_key(Timestamp{256}, StreamKind::kPayment, "a");
  EXPECT_LT(early, late);
  EXPECT_LT(due_from(Timestamp{256}), late);
  EXPECT_GT(due_from(Timestamp{256}), early);
}

TEST(DueSet, HoldsEachDueOnce) {
  DueSet dues;
  EXPECT_TRUE(dues.empty());
  dues.add(TaskClass::kNotify, Timestamp{1});
  dues.add(TaskClass::kNotify, Timestamp{1});
  dues.add(TaskClass::kTimer, Timestamp{1});
  EXPECT_EQ(dues.all().size(), 2U);
  EXPECT_TRUE(dues.has({.task = TaskClass::kTimer, .at = Timestamp{1}}));
  EXPECT_FALSE(dues.has({.task = TaskClass::kTimer, .at = Timestamp{2}}));
}

TEST(TaskClass, EveryTaskHasOne_AndAnEndHasNone) {
  EXPECT_EQ(task_class(CallGateway{}), TaskClass::kGateway);
  EXPECT_EQ(task_class(InquireGateway{}), TaskClass::kGateway);
  EXPECT_EQ(task_class(UndoAtGateway{}), TaskClass::kGateway);
  EXPECT_EQ(task_class(RefundAtGateway{}), TaskClass::kGateway);
  EXPECT_EQ(task_class(CheckFraud{}), TaskClass::kFraud);
  EXPECT_EQ(task_class(SendNotification{}), TaskClass::kNotify);
  EXPECT_EQ(task_class(StartTimer{}), TaskClass::kTimer);
  EXPECT_EQ(task_class(WorkflowEnded{}), std::nullopt);
}

TEST(TaskIdentity, DiffersForEveryDifferentTask) {
  std::set<std::string> all;
  const auto add = [&](const Effect& effect) { all.insert(task_identity(effect)); };
  add(CallGateway{
      .payment_id = "p", .attempt = 1, .not_before = {}, .amount = {}, .payment_method = {}});
  add(CallGateway{
      .payment_id = "p", .attempt = 2, .not_before = {}, .amount = {}, .payment_method = {}});
  add(CallGateway{
      .payment_id = "q", .attempt = 1, .not_before = {}, .amount = {}, .payment_method = {}});
  add(InquireGateway{.payment_id = "p", .inquiry = 1, .not_before = {}, .payment_method = {}});
  SendNotification send;
  send.payment_id = "p";
  send.attempt = 1;
  add(send);
  send.channel = NotifyChannel::kWebhook;
  add(send);
  send.not_before = Timestamp{1};
  add(send);
  add(StartTimer{.id = "p", .due = Timestamp{1}, .payment_method = {}});
  add(StartTimer{.id = "p", .due = Timestamp{2}, .payment_method = {}});
  EXPECT_EQ(all.size(), 9U);
  add(send);
  EXPECT_EQ(all.size(), 9U);
}

TEST_F(DueTest, ACallThatIsRetried_MovesToItsNewTime) {
  start();
  EXPECT_THAT(keys(TaskClass::kGateway), ElementsAre(payment_key(payment().created_at)));
  world.gateway("pay_1", 1, GatewayReply::kTemporaryFailure);
  ASSERT_GT(payment().gateway_not_before, world.now);
  EXPECT_THAT(keys(TaskClass::kGateway), ElementsAre(payment_key(payment().gateway_not_before)));
}

TEST_F(DueTest, APaymentThatAwaitsItsCallback_StandsUnderItsDeadline) {
  start();
  world.gateway("pay_1", 1, GatewayReply::kAccepted);
  EXPECT_THAT(keys(TaskClass::kGateway), IsEmpty());
  EXPECT_THAT(keys(TaskClass::kTimer), ElementsAre(payment_key(payment().callback_deadline)));
}

TEST_F(DueTest, ANotificationThatIsOwed_StandsAloneUnderItsTime) {
  start();
  world.gateway("pay_1", 1, GatewayReply::kConfirmed);
  EXPECT_THAT(keys(TaskClass::kGateway), IsEmpty());
  EXPECT_THAT(keys(TaskClass::kNotify), ElementsAre(payment_key(payment().ended_at)));
  world.notified("pay_1", 1, true);
  EXPECT_THAT(keys(TaskClass::kNotify), IsEmpty());
}

}  // namespace
}  // namespace payonce::core
