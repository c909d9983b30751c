// What is special about the log on LMDB: files. The rules of every log are in tests/contract.
#include "log/lmdb_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <lmdb.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "log/state_store.h"
#include "support/temp_dir.h"

namespace payonce::log {
namespace {

using testing::HasSubstr;
using testing_support::TempDir;

constexpr std::uint64_t kLogMapSize = 64 << 20;

Errc error_of(const std::string& dir) {
  const auto log = LmdbLog::open(dir, kLogMapSize);
  EXPECT_FALSE(log.has_value());
  return log ? Errc::kNotFound : log.error().code;
}

void append(LmdbLog& log, int count, std::size_t size = 100) {
  Batch batch;
  for (int i = 0; i < count; ++i) {
    batch.bytes += std::string(size, 'x');
    batch.ends.push_back(batch.bytes.size());
  }
  ASSERT_TRUE(log.append(batch, log.last_seq()));
}

void put_file(const std::string& dir, std::string_view content) {
  std::filesystem::create_directories(dir);
  std::ofstream(dir + "/data.mdb", std::ios::binary) << content;
}

// An LMDB file whose main database holds the given keys.
void put_lmdb_file(const std::string& dir, const std::vector<std::string>& keys) {
  LmdbEnv env;
  ASSERT_TRUE(env.open(dir, kLogMapSize, 0));
  auto txn = LmdbTxn::begin(env, LmdbTxn::Mode::kWrite);
  ASSERT_TRUE(txn);
  MDB_dbi dbi = 0;
  ASSERT_EQ(mdb_dbi_open(txn->get(), nullptr, 0, &dbi), 0);
  for (const std::string& text : keys) {
    MDB_val key = to_val(text);
    MDB_val value = to_val("value");
    ASSERT_EQ(mdb_put(txn->get(), dbi, &key, &value, 0), 0);
  }
  ASSERT_EQ(txn->commit(), 0);
}

TEST(LmdbLogFile, NewDirectory_IsMadeWithThoseAboveIt) {
  const TempDir dir;
  const auto log = LmdbLog::open(dir / "a/b/log", kLogMapSize);
  ASSERT_TRUE(log) << log.error().message;
  EXPECT_EQ((*log)->last_seq(), 0U);
  EXPECT_TRUE(std::filesystem::exists(dir / "a/b/log/data.mdb"));
}

TEST(LmdbLogFile, Garbage_IsForeign) {
  const TempDir dir;
  put_file(dir / "short", "not a log");
  EXPECT_EQ(error_of(dir / "short"), Errc::kForeign);
  put_file(dir / "long", std::string(1 << 20, 'x'));
  EXPECT_EQ(error_of(dir / "long"), Errc::kForeign);
  put_file(dir / "sql", "SQLite format 3" + std::string(10'000, '\0'));
  EXPECT_EQ(error_of(dir / "sql"), Errc::kForeign);
}

TEST(LmdbLogFile, LmdbFileOfSomethingElse_IsForeignAndLeftAsItWas) {
  const TempDir dir;
  put_lmdb_file(dir / "log", {"hello", "world"});
  EXPECT_EQ(error_of(dir / "log"), Errc::kForeign);
  // Its owner can still use it.
  LmdbEnv env;
  ASSERT_TRUE(env.open(dir / "log", kLogMapSize, 0));
  auto txn = LmdbTxn::begin(env, LmdbTxn::Mode::kRead);
  ASSERT_TRUE(txn);
  MDB_dbi dbi = 0;
  ASSERT_EQ(mdb_dbi_open(txn->get(), nullptr, 0, &dbi), 0);
  MDB_val key = to_val("hello");
  MDB_val value{};
  EXPECT_EQ(mdb_get(txn->get(), dbi, &key, &value), 0);
}

TEST(LmdbLogFile, StateStoreInItsPlace_IsForeign) {
  const TempDir dir;
  ASSERT_TRUE(StateStore::open(dir / "log", kLogMapSize, 1));
  EXPECT_EQ(error_of(dir / "log"), Errc::kForeign);
}

TEST(LmdbLogFile, MissingEntries_AreCorrupt) {
  const TempDir dir;
  {
    const auto log = LmdbLog::open(dir / "log", kLogMapSize);
    ASSERT_TRUE(log);
    append(**log, 10);
  }
  {
    LmdbEnv env;
    ASSERT_TRUE(env.open(dir / "log", kLogMapSize, 0));
    auto txn = LmdbTxn::begin(env, LmdbTxn::Mode::kWrite);
    MDB_dbi dbi = 0;
    ASSERT_EQ(mdb_dbi_open(txn->get(), nullptr, MDB_INTEGERKEY, &dbi), 0);
    core::Seq seq = 5;
    MDB_val key{sizeof seq, &seq};
    ASSERT_EQ(mdb_del(txn->get(), dbi, &key, nullptr), 0);
    ASSERT_EQ(txn->commit(), 0);
  }
  EXPECT_EQ(error_of(dir / "log"), Errc::kCorrupt);
}

// LMDB itself would map the file as it is, and the first access behind its end would be SIGBUS.
TEST(LmdbLogFile, CutShort_IsCorrupt) {
  const TempDir dir;
  {
    const auto log = LmdbLog::open(dir / "log", kLogMapSize);
    ASSERT_TRUE(log);
    append(**log, 1000);
  }
  const std::string file = dir / "log/data.mdb";
  const auto whole = std::filesystem::file_size(file);
  ASSERT_GT(whole, 100'000U);
  for (const auto size : {whole - 1, whole - 4096, whole / 2, std::uintmax_t{2 * 4096}}) {
    std::filesystem::resize_file(file, size);
    EXPECT_EQ(error_of(dir / "log"), Errc::kCorrupt) << size;
  }
}

// Pages of what was dropped are used again: the file holds what is kept, however much has been
// written.
TEST(LmdbLogFile, WithADroppedFront_StopsGrowing) {
  const TempDir dir;
  const auto log = LmdbLog::open(dir / "log", kLogMapSize);
  ASSERT_TRUE(log);
  const auto write_and_drop = [&](int commits) {
    for (int i = 0; i < commits; ++i) {
      const core::Seq last = (*log)->last_seq();
      (*log)->drop_below(last > 500 ? last - 500 : 0);
      append(**log, 1 + i % 40, static_cast<std::size_t>(50 + (i * 37) % 900));
    }
  };
  write_and_drop(100);
  const std::uint64_t settled = (*log)->file_bytes();
  write_and_drop(500);
  EXPECT_LE((*log)->file_bytes(), settled + settled / 4);
  EXPECT_GT((*log)->last_seq() * 500, 4 * settled);  // of entries of that many bytes
}

// LMDB does not write pages that are free again at the end of the transaction that took them.
TEST(LmdbLogFile, FreePagesAtItsEnd_MayBeMissing) {
  const TempDir dir;
  core::Seq first = 0;
  {
    const auto log = LmdbLog::open(dir / "log", kLogMapSize);
    ASSERT_TRUE(log);
    for (int i = 0; i < 50; ++i) {
      append(**log, 20, 1000);
    }
    append(**log, 1, 1 << 20);  // pages of its own at the end, which become free
    append(**log, 1);
    (*log)->drop_below((*log)->last_seq() - 1);
    for (int i = 0; i < 20; ++i) {
      append(**log, 1);
      (*log)->drop_below((*log)->last_seq() - 1);
    }
    first = (*log)->first_seq();
    ASSERT_GT(first, 1002U);
  }
  const std::string file = dir / "log/data.mdb";
  const auto whole = std::filesystem::file_size(file);
  ASSERT_GT(whole, std::uintmax_t{1} << 20);
  std::filesystem::resize_file(file, whole - 4096);
  {
    const auto log = LmdbLog::open(dir / "log", kLogMapSize);
    ASSERT_TRUE(log) << log.error().message;
    EXPECT_EQ((*log)->first_seq(), first);
    append(**log, 30, 5000);
  }
  // The rest of it is in use.
  const auto again = std::filesystem::file_size(file);
  std::filesystem::resize_file(file, 4 * 4096);
  EXPECT_EQ(error_of(dir / "log"), Errc::kCorrupt);
  EXPECT_EQ(std::filesystem::file_size(file), 4U * 4096);
  EXPECT_GT(again, 4U * 4096);
}

// Full of old history, it has room again once that was dropped.
TEST(LmdbLogFile, FreePages_CountAsRoomInTheMap) {
  const TempDir dir;
  const auto log = LmdbLog::open(dir / "log", 4 << 20);
  ASSERT_TRUE(log);
  while ((*log)->env().free_map_bytes(0) > (1 << 20)) {
    append(**log, 100, 300);
  }
  const std::uint64_t enough = 2 << 20;
  EXPECT_LT((*log)->env().free_map_bytes(enough), enough);
  (*log)->drop_below((*log)->last_seq());
  ASSERT_TRUE((*log)->append({}, (*log)->last_seq()));
  ASSERT_TRUE((*log)->append({}, (*log)->last_seq()));
  EXPECT_GT((*log)->env().free_map_bytes(enough), enough);
}

TEST(LmdbLogFile, AllocatedAhead_TheFileIsLonger_AndReopensWhole) {
  const TempDir dir;
  constexpr std::uint64_t kAhead = 3 << 20;
  const auto size = [&] { return std::filesystem::file_size(dir.path() + "/data.mdb"); };
  {
    auto log = std::move(LmdbLog::open(dir.path(), kLogMapSize).value());
    append(*log, 10);
    ASSERT_TRUE(log->env().allocate_ahead(kAhead));
    EXPECT_GE(size(), log->file_bytes() + kAhead);
    EXPECT_LT(log->file_bytes(), 1U << 20);  // zeros are not in use
    const auto before = size();
    append(*log, 100);
    EXPECT_EQ(size(), before);  // they were written into what was there
    append(*log, 10'000, 300);
    ASSERT_TRUE(log->env().allocate_ahead(kAhead));
    EXPECT_GE(size(), log->file_bytes() + kAhead);
  }
  auto again = LmdbLog::open(dir.path(), kLogMapSize);
  ASSERT_TRUE(again);
  EXPECT_EQ((*again)->last_seq(), 10'110U);
}

TEST(LmdbLogFile, AllocatedAhead_NeverBeyondTheMap) {
  const TempDir dir;
  auto log = std::move(LmdbLog::open(dir.path(), 4 << 20).value());
  ASSERT_TRUE(log->env().allocate_ahead(1 << 30));
  EXPECT_LE(std::filesystem::file_size(dir.path() + "/data.mdb"), std::uint64_t{4} << 20);
  append(*log, 1000, 1000);
  EXPECT_EQ(log->last_seq(), 1000U);
}

TEST(LmdbLogFile, AllocatedAhead_WhileOthersAppend_NothingIsOverwritten) {
  const TempDir dir;
  constexpr int kBatches = 400;
  {
    auto log = std::move(LmdbLog::open(dir.path(), kLogMapSize).value());
    std::atomic<bool> over{false};
    std::thread allocating([&] {
      while (!over) {
        EXPECT_TRUE(log->env().allocate_ahead(1));  // always close behind the end
      }
    });
    for (int i = 0; i < kBatches; ++i) {
      append(*log, 30, 3000);
    }
    over = true;
    allocating.join();
  }
  auto log = std::move(LmdbLog::open(dir.path(), kLogMapSize).value());
  core::Seq seen = 0;
  ASSERT_TRUE(log->read(1, [&](core::Seq, std::string_view bytes) {
    seen += bytes == std::string(3000, 'x') ? 1 : 0;
    return true;
  }));
  EXPECT_EQ(seen, 30U * kBatches);
}

TEST(LmdbLogFile, HundredsOfCommits_ReopenWhole) {
  const TempDir dir;
  for (int round = 0; round < 3; ++round) {
    const auto log = LmdbLog::open(dir / "log", kLogMapSize);
    ASSERT_TRUE(log) << log.error().message;
    for (int i = 0; i < 100; ++i) {
      append(**log, 1 + i % 7, static_cast<std::size_t>(1 + i * 53));
    }
  }
}

TEST(LmdbLogFile, PathBelowARegularFile_IsIo) {
  const TempDir dir;
  std::ofstream(dir / "file") << "x";
  const auto log = LmdbLog::open(dir / "file/log", kLogMapSize);
  ASSERT_FALSE(log);
  EXPECT_EQ(log.error().code, Errc::kIo);
  EXPECT_THAT(log.error().message, HasSubstr(dir / "file"));
}

TEST(LmdbLogFile, FullMap_IsFullAndNothingIsWritten) {
  const TempDir dir;
  const auto log = LmdbLog::open(dir / "log", 1 << 20);
  ASSERT_TRUE(log);
  append(**log, 10);
  Batch batch;
  batch.bytes = std::string(2 << 20, 'x');
  batch.ends.push_back(batch.bytes.size());
  const auto appended = (*log)->append(batch, 10);
  ASSERT_FALSE(appended);
  EXPECT_EQ(appended.error().code, Errc::kFull);
  EXPECT_EQ((*log)->last_seq(), 10U);
}

}  // namespace
}  // namespace payonce::log
