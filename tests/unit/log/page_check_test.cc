#include "log/page_check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>

#include "log/lmdb_env.h"
#include "log/lmdb_log.h"
#include "support/files.h"
#include "support/random.h"
#include "support/temp_dir.h"

namespace payonce::log {
namespace {

using testing::HasSubstr;
using testing_support::for_each_seed;
using testing_support::Random;
using testing_support::read_file;
using testing_support::TempDir;

constexpr std::uint64_t kSpacious = 256 << 20;
constexpr std::size_t kPage = 4096;

void write_file(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

std::string why(const std::string& file) {
  const auto looked = check_pages(file, kAllPages);
  return looked ? std::string() : looked.error().message;
}

// Some puts and erasures in a few databases with names, in one commit.
void change(LmdbEnv& env, Random& random, std::map<std::string, int>& keys) {
  auto txn = LmdbTxn::begin(env, LmdbTxn::Mode::kWrite);
  ASSERT_TRUE(txn);
  for (std::uint64_t left = 1 + random.below(60); left > 0; --left) {
    MDB_dbi dbi = 0;
    const std::string name = "table" + std::to_string(random.below(3));
    ASSERT_EQ(mdb_dbi_open(txn->get(), name.c_str(), MDB_CREATE, &dbi), 0);
    const std::string key = "k" + std::to_string(random.below(3000)) + random.text(120);
    if (random.chance(35) && !keys.empty()) {
      const std::string old = keys.begin()->first;
      MDB_val k = to_val(old);
      for (int i = 0; i < 3; ++i) {
        ASSERT_EQ(mdb_dbi_open(txn->get(), ("table" + std::to_string(i)).c_str(), MDB_CREATE, &dbi),
                  0);
        const int code = mdb_del(txn->get(), dbi, &k, nullptr);
        ASSERT_TRUE(code == 0 || code == MDB_NOTFOUND);
      }
      keys.erase(old);
      continue;
    }
    MDB_val k = to_val(key);
    const std::string bytes(random.chance(5) ? random.below(30'000) : random.below(400), 'v');
    MDB_val value = to_val(bytes);
    ASSERT_EQ(mdb_put(txn->get(), dbi, &k, &value, 0), 0);
    keys[key] = 1;
  }
  ASSERT_EQ(txn->commit(), 0);
}

TEST(PageCheck, WhatLmdbWrites_IsSoundAfterEveryCommit) {
  for_each_seed(4, [](Random& random) {
    const TempDir dir;
    LmdbEnv env;
    ASSERT_TRUE(env.open(dir / "db", kSpacious, 8));
    std::map<std::string, int> keys;
    for (int i = 0; i < 150; ++i) {
      ASSERT_NO_FATAL_FAILURE(change(env, random, keys));
      ASSERT_EQ(why(dir / "db/data.mdb"), "") << "commit " << i;
    }
  });
}

TEST(PageCheck, ALogThatGrowsAndDropsItsFront_IsSoundAfterEveryCommit) {
  for_each_seed(4, [](Random& random) {
    const TempDir dir;
    const auto log = LmdbLog::open(dir / "log", kSpacious);
    ASSERT_TRUE(log);
    for (int i = 0; i < 200; ++i) {
      Batch batch;
      for (std::uint64_t left = 1 + random.below(40); left > 0; --left) {
        batch.bytes.append(random.chance(3) ? random.below(50'000) : random.below(500), 'e');
        batch.ends.push_back(batch.bytes.size());
      }
      const core::Seq last = (*log)->last_seq();
      if (random.chance(60) && last > 300) {
        (*log)->drop_below(last - random.below(300));
      }
      ASSERT_TRUE((*log)->append(batch, last));
      ASSERT_EQ(why(dir / "log/data.mdb"), "") << "commit " << i;
    }
  });
}

class PageCheckTest : public testing::Test {
 protected:
  PageCheckTest() {
    {
      const auto log = LmdbLog::open(dir / "log", kSpacious);
      for (int i = 0; i < 40; ++i) {
        Batch batch;
        batch.bytes.assign(1000, 'e');
        batch.ends.push_back(batch.bytes.size());
        EXPECT_TRUE((*log)->append(batch, (*log)->last_seq()));
      }
    }
    bytes = read_file(file);
  }

  // Of the head that holds the newest commit, or of the other one.
  std::size_t head(bool newest) const {
    std::uint64_t first = 0;
    std::uint64_t second = 0;
    std::memcpy(&first, bytes.data() + kCommitAt, sizeof first);
    std::memcpy(&second, bytes.data() + kPage + kCommitAt, sizeof second);
    return (second > first) == newest ? kPage : 0;
  }
  void set(std::size_t at, std::uint64_t value) {
    std::memcpy(bytes.data() + at, &value, sizeof value);
    write_file(file, bytes);
  }
  std::uint64_t get(std::size_t at) const {
    std::uint64_t value = 0;
    std::memcpy(&value, bytes.data() + at, sizeof value);
    return value;
  }

  static constexpr std::size_t kCommitAt = 16 + 128;
  static constexpr std::size_t kRootAt = 16 + 24 + 48 + 40;
  const TempDir dir;
  const std::string file = dir / "log/data.mdb";
  std::string bytes;
};

TEST_F(PageCheckTest, AHeadWithTheNumberOfAnotherCommit_IsFound) {
  // Either would make LMDB open the commit before the last as if there had been no other.
  const std::uint64_t newest = get(head(true) + kCommitAt);
  set(head(true) + kCommitAt, newest - 2);
  EXPECT_THAT(why(file), HasSubstr("commit"));
  set(kCommitAt + (newest % 2 == 0 ? 0 : kPage), newest);
  EXPECT_EQ(why(file), "");
  set(head(false) + kCommitAt, newest + 1);
  EXPECT_THAT(why(file), HasSubstr("commit"));
}

TEST_F(PageCheckTest, ARootThatIsAnOlderOne_IsFound) {
  const std::uint64_t old = get(head(false) + kRootAt);
  ASSERT_NE(old, get(head(true) + kRootAt));
  set(head(true) + kRootAt, old);
  EXPECT_THAT(why(file), HasSubstr("used twice"));
}

TEST_F(PageCheckTest, APageInThePlaceOfAnother_IsFound) {
  const std::uint64_t root = get(head(true) + kRootAt);
  bytes.replace(root * kPage, kPage, std::string(kPage, '\0'));
  write_file(file, bytes);
  EXPECT_THAT(why(file), HasSubstr("another page"));
}

TEST_F(PageCheckTest, OnlySoManyPages_AreLookedAt) {
  const auto some = check_pages(file, 3);
  ASSERT_TRUE(some);
  EXPECT_FALSE(some->whole);
  const auto all = check_pages(file, kAllPages);
  ASSERT_TRUE(all);
  EXPECT_TRUE(all->whole);
  EXPECT_GT(all->pages, some->pages);
}

TEST_F(PageCheckTest, AFileThatIsCut_IsNotMadeLonger) {
  std::filesystem::resize_file(file, bytes.size() - kPage);
  EXPECT_THAT(why(file), HasSubstr("cut short"));
  for (int i = 0; i < 2; ++i) {
    EXPECT_FALSE(LmdbLog::open(dir / "log", kSpacious));
    EXPECT_EQ(std::filesystem::file_size(file), bytes.size() - kPage);
  }
}

TEST(PageCheck, NoFileAndAnEmptyOne_AreNothingToLookAt) {
  const TempDir dir;
  EXPECT_EQ(why(dir / "absent"), "");
  write_file(dir / "empty", "");
  EXPECT_EQ(why(dir / "empty"), "");
}

}  // namespace
}  // namespace payonce::log
