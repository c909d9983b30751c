// The rules of every log store about dropping its old end.
#include <gtest/gtest.h>

#include <atomic>
#include <cstddef>
#include <string>
#include <string_view>
#include <thread>

#include "contract/log_store_contract.h"
#include "support/random.h"

namespace payonce::log {
namespace {

using testing_support::Random;

class LogStoreDrops : public LogStoreContract {
 protected:
  // Entry n is "n", with some bytes behind it so that they fill pages.
  void append_numbered(std::size_t count) {
    Entries entries;
    for (std::size_t i = 0; i < count; ++i) {
      entries.push_back(numbered(log->last_seq() + i + 1));
    }
    append(entries);
  }
  static std::string numbered(core::Seq seq) {
    return std::to_string(seq) + std::string(seq % 300, '.');
  }
  // Appends of one entry until everything below `floor` has gone.
  void drop_all_below(core::Seq floor) {
    log->drop_below(floor);
    while (log->first_seq() < floor) {
      append_numbered(1);
    }
  }
  // Entry 1 and all from first_seq() on are there, and nothing in between.
  void expect_dense() const {
    EXPECT_EQ(read(1, 1), Entries{numbered(1)});
    const core::Seq first = log->first_seq();
    const Entries held = read(first);
    ASSERT_EQ(held.size(), log->last_seq() - first + 1);
    for (std::size_t i = 0; i < held.size(); ++i) {
      EXPECT_EQ(held[i], numbered(first + i));
    }
    if (first > 1) {
      expect_error(first - 1, Errc::kDropped);
      expect_error(2, Errc::kDropped);
    }
  }
  void expect_error(core::Seq from, Errc code) const {
    const auto done = log->read(from, [](core::Seq, std::string_view) { return true; });
    ASSERT_FALSE(done) << from;
    EXPECT_EQ(done.error().code, code);
  }
};

TEST_P(LogStoreDrops, NothingIsDroppedUntilItIsAllowed) {
  append_numbered(1000);
  append_numbered(1);
  EXPECT_EQ(log->first_seq(), 1U);
  expect_dense();
}

TEST_P(LogStoreDrops, EmptyLog_IgnoresAFloor) {
  log->drop_below(100);
  EXPECT_EQ(log->first_seq(), 1U);
  append_numbered(3);
  append_numbered(1);
  EXPECT_EQ(log->first_seq(), 3U);
  expect_dense();
}

TEST_P(LogStoreDrops, Append_DropsABoundedNumberOfTheOldest) {
  append_numbered(1000);
  log->drop_below(900);
  EXPECT_EQ(log->first_seq(), 1U);  // nothing goes without an append
  append_numbered(1);
  EXPECT_EQ(log->first_seq(), 2 + drop_quota(1));
  append_numbered(10);
  EXPECT_EQ(log->first_seq(), 2 + drop_quota(1) + drop_quota(10));
  EXPECT_EQ(log->last_seq(), 1011U);
  expect_dense();
}

TEST_P(LogStoreDrops, FloorIsKept_AndEntryOneStays) {
  append_numbered(1000);
  drop_all_below(500);
  EXPECT_EQ(log->first_seq(), 500U);
  append_numbered(5);
  EXPECT_EQ(log->first_seq(), 500U);
  expect_dense();
}

TEST_P(LogStoreDrops, LowerFloor_KeepsWhatIsStillThere) {
  append_numbered(1000);
  log->drop_below(900);
  append_numbered(1);
  const core::Seq first = log->first_seq();
  log->drop_below(0);
  append_numbered(1);
  EXPECT_EQ(log->first_seq(), first);
  expect_dense();
}

TEST_P(LogStoreDrops, EmptyBatch_OnlyDrops) {
  append_numbered(2 + drop_quota(0));
  log->drop_below(1'000'000);
  append({});
  EXPECT_EQ(log->last_seq(), 2 + drop_quota(0));
  EXPECT_EQ(log->first_seq(), 2 + drop_quota(0));
  append({});
  expect_dense();
}

TEST_P(LogStoreDrops, NewestEntryStays_HoweverHighTheFloor) {
  append_numbered(5);
  log->drop_below(core::Seq{1} << 60);
  append({});
  EXPECT_EQ(log->first_seq(), 5U);
  append_numbered(1);
  EXPECT_EQ(log->first_seq(), 5U);  // it was the newest when the batch came
  append_numbered(1);
  EXPECT_EQ(log->first_seq(), 6U);
  expect_dense();
}

TEST_P(LogStoreDrops, FailedFence_DropsNothing) {
  append_numbered(100);
  log->drop_below(50);
  EXPECT_EQ(log->append(batch_of({"x"}), 7).error().code, Errc::kInvalid);
  EXPECT_EQ(log->first_seq(), 1U);
  expect_dense();
}

TEST_P(LogStoreDrops, Readers_SeeADenseSequenceWhileTheFrontGoes) {
  append_numbered(200);
  std::atomic<bool> done{false};
  std::thread writer([&] {
    for (int i = 0; i < 200; ++i) {
      log->drop_below(log->last_seq() - 100);
      append_numbered(7);
    }
    done = true;
  });
  while (!done) {
    const core::Seq first = log->first_seq();
    core::Seq next = first;
    const auto read = log->read(first, [&](core::Seq seq, std::string_view bytes) {
      EXPECT_EQ(seq, next++);
      EXPECT_EQ(bytes, numbered(seq));
      return true;
    });
    if (!read) {  // the front went between the question and the read
      EXPECT_EQ(read.error().code, Errc::kDropped) << read.error().message;
      // The commit that took it may be seen a moment before it says so.
      EXPECT_GE(log->first_seq(), first);
    }
  }
  writer.join();
  expect_dense();
}

TEST_P(LogStoreDrops, RandomAppendsAndDrops_StayDense) {
  Random random(7);
  for (int i = 0; i < 400; ++i) {
    append_numbered(1 + random.below(60));
    if (random.chance(30)) {
      log->drop_below(random.below(log->last_seq() + 10));
    }
    if (random.chance(10)) {
      append({});
    }
    if (GetParam().durable && random.chance(5)) {
      reopen();
    }
    if (random.chance(5)) {
      expect_dense();
    }
  }
  expect_dense();
  EXPECT_GT(log->first_seq(), 1U);
}

using DurableLogDrops = LogStoreContract;

TEST_P(DurableLogDrops, Reopened_GoesOnWhereTheSequenceBegan) {
  append({"a", "b", "c", "d"});
  log->drop_below(4);
  append({"e"});
  reopen();
  EXPECT_EQ(log->first_seq(), 4U);
  EXPECT_EQ(log->last_seq(), 5U);
  EXPECT_EQ(read(4), (Entries{"d", "e"}));
  EXPECT_EQ(read(1, 1), Entries{"a"});
  append({"f"});  // what may be dropped has to be said again
  EXPECT_EQ(log->first_seq(), 4U);
}

INSTANTIATE_TEST_SUITE_P(Every, LogStoreDrops, testing::Values(memory_log(), lmdb_log()), name_of);
INSTANTIATE_TEST_SUITE_P(Every, DurableLogDrops, testing::Values(lmdb_log()), name_of);

}  // namespace
}  // namespace payonce::log
