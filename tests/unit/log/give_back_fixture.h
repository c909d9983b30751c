// A store of numbered rows whose free pages are given back.
#pragma once

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <chrono>
#include <cstdint>
#include <cstring>
#include <map>
#include <memory>
#include <string>

#include "log/free_list.h"
#include "log/give_back.h"
#include "log/lmdb_env.h"
#include "support/temp_dir.h"

namespace payonce::log {

using testing_support::TempDir;

inline constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;
inline constexpr std::uint64_t kPage = 4096;

// Everything that is free may go, whatever it is worth.
inline constexpr GiveBackPolicy kAll{.reserve_min = 0,
                                     .reserve_part = std::uint64_t{1} << 40,
                                     .worth = 1,
                                     .run_min = 1,
                                     .holes_max = 1'000'000,
                                     .lock_max = std::chrono::hours{1}};

// As a server has it, but small.
inline constexpr GiveBackPolicy kSmall{.reserve_min = 4 * kMiB,
                                       .reserve_part = std::uint64_t{1} << 40,
                                       .worth = kMiB,
                                       .run_min = 1,
                                       .holes_max = 16,
                                       .lock_max = std::chrono::hours{1}};

class GiveBackTest : public testing::Test {
 protected:
  GiveBackTest() { open(); }
  void open() {
    env = std::make_unique<LmdbEnv>();
    ASSERT_TRUE(env->open(dir / "store", 256 * kMiB, 0, Sync::kNever));
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
  FreeList free_list() const {
    auto txn = LmdbTxn::begin(*env, LmdbTxn::Mode::kRead);
    return {env->get(), txn->get()};
  }
  // Old rows leave with each commit and new ones come, as in a log that keeps little history.
  void load(GiveBack* give_back, std::uint64_t commits) {
    for (std::uint64_t i = 0; i < commits; ++i) {
      std::map<std::uint64_t, std::string> rows;
      rows[next++] = std::string(1000, 'n');
      rows[next++] = std::string(1000, 'n');
      for (int dropped = 0; dropped < 12 && oldest + 20 < next; ++dropped) {
        rows[oldest++];
      }
      change(rows);
      if (give_back != nullptr && i % 16 == 0) {
        ASSERT_TRUE(give_back->round());
      }
    }
  }
  std::uint64_t used() const { return env->file_bytes() - free_list().total() * kPage; }
  std::uint64_t on_disk() const {
    struct stat status {};
    EXPECT_EQ(::stat((dir / "store/data.mdb").c_str(), &status), 0);
    return static_cast<std::uint64_t>(status.st_blocks) * 512;
  }

  TempDir dir;
  std::unique_ptr<LmdbEnv> env;
  MDB_dbi dbi = 0;
  std::uint64_t oldest = 1;  // of the rows of load()
  std::uint64_t next = 1;
};

}  // namespace payonce::log
