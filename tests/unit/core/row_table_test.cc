#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "core/rows.h"

namespace payonce::core {
namespace {

// Rows of a checkpoint; counts how often it is asked.
class Checkpointed final : public RowSource {
 public:
  std::map<std::string, Account, std::less<>> accounts;
  int loads = 0;

  bool load(std::string_view key, Account& out) override {
    ++loads;
    const auto found = accounts.find(key);
    if (found == accounts.end()) {
      return false;
    }
    out = found->second;
    return true;
  }
  bool load(std::string_view, Transfer&) override { return false; }
  bool load(std::string_view, Payment&) override { return false; }
  bool load(std::string_view, KeyRecord&) override { return false; }
  bool load(std::string_view, FraudCheck&) override { return false; }
  bool load(std::string_view, Refund&) override { return false; }
};

class RowTableTest : public testing::Test {
 protected:
  static Account with_balance(std::int64_t minor) {
    Account account;
    account.posted = minor;
    return account;
  }

  Checkpointed source;
  RowTable<Account> table{source};
};

TEST_F(RowTableTest, RowThatIsNowhere_IsNull) {
  EXPECT_EQ(table.find("a"), nullptr);
  EXPECT_EQ(table.change("a", 1), nullptr);
  EXPECT_EQ(table.changed_at("a"), 0U);
  EXPECT_EQ(table.size(), 0U);
}

TEST_F(RowTableTest, RowOfTheCheckpoint_IsLoadedOnceAndUnchanged) {
  source.accounts["a"] = with_balance(7);
  ASSERT_NE(table.find("a"), nullptr);
  EXPECT_EQ(table.find("a")->posted, 7);
  EXPECT_EQ(source.loads, 1);
  EXPECT_EQ(table.changed_at("a"), 0U);
  EXPECT_EQ(table.size(), 1U);
}

TEST_F(RowTableTest, Change_RemembersTheEventAndTheTableWins) {
  source.accounts["a"] = with_balance(7);
  table.change("a", 5)->posted = 8;
  EXPECT_EQ(table.find("a")->posted, 8);
  EXPECT_EQ(table.changed_at("a"), 5U);
}

TEST_F(RowTableTest, Put_AddsOrReplaces) {
  table.put("a", with_balance(1), 1);
  table.put("a", with_balance(2), 2);
  EXPECT_EQ(table.find("a")->posted, 2);
  EXPECT_EQ(table.changed_at("a"), 2U);
  EXPECT_EQ(table.size(), 1U);
  EXPECT_EQ(source.loads, 0);
}

TEST_F(RowTableTest, Peek_CopiesWithoutKeepingALoadedRow) {
  source.accounts["a"] = with_balance(7);
  table.put("b", with_balance(9), 4);
  Account out;
  Seq changed = 99;
  ASSERT_TRUE(table.peek("a", out, changed));
  EXPECT_EQ(out.posted, 7);
  EXPECT_EQ(changed, 0U);
  ASSERT_TRUE(table.peek("b", out, changed));
  EXPECT_EQ(out.posted, 9);
  EXPECT_EQ(changed, 4U);
  EXPECT_FALSE(table.peek("c", out, changed));
  EXPECT_EQ(table.size(), 1U);
}

TEST_F(RowTableTest, Trim_DropsExactlyWhatTheCheckpointHolds) {
  table.put("old", with_balance(1), 5);
  table.put("new", with_balance(2), 6);
  source.accounts["read"] = with_balance(3);
  ASSERT_NE(table.find("read"), nullptr);
  EXPECT_EQ(table.trim(5, 100), 3U);  // each once, although one stays
  EXPECT_EQ(table.changed_at("old"), 0U);
  EXPECT_EQ(table.changed_at("new"), 6U);
  EXPECT_EQ(table.size(), 1U);
}

TEST_F(RowTableTest, Trim_StopsAfterItsSteps_AndGoesOnWhereItWas) {
  for (int i = 0; i < 10; ++i) {
    table.put(std::to_string(i), with_balance(i), i == 0 ? 9 : 1);
  }
  EXPECT_EQ(table.trim(5, 4), 4U);
  EXPECT_EQ(table.size(), 7U);  // "0" is newer and went to the end of the order
  EXPECT_EQ(table.trim(5, 6), 6U);
  EXPECT_EQ(table.size(), 1U);
  EXPECT_EQ(table.changed_at("0"), 9U);
}

TEST_F(RowTableTest, TrimmedRow_IsLoadedAgain) {
  table.put("a", with_balance(1), 5);
  source.accounts["a"] = with_balance(1);
  EXPECT_EQ(table.trim(5, 1), 1U);
  ASSERT_NE(table.find("a"), nullptr);
  EXPECT_EQ(table.find("a")->posted, 1);
  EXPECT_EQ(table.changed_at("a"), 0U);
}

TEST_F(RowTableTest, ForEachChanged_SkipsRowsThatWereOnlyRead_InOrderOfFirstUse) {
  source.accounts["read"] = with_balance(3);
  table.put("z", with_balance(1), 1);
  ASSERT_NE(table.find("read"), nullptr);
  table.put("a", with_balance(2), 2);
  std::vector<std::string> keys;
  table.for_each_changed([&](const std::string& key, const Account&) { keys.push_back(key); });
  EXPECT_EQ(keys, (std::vector<std::string>{"z", "a"}));
}

TEST_F(RowTableTest, References_StayValidWhileOthersComeAndGo) {
  Account& kept = table.put("kept", with_balance(1), 1'000'000);
  for (int i = 0; i < 10'000; ++i) {
    table.put(std::to_string(i), with_balance(i), 1);
  }
  table.trim(5, 20'000);
  kept.posted = 42;
  EXPECT_EQ(table.find("kept")->posted, 42);
}

TEST_F(RowTableTest, Clear_ForgetsEverything) {
  table.put("a", with_balance(1), 1);
  table.clear();
  EXPECT_EQ(table.size(), 0U);
  EXPECT_EQ(table.find("a"), nullptr);
}

}  // namespace
}  // namespace payonce::core
