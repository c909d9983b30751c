// Free pages under load: which are free, in what order LMDB uses them, and that holes stay holes.
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <map>
#include <vector>

#include "log/free_list.h"
#include "log/give_back.h"
#include "log/page_check.h"
#include "unit/log/give_back_fixture.h"

namespace payonce::log {
namespace {

TEST_F(GiveBackTest, UnderLoad_TheDiskGetsAllButTheReserve) {
  fill(1, 20'000);
  next = 20'001;
  const std::uint64_t before = on_disk();
  GiveBack give_back(*env, kSmall);
  load(&give_back, 3'000);
  EXPECT_LT(on_disk(), used() + kSmall.reserve_min + 2 * kSmall.worth);
  EXPECT_LT(on_disk(), before / 2);
  EXPECT_TRUE(check_pages(dir / "store/data.mdb", kAllPages));
}

TEST_F(GiveBackTest, PagesInOrder_HolesStayHolesUnderLoad) {
  fill(1, 20'000);
  next = 20'001;
  GiveBack give_back(*env, kSmall);
  load(&give_back, 3'000);
  const std::uint64_t disk = on_disk();
  std::uint64_t given = 0;
  for (int i = 0; i < 100; ++i) {
    load(nullptr, 20);
    given += give_back.round().value();
  }
  EXPECT_LT(given, kMiB) << "what comes back has to be given again";
  EXPECT_LT(on_disk(), disk + kMiB);
}

TEST_F(GiveBackTest, PuttingPagesInOrder_TakesTheLowestFirstAndMakesNothingLonger) {
  fill(1, 20'000);
  next = 20'001;
  load(nullptr, 2'000);
  const auto then = rows();
  const auto length = env->file_bytes();
  const auto lists = free_list().lists();
  GiveBackPolicy policy = kSmall;
  policy.reserve_min = 8 * kMiB;
  GiveBack give_back(*env, policy);
  do {
    ASSERT_TRUE(give_back.round());
  } while (give_back.more());
  const FreeList free = free_list();
  EXPECT_LT(free.lists(), lists);
  const std::uint64_t reserve = policy.reserve_min / kPage;
  EXPECT_GE(free.pages_before(free.pages()[reserve].number), reserve * 3 / 4);
  EXPECT_EQ(env->file_bytes(), length);
  EXPECT_EQ(rows(), then);
  EXPECT_TRUE(check_pages(dir / "store/data.mdb", kAllPages));
}

TEST_F(GiveBackTest, WhateverLmdbFinds_TheFileGetsNoLongerByPuttingPagesInOrder) {
  fill(1, 20'000);
  next = 20'001;
  GiveBack give_back(*env, kSmall);
  load(&give_back, 1'800);  // nearly all of the file is free
  const auto length = env->file_bytes();
  load(&give_back, 2'000);
  EXPECT_EQ(env->file_bytes(), length);
}

TEST_F(GiveBackTest, PagesSideBySideOfSeveralCommits_AreOneRun) {
  fill(1, 2'000);
  for (std::uint64_t number = 1; number <= 1'600; number += 4) {
    remove(number, number + 3);
  }
  settle();
  const FreeList free = free_list();
  const auto runs = runs_of(free.pages(), 1, 1'000'000);
  ASSERT_FALSE(runs.empty());
  std::map<std::size_t, std::vector<FreeList::Page>> lists;
  for (const FreeList::Page& page : free.pages()) {
    lists[page.list].push_back(page);
  }
  std::uint64_t longest = 0;
  for (const auto& [list, pages] : lists) {
    longest = std::max(longest, runs_of(pages, 1, 1'000'000).front().count);
  }
  EXPECT_GT(runs.front().count, longest);
  GiveBackPolicy policy = kAll;
  policy.run_min = longest + 1;
  EXPECT_GT(GiveBack(*env, policy).round().value(), longest * kPage);
}

TEST_F(GiveBackTest, OfTooManyPages_ThoseThatLmdbUsesFirstAreLeftOut) {
  fill(1, 20'000);
  next = 20'001;
  load(nullptr, 1'000);
  const auto txn = LmdbTxn::begin(*env, LmdbTxn::Mode::kRead);
  const FreeList all(env->get(), txn->get());
  const FreeList some(env->get(), txn->get(), 1'000);
  EXPECT_EQ(some.total(), all.total());
  EXPECT_GT(all.pages().size(), 2'000U);
  EXPECT_LE(some.pages().size(), 1'000U);
  EXPECT_GT(some.pages().size(), 0U);
  EXPECT_LT(some.lists(), all.lists());
  EXPECT_GE(some.pages_before(0), all.pages().size() - some.pages().size());
}

TEST_F(GiveBackTest, WhatLmdbHasUsedSince_IsFreeNoMore) {
  fill(1, 5'000);
  remove(1, 4'900);
  settle();
  const FreeList free = free_list();
  const auto runs = runs_of(free.pages(), 1, 64);
  const auto there = [&] {
    const auto txn = LmdbTxn::begin(*env, LmdbTxn::Mode::kRead);
    return free.still_there(env->get(), txn->get(), runs).size();
  };
  EXPECT_EQ(there(), runs.size());
  change({{6'000, "x"}});
  EXPECT_LT(there(), runs.size());
  fill(10'000, 15'000);
  EXPECT_EQ(there(), 0U);
}

TEST_F(GiveBackTest, PagesOfWhoReadsAnOlderCommit_AreNotFree) {
  fill(1, 5'000);
  auto reader = LmdbTxn::begin(*env, LmdbTxn::Mode::kRead);
  ASSERT_TRUE(reader);
  remove(1, 5'000);
  settle();
  EXPECT_GT(free_list().total(), 1'000U);
  EXPECT_LT(free_list().pages().size(), 100U);
  reader->abort();
  EXPECT_GT(free_list().pages().size(), 1'000U);
}

TEST_F(GiveBackTest, ARoundLooksThroughSoManyPagesAtMost) {
  fill(1, 20'000);
  next = 20'001;
  load(nullptr, 1'000);
  const FreeList free = free_list();
  EXPECT_EQ(free.lists_within(1, {}), 1U);
  EXPECT_LT(free.lists_within(10'000, {}), free.lists());
  EXPECT_EQ(free.lists_within(std::uint64_t{1} << 40, {}), free.lists());
  GiveBackPolicy policy = kSmall;
  policy.looks_max = 1;
  GiveBack give_back(*env, policy);
  do {
    ASSERT_TRUE(give_back.round());
  } while (give_back.more());
  EXPECT_EQ(free_list().lists(), free.lists());
}

TEST_F(GiveBackTest, ARoundEndsWithTheHoleThatTakesTooLong) {
  fill(1, 10'000);
  remove(1, 9'000);
  settle();
  GiveBackPolicy policy = kAll;
  policy.lock_max = std::chrono::microseconds{0};
  GiveBack give_back(*env, policy);
  const std::uint64_t given = give_back.round().value();
  EXPECT_GT(given, 0U);
  EXPECT_LE(given, kMiB);
  EXPECT_TRUE(give_back.more());
}

TEST_F(GiveBackTest, LmdbsDescriptor_StaysWhereItIs) {
  int file = -1;
  ASSERT_EQ(mdb_env_get_fd(env->get(), &file), 0);
  fill(1, 5'000);
  remove(1, 5'000);
  settle();
  const off_t place = ::lseek(file, 12'345, SEEK_SET);
  EXPECT_GT(GiveBack(*env, kAll).round().value(), kMiB);
  EXPECT_EQ(::lseek(file, 0, SEEK_CUR), place);
}

}  // namespace
}  // namespace payonce::log
