// Blocks of free pages that are given back to the file system.
#include "log/give_back.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdint>
#include <cstring>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <utility>

#include "log/lmdb_env.h"
#include "log/page_check.h"
#include "support/temp_dir.h"

namespace payonce::log {
namespace {

using testing_support::TempDir;

constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;

// Everything that is free may go, whatever it is worth.
constexpr GiveBackPolicy kAll{.reserve_min = 0,
                              .reserve_part = std::uint64_t{1} << 40,
                              .worth = 1,
                              .run_min = 1,
                              .holes_max = 1'000'000};

class GiveBackTest : public testing::Test {
 protected:
  GiveBackTest() { open(); }
  void open() {
    env = std::make_unique<LmdbEnv>();
    ASSERT_TRUE(env->open(dir / "store", 256 * kMiB, 0));
    auto txn = LmdbTxn::begin(*env, LmdbTxn::Mode::kWrite);
    ASSERT_TRUE(txn);
    ASSERT_EQ(mdb_dbi_open(txn->get(), nullptr, MDB_INTEGERKEY, &dbi), 0);
    ASSERT_EQ(txn->commit(), 0);
  }
  // Sets or, with an empty value, removes; each call is a commit.
  void change(const std::map<std::uint64_t, std::string>& rows) const {
    auto txn = LmdbTxn::begin(*env, LmdbTxn::Mode::kWrite);
    ASSERT_TRUE(txn);
    for (const auto& [number, text] : rows) {
      std::uint64_t wanted = number;
      MDB_val key{sizeof wanted, &wanted};
      MDB_val value = to_val(text);
      const int code = text.empty() ? mdb_del(txn->get(), dbi, &key, nullptr)
                                    : mdb_put(txn->get(), dbi, &key, &value, 0);
      ASSERT_TRUE(code == 0 || (text.empty() && code == MDB_NOTFOUND));
    }
    ASSERT_EQ(txn->commit(), 0);
  }
  void fill(std::uint64_t first, std::uint64_t last) const {
    std::map<std::uint64_t, std::string> rows;
    for (std::uint64_t number = first; number <= last; ++number) {
      rows[number] = std::string(1000, static_cast<char>('a' + number % 26));
    }
    change(rows);
  }
  void remove(std::uint64_t first, std::uint64_t last) const {
    std::map<std::uint64_t, std::string> rows;
    for (std::uint64_t number = first; number <= last; ++number) {
      rows[number];
    }
    change(rows);
  }
  // Two commits that free nothing to speak of: then no head of the file needs what was freed
  // before.
  void settle() const {
    change({{1'000'000, "x"}});
    change({{1'000'000, "y"}});
  }
  std::map<std::uint64_t, std::string> rows_of(MDB_txn* txn) const {
    std::map<std::uint64_t, std::string> rows;
    const LmdbCursor cursor(txn, dbi);
    MDB_val key{};
    MDB_val value{};
    for (int code = cursor.get(key, value, MDB_FIRST); code == 0;
         code = cursor.get(key, value, MDB_NEXT)) {
      std::uint64_t number = 0;
      std::memcpy(&number, key.mv_data, sizeof number);
      rows[number] = to_view(value);
    }
    return rows;
  }
  std::map<std::uint64_t, std::string> rows() const {
    auto txn = LmdbTxn::begin(*env, LmdbTxn::Mode::kRead);
    return rows_of(txn->get());
  }
  std::uint64_t on_disk() const {
    struct stat status {};
    EXPECT_EQ(::stat((dir / "store/data.mdb").c_str(), &status), 0);
    return static_cast<std::uint64_t>(status.st_blocks) * 512;
  }

  TempDir dir;
  std::unique_ptr<LmdbEnv> env;
  MDB_dbi dbi = 0;
};

TEST_F(GiveBackTest, FreePages_LeaveTheDiskAndNothingElseChanges) {
  fill(1, 10'000);
  remove(1, 9'000);
  settle();
  const auto before = rows();
  const std::uint64_t disk = on_disk();
  GiveBack give_back(*env, kAll);
  const auto given = give_back.round();
  ASSERT_TRUE(given) << given.error().message;
  EXPECT_GT(*given, 8 * kMiB);
  EXPECT_LE(on_disk() + 8 * kMiB, disk);
  EXPECT_EQ(rows(), before);
}

TEST_F(GiveBackTest, AfterThat_TheFileOpensAndItsPagesAreSound) {
  fill(1, 5'000);
  remove(1, 4'000);
  settle();
  const auto before = rows();
  ASSERT_TRUE(GiveBack(*env, kAll).round());
  open();
  EXPECT_EQ(rows(), before);
  EXPECT_TRUE(check_pages(dir / "store/data.mdb", kAllPages));
}

TEST_F(GiveBackTest, PagesThatWereGivenBack_AreUsedAgain) {
  fill(1, 5'000);
  const std::uint64_t length = env->file_bytes();
  for (int i = 0; i < 5; ++i) {
    remove(1, 4'000);
    settle();
    ASSERT_GT(GiveBack(*env, kAll).round().value(), 2 * kMiB);
    fill(1, 4'000);
    ASSERT_EQ(rows().size(), 5'001U);
  }
  EXPECT_LT(env->file_bytes(), 2 * length);
  EXPECT_TRUE(check_pages(dir / "store/data.mdb", kAllPages));
}

TEST_F(GiveBackTest, WhoReadsAnOlderCommit_KeepsItsPages) {
  fill(1, 5'000);
  const auto then = rows();
  auto reader = LmdbTxn::begin(*env, LmdbTxn::Mode::kRead);
  ASSERT_TRUE(reader);
  remove(1, 5'000);
  settle();
  EXPECT_EQ(GiveBack(*env, kAll).round().value(), 0U);
  EXPECT_EQ(rows_of(reader->get()), then);
  reader->abort();
  EXPECT_GT(GiveBack(*env, kAll).round().value(), 4 * kMiB);
}

TEST_F(GiveBackTest, WhatTheHeadBeforeTheNewestUses_Stays) {
  fill(1, 5'000);
  remove(1, 5'000);  // the newest commit: the one before it still has all rows
  EXPECT_EQ(GiveBack(*env, kAll).round().value(), 0U);
}

TEST_F(GiveBackTest, TheReserve_KeepsItsBlocks) {
  fill(1, 10'000);
  remove(1, 10'000);
  settle();
  GiveBackPolicy policy = kAll;
  policy.reserve_min = 5 * kMiB;
  policy.worth = kMiB;
  GiveBack give_back(*env, policy);
  EXPECT_GT(give_back.round().value(), 2 * kMiB);
  EXPECT_GE(on_disk() + kMiB, 5 * kMiB);
  EXPECT_EQ(give_back.round().value(), 0U) << "once is enough";
}

TEST_F(GiveBackTest, LessThanItIsWorth_IsLeftAlone) {
  fill(1, 3'000);
  remove(1, 3'000);
  settle();
  GiveBackPolicy policy = kAll;
  policy.worth = 64 * kMiB;
  EXPECT_EQ(GiveBack(*env, policy).round().value(), 0U);
}

TEST_F(GiveBackTest, WhatARoundLeaves_GoesInTheNext) {
  fill(1, 10'000);
  for (std::uint64_t number = 1; number <= 10'000; number += 40) {
    remove(number, number + 30);  // many short runs
  }
  settle();
  GiveBackPolicy policy = kAll;
  policy.holes_max = 16;
  const auto before = rows();
  GiveBack give_back(*env, policy);
  std::uint64_t rounds = 0;
  while (give_back.round().value() > 0) {
    ++rounds;
  }
  EXPECT_GT(rounds, 2U);
  EXPECT_EQ(rows(), before);
  open();
  EXPECT_EQ(rows(), before);
}

TEST_F(GiveBackTest, WhateverIsWrittenAndRemovedBetween_TheRowsAreThose) {
  std::mt19937 random(20'261'122);
  std::map<std::uint64_t, std::string> model;
  auto give_back = std::make_unique<GiveBack>(*env, kAll);
  std::uint64_t given = 0;
  for (int step = 0; step < 300; ++step) {
    std::map<std::uint64_t, std::string> rows_now;
    const std::uint64_t first = random() % 3'000;
    const bool removes = random() % 2 == 0;
    for (std::uint64_t number = first; number < first + random() % 400; ++number) {
      rows_now[number] = removes ? std::string() : std::string(random() % 6'000 + 1, 'v');
    }
    change(rows_now);
    for (const auto& [number, text] : rows_now) {
      text.empty() ? static_cast<void>(model.erase(number))
                   : static_cast<void>(model[number] = text);
    }
    if (random() % 3 == 0) {
      const auto some = give_back->round();
      ASSERT_TRUE(some) << some.error().message;
      given += *some;
      ASSERT_EQ(rows(), model) << "step " << step;
    }
    if (random() % 50 == 0) {
      give_back.reset();
      open();
      give_back = std::make_unique<GiveBack>(*env, kAll);
      ASSERT_TRUE(check_pages(dir / "store/data.mdb", kAllPages));
      ASSERT_EQ(rows(), model);
    }
  }
  EXPECT_GT(given, kMiB);
}

}  // namespace
}  // namespace payonce::log
