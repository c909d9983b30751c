// Blocks of free pages that are given back to the file system.
#include <gtest/gtest.h>

#include <cstdint>
#include <map>
#include <memory>
#include <random>
#include <string>

#include "log/give_back.h"
#include "log/page_check.h"
#include "unit/log/give_back_fixture.h"

namespace payonce::log {
namespace {

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
  std::uint64_t given = 0;
  do {
    given += give_back.round().value();
  } while (give_back.more());
  EXPECT_GT(given, 2 * kMiB);
  EXPECT_GE(on_disk() + kMiB, 5 * kMiB);
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
  do {
    ASSERT_TRUE(give_back.round());
    ++rounds;
  } while (give_back.more());
  EXPECT_GT(rounds, 3U);
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
