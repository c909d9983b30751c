// Movements of money as the fold sees them: what does not fit is refused and changes nothing.
#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <string>
#include <utility>

#include "support/machine_world.h"

namespace payonce::core {
namespace {

using testing_support::currency;
using testing_support::Folded;
using testing_support::kStart;
using testing_support::usd;

constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();

// A ledger with "alice" (1000), "bob" (0) and the system account "sys:x", all in USD. Movements
// belong to the stream of the payment "pay".
class HoldsTest : public testing::Test {
 protected:
  HoldsTest() {
    open("alice", "USD", false);
    open("bob", "USD", false);
    open("eve", "EUR", false);
    open("sys:x", "USD", true);
    EXPECT_TRUE(transfer("sys:x", "alice", usd(1000), "funding"));
    EXPECT_TRUE(apply(StreamKind::kPayment, "pay", PaymentCreated{}));
  }

  bool apply(StreamKind kind, std::string stream, Event event) {
    Record record;
    record.seq = ++seq;
    record.at = kStart;
    record.kind = kind;
    record.stream = std::move(stream);
    record.event = std::move(event);
    return fold(state.rows, record);
  }
  void open(const std::string& id, std::string_view code, bool system) {
    EXPECT_TRUE(apply(StreamKind::kAccount, id,
                      AccountOpened{.currency = currency(code), .metadata = {}, .system = system}));
  }
  bool transfer(std::string from, std::string to, Money amount, std::string step) {
    return apply(StreamKind::kAccount, to,
                 FundsTransferred{.transfer_id = "tr",
                                  .workflow_id = "w",
                                  .step = std::move(step),
                                  .debit_account = std::move(from),
                                  .credit_account = to,
                                  .amount = amount,
                                  .reference = {}});
  }
  bool hold(Money amount, std::string step = "hold", std::string from = "alice",
            std::string to = "sys:x") {
    return apply(StreamKind::kPayment, "pay",
                 FundsHeld{.transfer_id = "tr",
                           .step = std::move(step),
                           .debit_account = std::move(from),
                           .credit_account = std::move(to),
                           .amount = amount});
  }
  bool post(Money amount, std::string step = "hold") {
    return apply(StreamKind::kPayment, "pay",
                 HoldPosted{.step = std::move(step), .amount = amount});
  }
  bool void_hold(std::string step = "hold") {
    return apply(StreamKind::kPayment, "pay", HoldVoided{.step = std::move(step)});
  }
  // The hold that a test is about, and another one: so enough is held to take too much of it.
  bool hold_two() { return hold(usd(300)) && hold(usd(500), "other"); }
  const Account& account(std::string_view id) { return *state.rows.accounts.find(id); }
  const Transfer& held() { return *state.rows.transfers.find("pay/hold"); }
  WideAmount sum() {
    WideAmount total = 0;
    state.rows.accounts.for_each_changed(
        [&](const std::string&, const Account& row) { total += row.posted; });
    return total;
  }
  // Refused: the money is where it was, whatever was tried.
  template <class Try>
  void expect_refused(Try&& attempt) {
    const auto before = state.all();
    EXPECT_FALSE(attempt());
    EXPECT_EQ(state.all(), before);
  }

  Folded state;
  Seq seq = 0;
};

TEST_F(HoldsTest, Hold_ReducesWhatIsAvailableAndMovesNothing) {
  ASSERT_TRUE(hold(usd(300)));
  EXPECT_EQ(account("alice").posted, 1000);
  EXPECT_EQ(account("alice").held, 300);
  EXPECT_EQ(account("alice").available(), 700);
  EXPECT_EQ(account("sys:x").posted, -1000);
  EXPECT_EQ(held().state, TransferState::kHeld);
}

TEST_F(HoldsTest, Post_MovesTheMoneyAndReleasesTheHold) {
  ASSERT_TRUE(hold(usd(300)));
  ASSERT_TRUE(post(usd(300)));
  EXPECT_EQ(account("alice").posted, 700);
  EXPECT_EQ(account("alice").held, 0);
  EXPECT_EQ(account("sys:x").posted, -700);
  EXPECT_EQ(held().state, TransferState::kPosted);
  EXPECT_EQ(sum(), 0);
}

TEST_F(HoldsTest, PartialPost_ReleasesTheRest) {
  ASSERT_TRUE(hold(usd(300)));
  ASSERT_TRUE(post(usd(100)));
  EXPECT_EQ(account("alice").posted, 900);
  EXPECT_EQ(account("alice").available(), 900);
  EXPECT_EQ(held().amount, usd(100));
  EXPECT_EQ(sum(), 0);
}

TEST_F(HoldsTest, Void_GivesTheHoldBackWhole) {
  ASSERT_TRUE(hold(usd(300)));
  ASSERT_TRUE(void_hold());
  EXPECT_EQ(account("alice").posted, 1000);
  EXPECT_EQ(account("alice").available(), 1000);
  EXPECT_EQ(held().state, TransferState::kVoided);
}

TEST_F(HoldsTest, Post_Twice_IsRefused) {
  ASSERT_TRUE(hold_two());
  ASSERT_TRUE(post(usd(300)));
  expect_refused([&] { return post(usd(300)); });
}

TEST_F(HoldsTest, PartialPost_Twice_IsRefused) {
  ASSERT_TRUE(hold_two());
  ASSERT_TRUE(post(usd(100)));
  expect_refused([&] { return post(usd(200)); });
}

TEST_F(HoldsTest, Void_Twice_IsRefused) {
  ASSERT_TRUE(hold_two());
  ASSERT_TRUE(void_hold());
  expect_refused([&] { return void_hold(); });
}

TEST_F(HoldsTest, Post_AfterVoid_IsRefused) {
  ASSERT_TRUE(hold_two());
  ASSERT_TRUE(void_hold());
  expect_refused([&] { return post(usd(300)); });
}

TEST_F(HoldsTest, Void_AfterPost_IsRefused) {
  ASSERT_TRUE(hold_two());
  ASSERT_TRUE(post(usd(300)));
  expect_refused([&] { return void_hold(); });
}

TEST_F(HoldsTest, PostAndVoid_WithoutAHold_AreRefused) {
  expect_refused([&] { return post(usd(1)); });
  expect_refused([&] { return void_hold(); });
}

TEST_F(HoldsTest, Post_OfAnImmediateTransfer_IsRefused) {
  ASSERT_TRUE(apply(StreamKind::kPayment, "pay",
                    FundsTransferred{.transfer_id = "tr",
                                     .workflow_id = "pay",
                                     .step = "hold",
                                     .debit_account = "alice",
                                     .credit_account = "sys:x",
                                     .amount = usd(1),
                                     .reference = {}}));
  expect_refused([&] { return post(usd(1)); });
}

TEST_F(HoldsTest, Post_OfMoreThanWasHeld_IsRefused) {
  ASSERT_TRUE(hold(usd(300)));
  expect_refused([&] { return post(usd(301)); });
}

TEST_F(HoldsTest, Post_InAnotherCurrency_IsRefused) {
  ASSERT_TRUE(hold(usd(300)));
  expect_refused([&] { return post(Money{300, currency("EUR")}); });
}

TEST_F(HoldsTest, SecondHoldOfTheSameStep_IsRefused) {
  ASSERT_TRUE(hold(usd(300)));
  expect_refused([&] { return hold(usd(300)); });
  ASSERT_TRUE(void_hold());
  expect_refused([&] { return hold(usd(300)); });
  EXPECT_TRUE(hold(usd(300), "other"));
}

TEST_F(HoldsTest, SecondTransferOfTheSameStep_IsRefused) {
  ASSERT_TRUE(transfer("alice", "bob", usd(1), "step"));
  expect_refused([&] { return transfer("alice", "bob", usd(1), "step"); });
}

TEST_F(HoldsTest, MoreThanIsAvailable_IsRefused) {
  ASSERT_TRUE(hold(usd(1000)));
  expect_refused([&] { return hold(usd(1), "second"); });
  expect_refused([&] { return transfer("alice", "bob", usd(1), "step"); });
}

TEST_F(HoldsTest, ExactlyWhatIsAvailable_IsTaken) {
  ASSERT_TRUE(hold(usd(400)));
  EXPECT_TRUE(transfer("alice", "bob", usd(600), "step"));
  EXPECT_EQ(account("alice").available(), 0);
  EXPECT_EQ(account("bob").available(), 600);
}

TEST_F(HoldsTest, HeldMoneyOfTheReceiver_IsNotAvailableBeforeThePost) {
  ASSERT_TRUE(hold(usd(400), "hold", "alice", "bob"));
  expect_refused([&] { return transfer("bob", "alice", usd(1), "step"); });
  ASSERT_TRUE(post(usd(400)));
  EXPECT_TRUE(transfer("bob", "alice", usd(1), "step"));
}

TEST_F(HoldsTest, ZeroAndNegativeAmounts_AreRefused) {
  for (const std::int64_t minor : {std::int64_t{0}, std::int64_t{-1}, -kMax}) {
    expect_refused([&] { return hold(usd(minor)); });
    expect_refused([&] { return transfer("alice", "bob", usd(minor), "step"); });
  }
  ASSERT_TRUE(hold(usd(300)));
  expect_refused([&] { return post(usd(0)); });
  expect_refused([&] { return post(usd(-1)); });
}

TEST_F(HoldsTest, OtherCurrencyThanEitherAccount_IsRefused) {
  expect_refused([&] { return transfer("alice", "eve", usd(1), "step"); });
  expect_refused([&] { return transfer("alice", "eve", Money{1, currency("EUR")}, "step"); });
  expect_refused([&] { return hold(Money{1, currency("EUR")}); });
}

TEST_F(HoldsTest, UnknownAccountOnEitherSide_IsRefused) {
  expect_refused([&] { return transfer("alice", "nobody", usd(1), "step"); });
  expect_refused([&] { return transfer("nobody", "alice", usd(1), "step"); });
  expect_refused([&] { return hold(usd(1), "hold", "nobody"); });
  expect_refused([&] { return hold(usd(1), "hold", "alice", "nobody"); });
}

TEST_F(HoldsTest, ToItself_IsRefused) {
  expect_refused([&] { return transfer("alice", "alice", usd(1), "step"); });
  expect_refused([&] { return hold(usd(1), "hold", "alice", "alice"); });
}

TEST_F(HoldsTest, BalanceAboveInt64_IsRefused) {
  ASSERT_TRUE(transfer("sys:x", "bob", usd(kMax), "step"));
  expect_refused([&] { return transfer("alice", "bob", usd(1), "other"); });
}

TEST_F(HoldsTest, PostThatWouldOverflowTheReceiver_IsRefused) {
  ASSERT_TRUE(hold(usd(300), "hold", "alice", "bob"));
  ASSERT_TRUE(transfer("sys:x", "bob", usd(kMax), "step"));
  expect_refused([&] { return post(usd(300)); });
  EXPECT_TRUE(void_hold());
}

TEST_F(HoldsTest, SystemAccount_MayGoBelowZero) {
  ASSERT_TRUE(transfer("sys:x", "bob", usd(1), "step"));
  EXPECT_EQ(account("sys:x").posted, -1001);
}

TEST_F(HoldsTest, AccountOpenedTwice_IsRefused) {
  expect_refused([&] {
    return apply(StreamKind::kAccount, "alice",
                 AccountOpened{.currency = currency("USD"), .metadata = {}, .system = false});
  });
}

// The rest is about a state that does not belong to the log: nothing may be guessed there.

TEST_F(HoldsTest, HoldOfAnAccountThatIsNotThere_IsNeitherPostedNorVoided) {
  ASSERT_TRUE(hold(usd(300)));
  Transfer lost = held();
  lost.debit_account = "nobody";
  state.rows.transfers.put("pay/hold", lost, seq);
  expect_refused([&] { return post(usd(300)); });
  expect_refused([&] { return void_hold(); });
}

TEST_F(HoldsTest, HoldOfMoreThanTheAccountHasHeld_IsNeitherPostedNorVoided) {
  ASSERT_TRUE(hold(usd(300)));
  Account less = account("alice");
  less.held = 299;
  state.rows.accounts.put("alice", less, seq);
  expect_refused([&] { return post(usd(300)); });
  expect_refused([&] { return void_hold(); });
}

TEST_F(HoldsTest, TransferInTheStreamOfNoAccount_StillMovesTheMoney) {
  ASSERT_TRUE(apply(StreamKind::kAccount, "nobody",
                    FundsTransferred{.transfer_id = "tr",
                                     .workflow_id = "w",
                                     .step = "more",
                                     .debit_account = "sys:x",
                                     .credit_account = "bob",
                                     .amount = usd(5),
                                     .reference = {}}));
  EXPECT_EQ(account("bob").posted, 5);
  EXPECT_EQ(sum(), 0);
}

}  // namespace
}  // namespace payonce::core
