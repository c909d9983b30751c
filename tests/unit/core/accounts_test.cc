// Accounts and deposits.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <string>
#include <variant>

#include "support/machine_world.h"

namespace payonce::core {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing_support::currency;
using testing_support::kStart;
using testing_support::World;

constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();

TEST(OpenAccount, WithoutBalance_IsOneEventAndAnEmptyAccount) {
  World world;
  const Outcome outcome = world.open("alice");
  EXPECT_EQ(outcome.kind, OutcomeKind::kAccountOpened);
  EXPECT_THAT(world.events(), ElementsAre("account_opened"));
  ASSERT_NE(outcome.account, nullptr);
  EXPECT_EQ(outcome.account->id, "alice");
  EXPECT_EQ(outcome.account->currency, currency("USD"));
  EXPECT_EQ(outcome.account->available(), 0);
  EXPECT_FALSE(outcome.account->system);
  EXPECT_EQ(outcome.account->created_at, kStart);
}

TEST(OpenAccount, WithBalance_IsFundedByATransfer) {
  World world;
  world.open("alice", 500);
  EXPECT_THAT(world.events(), ElementsAre("account_opened", "account_opened", "funds_transferred"));
  EXPECT_EQ(world.account("alice").posted, 500);
  EXPECT_EQ(world.account("sys:funding:USD").posted, -500);
  EXPECT_TRUE(world.account("sys:funding:USD").system);
  ASSERT_NE(world.state.rows.transfers.find("alice/opening"), nullptr);
  EXPECT_EQ(world.state.rows.transfers.find("alice/opening")->state, TransferState::kPosted);
}

TEST(OpenAccount, FundingAccount_IsOpenedOncePerCurrency) {
  World world;
  world.open("alice", 500);
  world.open("bob", 500);
  EXPECT_THAT(world.events(), ElementsAre("account_opened", "funds_transferred"));
  world.open("carol", 500, "EUR");
  EXPECT_THAT(world.events(), ElementsAre("account_opened", "account_opened", "funds_transferred"));
  EXPECT_EQ(world.account("sys:funding:USD").posted, -1000);
  EXPECT_EQ(world.account("sys:funding:EUR").posted, -500);
}

TEST(OpenAccount, LargestBalance_IsHeld) {
  World world;
  world.open("alice", kMax);
  world.open("bob", kMax);
  EXPECT_EQ(world.account("alice").available(), kMax);
  EXPECT_EQ(world.account("sys:funding:USD").posted, -2 * WideAmount{kMax});
}

TEST(OpenAccount, Metadata_IsKeptAsItIs) {
  World world;
  world.handle(OpenAccount{.id = "alice",
                           .currency = currency("USD"),
                           .opening_minor = 0,
                           .metadata = R"({"tier":"gold"})"});
  EXPECT_EQ(world.account("alice").metadata, R"({"tier":"gold"})");
}

TEST(OpenAccount, TakenId_IsRefusedAndShowsTheAccount) {
  World world;
  world.open("alice", 500);
  const Outcome outcome = world.open("alice", 700, "EUR");
  EXPECT_EQ(outcome.kind, OutcomeKind::kAccountExists);
  EXPECT_THAT(world.added.records, IsEmpty());
  ASSERT_NE(outcome.account, nullptr);
  EXPECT_EQ(outcome.account->posted, 500);
  EXPECT_EQ(outcome.depends_on, 4U);  // the transfer that gave it its balance
}

TEST(OpenAccount, IdOfASystemAccount_IsReserved) {
  World world;
  for (const char* id : {"sys:", "sys:funding:USD", "sys:gateway:USD", "sys:anything"}) {
    EXPECT_EQ(world.open(id).kind, OutcomeKind::kReservedId) << id;
    EXPECT_THAT(world.added.records, IsEmpty());
  }
  EXPECT_EQ(world.open("system").kind, OutcomeKind::kAccountOpened);
  EXPECT_EQ(world.open("SYS:x").kind, OutcomeKind::kAccountOpened);
}

TEST(OpenAccount, WithoutId_GetsOneOfItsOwn) {
  World world;
  const std::string first = world.open("").account->id;
  const std::string second = world.open("").account->id;
  EXPECT_TRUE(first.starts_with("acct_"));
  EXPECT_TRUE(valid_id(first));
  EXPECT_NE(first, second);
}

TEST(Deposit, Amount_IsReadInTheAccountsCurrency) {
  World world;
  world.open("usd", 0, "USD");
  world.open("jpy", 0, "JPY");
  world.open("kwd", 0, "KWD");
  EXPECT_EQ(world.deposit("usd", "10.50").kind, OutcomeKind::kDeposited);
  EXPECT_EQ(world.deposit("jpy", "10").kind, OutcomeKind::kDeposited);
  EXPECT_EQ(world.deposit("kwd", "10.505").kind, OutcomeKind::kDeposited);
  EXPECT_EQ(world.account("usd").available(), 1050);
  EXPECT_EQ(world.account("jpy").available(), 10);
  EXPECT_EQ(world.account("kwd").available(), 10'505);
}

TEST(Deposit, Transfer_IsShownWithItsReference) {
  World world;
  world.open("alice");
  world.now = kStart + Duration::seconds(5);
  const Outcome outcome =
      world.handle(Deposit{.account_id = "alice", .amount = "1.00", .reference = "invoice 7"});
  ASSERT_NE(outcome.transfer, nullptr);
  EXPECT_TRUE(outcome.transfer->id.starts_with("tr_"));
  EXPECT_TRUE(outcome.transfer->workflow_id.starts_with("dep_"));
  EXPECT_EQ(outcome.transfer->debit_account, "sys:funding:USD");
  EXPECT_EQ(outcome.transfer->credit_account, "alice");
  EXPECT_EQ(outcome.transfer->amount, testing_support::usd(100));
  EXPECT_EQ(outcome.transfer->reference, "invoice 7");
  EXPECT_EQ(outcome.transfer->created_at, world.now);
  ASSERT_NE(outcome.account, nullptr);
  EXPECT_EQ(outcome.account->available(), 100);
}

TEST(Deposit, TwiceTheSame_AreTwoTransfers) {
  World world;
  world.open("alice");
  const std::string first = world.deposit("alice", "1").transfer->id;
  const std::string second = world.deposit("alice", "1").transfer->id;
  EXPECT_NE(first, second);
  EXPECT_EQ(world.account("alice").posted, 200);
}

TEST(Deposit, UnknownAccount_IsRefused) {
  World world;
  EXPECT_EQ(world.deposit("nobody", "1").kind, OutcomeKind::kAccountNotFound);
  EXPECT_EQ(world.deposit("", "1").kind, OutcomeKind::kAccountNotFound);
  EXPECT_THAT(world.added.records, IsEmpty());
}

TEST(Deposit, SystemAccount_LooksUnknown) {
  World world;
  world.open("alice", 100);
  EXPECT_EQ(world.deposit("sys:funding:USD", "1").kind, OutcomeKind::kAccountNotFound);
  EXPECT_THAT(world.added.records, IsEmpty());
}

TEST(Deposit, BadAmount_SaysWhy) {
  World world;
  world.open("alice");
  const auto error_of = [&](const char* amount) {
    const Outcome outcome = world.deposit("alice", amount);
    EXPECT_EQ(outcome.kind, OutcomeKind::kInvalidAmount) << amount;
    EXPECT_THAT(world.added.records, IsEmpty());
    return outcome.amount_error;
  };
  EXPECT_EQ(error_of("0"), AmountError::kNotPositive);
  EXPECT_EQ(error_of("0.00"), AmountError::kNotPositive);
  EXPECT_EQ(error_of("1.001"), AmountError::kTooPrecise);
  EXPECT_EQ(error_of("-1"), AmountError::kSyntax);
  EXPECT_EQ(error_of("ten"), AmountError::kSyntax);
  EXPECT_EQ(error_of("92233720368547758.08"), AmountError::kOverflow);
}

TEST(Deposit, AboveInt64_IsRefused) {
  World world;
  world.open("alice", kMax - 5);
  EXPECT_EQ(world.deposit("alice", "0.06").kind, OutcomeKind::kBalanceOverflow);
  EXPECT_THAT(world.added.records, IsEmpty());
  EXPECT_EQ(world.deposit("alice", "0.05").kind, OutcomeKind::kDeposited);
  EXPECT_EQ(world.account("alice").posted, kMax);
  EXPECT_EQ(world.deposit("alice", "0.01").kind, OutcomeKind::kBalanceOverflow);
}

TEST(Deposit, Refusal_DependsOnWhatItShows) {
  World world;
  world.open("alice");
  EXPECT_EQ(world.deposit("alice", "0").depends_on, 2U);
  EXPECT_EQ(world.deposit("nobody", "1").depends_on, 0U);
}

TEST(SystemAccount, MayReceiveMoreThanAClientsAccountHolds) {
  const std::int64_t most = std::numeric_limits<std::int64_t>::max();
  World world;
  for (const char* user : {"alice", "bob"}) {
    const std::string id = std::string("pay_").append(user);
    world.open(user, most);
    world.pay(id, user, testing_support::usd(most));
    world.gateway(id, 1, GatewayReply::kConfirmed);
    EXPECT_EQ(world.payment_row(id).status, PaymentStatus::kSuccess);
  }
  EXPECT_EQ(world.account("sys:gateway:USD").posted, WideAmount{most} * 2);
}

TEST(AccountHistory, OpeningAndDeposits_AreChained) {
  World world;
  world.open("alice", 100);
  world.deposit("alice", "1");
  world.deposit("alice", "2");
  Seq before = 0;
  int seen = 0;
  for (const Record& record : world.log) {
    if (record.stream != "alice") {
      continue;
    }
    EXPECT_EQ(record.kind, StreamKind::kAccount);
    EXPECT_EQ(record.previous, before);
    before = record.seq;
    ++seen;
  }
  EXPECT_EQ(seen, 4);  // opened, opening balance, two deposits
  EXPECT_EQ(world.account("alice").stream_last, before);
}

TEST(AccountIndexes, ClientsAccountsByTime_AndTransfersOfBothSides) {
  World world;
  world.open("b", 100);
  world.open("a");
  world.deposit("a", "1");
  EXPECT_THAT(world.state.indexes.values(Index::kAccountsByTime), ElementsAre("b", "a"));
  // Two sides of two transfers, by account.
  const auto transfers = world.state.indexes.values(Index::kTransfersByAccount);
  ASSERT_EQ(transfers.size(), 4U);
  EXPECT_EQ(transfers[1], "b/opening");
}

}  // namespace
}  // namespace payonce::core
