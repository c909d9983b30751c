// Idempotency-Keys inside the machine.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <variant>

#include "core/idempotency/keys.h"
#include "core/index_keys.h"
#include "support/machine_world.h"

namespace payonce::core {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing_support::currency;
using testing_support::kStart;
using testing_support::usd;
using testing_support::World;

constexpr Duration kRetention = Duration::seconds(3600);

class KeysTest : public testing::Test {
 protected:
  KeysTest() { world.open("alice", 1000); }

  static KeyedRequest keyed(bool answer_later = false, std::string fingerprint = "payload") {
    return KeyedRequest{.key = "key",
                        .fingerprint = std::move(fingerprint),
                        .retention = kRetention,
                        .answer_later = answer_later};
  }
  Outcome handle(Command command, KeyedRequest request = keyed()) {
    return world.handle_input(Input{std::move(command), std::move(request)});
  }
  static Deposit deposit() {
    return Deposit{.account_id = "alice", .amount = "1.00", .reference = {}};
  }
  const KeyRecord* key() { return world.state.rows.keys.find("key"); }

  World world;
};

TEST_F(KeysTest, FirstUse_RecordsTheAnswerWithTheEffect) {
  const Outcome outcome = handle(deposit());
  EXPECT_EQ(outcome.kind, OutcomeKind::kDeposited);
  EXPECT_THAT(world.events(), ElementsAre("funds_transferred", "answer_recorded"));
  const Record& record = world.added.records.back();
  EXPECT_EQ(record.kind, StreamKind::kIdempotency);
  EXPECT_EQ(record.stream, "");
  EXPECT_EQ(record.previous, 0U);
  const auto& recorded = std::get<AnswerRecorded>(record.event);
  EXPECT_EQ(recorded.answer.status, world.answer.status);
  EXPECT_EQ(recorded.answer.body, world.answer.body);
  ASSERT_NE(key(), nullptr);
  EXPECT_EQ(key()->state, KeyState::kCompleted);
  EXPECT_EQ(key()->expires_at, world.now + kRetention);
}

TEST_F(KeysTest, Repetition_ReplaysTheAnswerAndDoesNothing) {
  handle(deposit());
  const std::string first = world.answer.body;
  world.now = kStart + Duration::seconds(10);
  const Outcome outcome = handle(deposit());
  EXPECT_EQ(outcome.kind, OutcomeKind::kKeyReplayed);
  EXPECT_THAT(world.added.records, IsEmpty());
  EXPECT_THAT(world.added.effects, IsEmpty());
  EXPECT_EQ(world.answer.body, first);
  EXPECT_EQ(outcome.depends_on, world.log.back().seq);
  EXPECT_EQ(world.account("alice").posted, 1100);
}

TEST_F(KeysTest, RepetitionWithOtherPayload_IsRefused) {
  handle(deposit());
  const Outcome outcome = handle(deposit(), keyed(false, "other payload"));
  EXPECT_EQ(outcome.kind, OutcomeKind::kKeyReused);
  EXPECT_THAT(world.added.records, IsEmpty());
  EXPECT_EQ(world.account("alice").posted, 1100);
}

TEST_F(KeysTest, OtherKey_IsAnotherRequest) {
  handle(deposit());
  KeyedRequest other = keyed();
  other.key = "other";
  EXPECT_EQ(handle(deposit(), other).kind, OutcomeKind::kDeposited);
  EXPECT_EQ(world.account("alice").posted, 1200);
}

TEST_F(KeysTest, Answer_IsKeptUpToExactlyTheRetention) {
  handle(deposit());
  world.now = kStart + kRetention - Duration{1};
  EXPECT_EQ(handle(deposit()).kind, OutcomeKind::kKeyReplayed);
  EXPECT_EQ(handle(deposit(), keyed(false, "other")).kind, OutcomeKind::kKeyReused);
  world.now = kStart + kRetention;
  EXPECT_EQ(handle(deposit()).kind, OutcomeKind::kDeposited);
  EXPECT_EQ(world.account("alice").posted, 1200);
}

TEST_F(KeysTest, ExpiredKey_MayBeUsedForAnything) {
  handle(deposit());
  world.now = kStart + kRetention;
  EXPECT_EQ(handle(OpenAccount{.id = "bob", .currency = currency("USD"), .metadata = {}},
                   keyed(false, "other"))
                .kind,
            OutcomeKind::kAccountOpened);
  EXPECT_EQ(key()->fingerprint, "other");
  EXPECT_EQ(key()->expires_at, world.now + kRetention);
}

TEST_F(KeysTest, RefusedPayment_IsKeptToo) {
  const CreatePayment payment = world.payment("", "alice", usd(5000));
  EXPECT_EQ(handle(payment).kind, OutcomeKind::kPaymentRefused);
  EXPECT_THAT(world.events(), ElementsAre("payment_created", "payment_refused", "answer_recorded"));
  world.deposit("alice", "1000");
  EXPECT_EQ(handle(payment).kind, OutcomeKind::kKeyReplayed);
}

TEST_F(KeysTest, ExistingPaymentUnderANewKey_IsKeptAndReplayed) {
  const CreatePayment payment = world.payment("pay_1", "alice", usd(300));
  world.handle(payment);
  EXPECT_EQ(handle(payment).kind, OutcomeKind::kPaymentExisting);
  EXPECT_THAT(world.events(), ElementsAre("answer_recorded"));
  EXPECT_EQ(handle(payment).kind, OutcomeKind::kKeyReplayed);
}

TEST_F(KeysTest, WhatRecordedNothing_IsNotKept) {
  const auto expect_not_kept = [&](Command command, OutcomeKind kind) {
    EXPECT_EQ(handle(std::move(command)).kind, kind);
    EXPECT_THAT(world.added.records, IsEmpty());
    EXPECT_EQ(key(), nullptr);
  };
  world.pay("pay_1", "alice", usd(1));
  expect_not_kept(OpenAccount{.id = "alice", .currency = currency("USD"), .metadata = {}},
                  OutcomeKind::kAccountExists);
  expect_not_kept(OpenAccount{.id = "sys:x", .currency = currency("USD"), .metadata = {}},
                  OutcomeKind::kReservedId);
  expect_not_kept(Deposit{.account_id = "nobody", .amount = "1", .reference = {}},
                  OutcomeKind::kAccountNotFound);
  expect_not_kept(Deposit{.account_id = "alice", .amount = "0", .reference = {}},
                  OutcomeKind::kInvalidAmount);
  expect_not_kept(Deposit{.account_id = "alice", .amount = "92233720368547758.07", .reference = {}},
                  OutcomeKind::kBalanceOverflow);
  expect_not_kept(world.payment("pay_1", "alice", usd(2)), OutcomeKind::kPaymentExists);
  // And then the key is still free.
  EXPECT_EQ(handle(deposit()).kind, OutcomeKind::kDeposited);
}

TEST_F(KeysTest, AnswerLater_ClaimsTheKeyForThePayment) {
  const Outcome outcome = handle(world.payment("pay_1", "alice", usd(300)), keyed(true));
  EXPECT_EQ(outcome.kind, OutcomeKind::kPaymentAccepted);
  EXPECT_EQ(world.added.records.back().kind, StreamKind::kIdempotency);
  const auto& claimed = std::get<KeyClaimed>(world.added.records.back().event);
  EXPECT_EQ(claimed.workflow_kind, StreamKind::kPayment);
  EXPECT_EQ(claimed.workflow_id, "pay_1");
  EXPECT_EQ(claimed.retention, kRetention);
  ASSERT_NE(key(), nullptr);
  EXPECT_EQ(key()->state, KeyState::kProcessing);
}

TEST_F(KeysTest, AnswerLater_OfARefusedPayment_IsKeptAtOnce) {
  handle(world.payment("pay_1", "alice", usd(5000)), keyed(true));
  EXPECT_EQ(key()->state, KeyState::kCompleted);
}

// The answer is that of the end, whoever made the payment.
TEST_F(KeysTest, AnswerLater_OfAnExistingPayment_ClaimsTheKeyAsLongAsItRuns) {
  const CreatePayment payment = world.payment("pay_1", "alice", usd(300));
  world.handle(payment);
  EXPECT_EQ(handle(payment, keyed(true)).kind, OutcomeKind::kPaymentExisting);
  EXPECT_THAT(world.events(), ElementsAre("key_claimed"));
  EXPECT_EQ(key()->state, KeyState::kProcessing);
  EXPECT_EQ(key()->workflow_id, "pay_1");
}

TEST_F(KeysTest, AnswerLater_OfAnExistingPaymentThatHasEnded_IsKeptAtOnce) {
  const CreatePayment payment = world.payment("pay_1", "alice", usd(300));
  world.handle(payment);
  world.gateway("pay_1", 1, GatewayReply::kConfirmed);
  EXPECT_EQ(handle(payment, keyed(true)).kind, OutcomeKind::kPaymentExisting);
  EXPECT_THAT(world.events(), ElementsAre("answer_recorded"));
  EXPECT_EQ(key()->state, KeyState::kCompleted);
}

TEST_F(KeysTest, Completion_WakesThoseWhoWaitForTheKey) {
  handle(world.payment("pay_1", "alice", usd(300)), keyed(true));
  world.handle(CompleteKey{.key = "key", .answer = {}});
  ASSERT_EQ(world.added.effects.size(), 1U);
  const auto& ended = std::get<WorkflowEnded>(world.added.effects[0]);
  EXPECT_EQ(ended.kind, StreamKind::kIdempotency);
  EXPECT_EQ(ended.id, "key");
  world.handle(CompleteKey{.key = "key", .answer = {}});
  EXPECT_THAT(world.added.effects, IsEmpty());
}

TEST_F(KeysTest, ClaimedKey_IsInFlightForTheSamePayloadAndReusedForAnother) {
  const CreatePayment payment = world.payment("pay_1", "alice", usd(300));
  handle(payment, keyed(true));
  const Seq claimed = world.log.back().seq;
  const Outcome outcome = handle(payment, keyed(true));
  EXPECT_EQ(outcome.kind, OutcomeKind::kKeyInFlight);
  EXPECT_THAT(world.added.records, IsEmpty());
  ASSERT_NE(outcome.key, nullptr);
  EXPECT_EQ(outcome.key->workflow_id, "pay_1");
  EXPECT_EQ(outcome.depends_on, claimed);
  EXPECT_EQ(handle(payment, keyed(false)).kind, OutcomeKind::kKeyInFlight);
  EXPECT_EQ(handle(payment, keyed(true, "other")).kind, OutcomeKind::kKeyReused);
}

TEST_F(KeysTest, ClaimedKey_DoesNotExpireBeforeItIsCompleted) {
  const CreatePayment payment = world.payment("pay_1", "alice", usd(300));
  handle(payment, keyed(true));
  world.now = kStart + Duration::seconds(1'000'000);
  EXPECT_EQ(handle(payment, keyed(true)).kind, OutcomeKind::kKeyInFlight);
}

TEST_F(KeysTest, CompletedClaim_IsReplayed_AndItsRetentionCountsFromCompletion) {
  const CreatePayment payment = world.payment("pay_1", "alice", usd(300));
  handle(payment, keyed(true));
  world.now = kStart + Duration::seconds(100);
  const Answer end{.status = 201, .location = "/v1/payments/pay_1", .body = "the end"};
  EXPECT_EQ(world.handle(CompleteKey{.key = "key", .answer = end}).kind,
            OutcomeKind::kKeyCompleted);
  EXPECT_THAT(world.events(), ElementsAre("answer_recorded"));
  EXPECT_EQ(key()->expires_at, kStart + Duration::seconds(100) + kRetention);
  EXPECT_EQ(key()->workflow_id, "pay_1");
  EXPECT_EQ(key()->fingerprint, "payload");
  world.now = kStart + kRetention;
  EXPECT_EQ(handle(payment, keyed(true)).kind, OutcomeKind::kKeyReplayed);
  EXPECT_EQ(world.answer.status, 201U);
  EXPECT_EQ(world.answer.location, "/v1/payments/pay_1");
  EXPECT_EQ(world.answer.body, "the end");
  EXPECT_EQ(handle(payment, keyed(true, "other")).kind, OutcomeKind::kKeyReused);
}

TEST_F(KeysTest, CompletedTwice_KeepsTheFirstAnswer) {
  handle(world.payment("pay_1", "alice", usd(300)), keyed(true));
  world.handle(CompleteKey{.key = "key", .answer = {.status = 201, .location = {}, .body = "1"}});
  const Outcome outcome = world.handle(
      CompleteKey{.key = "key", .answer = {.status = 202, .location = {}, .body = "2"}});
  EXPECT_EQ(outcome.kind, OutcomeKind::kKeyReplayed);
  EXPECT_THAT(world.added.records, IsEmpty());
  ASSERT_NE(outcome.key, nullptr);
  EXPECT_EQ(outcome.key->answer.body, "1");
  EXPECT_GT(outcome.depends_on, 0U);
}

TEST_F(KeysTest, CompletingAnUnknownKey_IsStale) {
  EXPECT_EQ(world.handle(CompleteKey{.key = "nothing", .answer = {}}).kind,
            OutcomeKind::kResultStale);
  EXPECT_THAT(world.added.records, IsEmpty());
}

TEST_F(KeysTest, ExpiryIndex_HasOneEntryPerCompletedKey) {
  const auto expiries = [&] { return world.state.indexes.keys(Index::kKeysByExpiry); };
  handle(world.payment("pay_1", "alice", usd(300)), keyed(true));
  EXPECT_THAT(expiries(), IsEmpty());
  world.handle(CompleteKey{.key = "key", .answer = {}});
  ASSERT_EQ(expiries().size(), 1U);
  EXPECT_EQ(read_big_endian(expiries()[0].substr(0, 8)),
            static_cast<std::uint64_t>((kStart + kRetention).us));
  EXPECT_EQ(expiries()[0].substr(8), "key");
  world.now = kStart + kRetention;
  handle(deposit());
  ASSERT_EQ(expiries().size(), 1U);
  EXPECT_EQ(read_big_endian(expiries()[0].substr(0, 8)),
            static_cast<std::uint64_t>((kStart + kRetention + kRetention).us));
}

// The old entry would have removed the claim, and with it the protection of a running request.
TEST_F(KeysTest, ExpiredKeyThatIsClaimedAgain_HasNoExpiryLeft) {
  handle(deposit());
  world.now = kStart + kRetention;
  handle(world.payment("pay_1", "alice", usd(300)), keyed(true));
  EXPECT_EQ(key()->state, KeyState::kProcessing);
  EXPECT_THAT(world.state.indexes.keys(Index::kKeysByExpiry), IsEmpty());
}

// Whether the expired row was still there must make no difference to the new one.
TEST_F(KeysTest, ExpiredClaim_LeavesNothingInTheNextUse) {
  handle(world.payment("pay_1", "alice", usd(300)), keyed(true));
  world.handle(CompleteKey{.key = "key", .answer = {}});
  world.now = kStart + kRetention;
  handle(deposit());
  EXPECT_EQ(key()->workflow_id, "");
  EXPECT_EQ(key()->workflow_kind, StreamKind::kLog);
}

TEST_F(KeysTest, RequestWithoutKey_RecordsNoAnswer) {
  world.handle(deposit());
  EXPECT_THAT(world.events(), ElementsAre("funds_transferred"));
}

TEST(KeepsAnswer, OnlyOfWhatWasRecorded) {
  for (int i = 0; i <= static_cast<int>(OutcomeKind::kKeyCompleted); ++i) {
    const auto kind = static_cast<OutcomeKind>(i);
    const bool recorded = kind == OutcomeKind::kAccountOpened || kind == OutcomeKind::kDeposited ||
                          kind == OutcomeKind::kPaymentAccepted ||
                          kind == OutcomeKind::kPaymentRefused ||
                          kind == OutcomeKind::kPaymentExisting;
    EXPECT_EQ(keeps_answer(kind), recorded) << i;
  }
}

TEST_F(KeysTest, WithoutRenderer_ARepeatIsKnownAndNothingIsRecorded) {
  handle(deposit());
  Answer answer{.status = 7, .location = {}, .body = {}};
  Produced out;
  const Input again{deposit(), keyed()};
  EXPECT_EQ(world.machine.handle(again, world.now, nullptr, answer, out).kind,
            OutcomeKind::kKeyReplayed);
  EXPECT_EQ(answer.status, 7U);
  EXPECT_TRUE(out.records.empty());
  EXPECT_EQ(world.account("alice").posted, 1100);
}

TEST_F(KeysTest, ClaimedKey_KeepsItsNameAndWorkflowAndRetentionThroughItsEnd) {
  handle(world.payment("pay_1", "alice", usd(300)), keyed(true));
  ASSERT_NE(key(), nullptr);
  EXPECT_EQ(key()->key, "key");
  EXPECT_EQ(key()->workflow_kind, StreamKind::kPayment);
  EXPECT_EQ(key()->workflow_id, "pay_1");
  world.gateway("pay_1", 1, GatewayReply::kConfirmed);
  world.handle(CompleteKey{.key = "key", .answer = {}});
  EXPECT_EQ(key()->state, KeyState::kCompleted);
  EXPECT_EQ(key()->workflow_kind, StreamKind::kPayment);
  EXPECT_EQ(key()->workflow_id, "pay_1");
  EXPECT_EQ(key()->retention, kRetention);
}

}  // namespace
}  // namespace payonce::core
