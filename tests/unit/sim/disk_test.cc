#include "sim/disk.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace payonce::sim {
namespace {

log::Batch batch_of(const std::vector<std::string>& entries) {
  log::Batch batch;
  for (const std::string& entry : entries) {
    batch.bytes += entry;
    batch.ends.push_back(batch.bytes.size());
  }
  return batch;
}

struct DiskTest : testing::Test {
  World world{1, *FaultSet::parse("none"), Duration::seconds(60)};
  Disk disk{world};
  int crashes = 0;

  DiskTest() {
    disk.set_on_crash([this] { ++crashes; });
  }
};

TEST_F(DiskTest, WhatWasAppendedIsThereAfterAStart) {
  ASSERT_TRUE(disk.append(batch_of({"one", "two"}), 0));
  ASSERT_TRUE(disk.append(batch_of({std::string(5'000, 'x')}), 2));
  disk.cut_off();
  disk.reopen();
  EXPECT_EQ(disk.last_seq(), 3U);
  EXPECT_EQ(disk.entry(1), "one");
  EXPECT_EQ(disk.entry(3), std::string(5'000, 'x'));
}

TEST_F(DiskTest, CutOff_NothingIsWritten) {
  disk.cut_off();
  EXPECT_FALSE(disk.append(batch_of({"one"}), 0));
  disk.reopen();
  EXPECT_EQ(disk.last_seq(), 0U);
}

TEST_F(DiskTest, ACommitThatACrashCutShortIsThereAsAWholeOrNotAtAll) {
  int there = 0;
  core::Seq last = 0;
  for (int i = 0; i < 400; ++i) {
    // Of one sector or of many.
    const std::string entry(i % 2 == 0 ? 20 : 2'000, static_cast<char>('a' + i % 26));
    world.rates.crash_at_commit = 1'000'000;
    world.rates.torn = i % 4 < 2 ? 1'000'000 : 0;
    EXPECT_FALSE(disk.append(batch_of({entry, "end"}), last));
    EXPECT_TRUE(disk.dead());
    disk.reopen();
    if (disk.last_seq() != last) {
      ++there;
      ASSERT_EQ(disk.last_seq(), last + 2);
      ASSERT_EQ(disk.entry(last + 1), entry);
      ASSERT_EQ(disk.entry(last + 2), "end");
      last = disk.last_seq();
    }
  }
  EXPECT_EQ(crashes, 400);
  EXPECT_GT(there, 0);
  EXPECT_LT(there, 400);
}

TEST_F(DiskTest, WhatIsWrittenBehindAFailedCommitIsLost) {
  ASSERT_TRUE(disk.append(batch_of({"one"}), 0));
  world.rates.commit_fails = 1'000'000;
  world.rates.torn = 1'000'000;
  bool lost = false;
  for (int i = 0; i < 50 && !lost; ++i) {
    world.rates.commit_fails = 1'000'000;
    const core::Seq last = disk.last_seq();
    ASSERT_FALSE(disk.append(batch_of({"two"}), last));
    world.rates.commit_fails = 0;
    ASSERT_TRUE(disk.append(batch_of({"again"}), last));
    EXPECT_EQ(disk.last_seq(), last + 1);
    disk.cut_off();
    disk.reopen();
    lost = disk.last_seq() == last;
  }
  EXPECT_TRUE(lost);
}

TEST_F(DiskTest, DropsLikeEveryLogStore) {
  ASSERT_TRUE(disk.append(batch_of({"1", "2", "3", "4", "5"}), 0));
  disk.drop_below(4);
  ASSERT_TRUE(disk.append(batch_of({"6"}), 5));
  EXPECT_EQ(disk.first_seq(), 4U);
  const auto read = disk.read(2, [](auto, auto) { return true; });
  EXPECT_EQ(read.error().code, Errc::kDropped);
  EXPECT_EQ(disk.entry(2), "2");  // for those who check
}

}  // namespace
}  // namespace payonce::sim
