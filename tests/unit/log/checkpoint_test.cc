#include "log/checkpoint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <lmdb.h>

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "log/codec.h"
#include "log/memory_log.h"
#include "support/dump.h"
#include "support/machine_world.h"
#include "support/random.h"
#include "support/random_commands.h"
#include "support/temp_dir.h"
#include "unit/log/sample_records.h"

namespace payonce::log {
namespace {

using testing::HasSubstr;
using testing_support::dump;
using testing_support::for_each_seed;
using testing_support::kSalt;
using testing_support::kStart;
using testing_support::Random;
using testing_support::TempDir;
using testing_support::World;

constexpr std::uint64_t kStateMapSize = 64 << 20;

void append(LogStore& log, const std::string& entry) {
  Batch batch;
  batch.bytes = entry;
  batch.ends.push_back(entry.size());
  ASSERT_TRUE(log.append(batch, log.last_seq()));
}

void append(LogStore& log, const core::Record& record, std::uint64_t salt) {
  std::string entry;
  encode_record(record, salt, entry);
  append(log, entry);
}

void append_all(LogStore& log, const std::vector<core::Record>& records, std::uint64_t salt) {
  for (const core::Record& record : records) {
    append(log, record, salt);
  }
}

std::unique_ptr<StateStore> open_state(const std::string& path, std::uint64_t salt) {
  auto opened = StateStore::open(path, kStateMapSize, salt);
  PAYONCE_ASSERT(opened.has_value());
  return std::move(*opened);
}

// Some life of a shop: enough to have every table and index filled.
void live(World& world, Random& random, std::size_t commands) {
  for (const testing_support::Step& step :
       testing_support::RandomCommands(random, world.log.size()).take(commands)) {
    world.now = step.now;
    world.handle_input(step.input);
  }
}

// The stored row of everything that the folded state holds, and the indexes, but for expired keys.
void expect_same(StateStore& state, const testing_support::Folded& folded, Timestamp now) {
  auto view = state.snapshot();
  ASSERT_TRUE(view);
  const auto expect_row = [&]<class Row>(const std::string& key, const Row& row) {
    Row stored;
    ASSERT_TRUE(view->load(key, stored)) << key;
    EXPECT_EQ(dump(stored), dump(row));
  };
  folded.rows.accounts.for_each_changed(expect_row);
  folded.rows.transfers.for_each_changed(expect_row);
  folded.rows.payments.for_each_changed(expect_row);
  folded.rows.frauds.for_each_changed(expect_row);
  folded.rows.refunds.for_each_changed(expect_row);
  folded.rows.keys.for_each_changed([&](const std::string& key, const core::KeyRecord& row) {
    if (row.state != core::KeyState::kCompleted || row.expires_at > now) {
      expect_row(key, row);
    }
  });
  std::map<std::pair<core::Index, std::string>, std::string> stored;
  for (int i = 1; i <= 17; ++i) {
    const auto index = static_cast<core::Index>(i);
    if (index == core::Index::kKeysByExpiry || i == 6) {  // 6 is not used any more
      continue;
    }
    view->oldest_first(index, {}, [&](std::string_view key, std::string_view value) {
      stored[{index, std::string(key)}] = std::string(value);
      return true;
    });
  }
  auto expected = folded.indexes.entries;
  std::erase_if(expected,
                [](const auto& entry) { return entry.first.first == core::Index::kKeysByExpiry; });
  EXPECT_EQ(stored, expected);
  EXPECT_FALSE(view->error());
}

TEST(Checkpoint, StateStore_HoldsWhatTheMachineHolds_HoweverItIsSliced) {
  for_each_seed(8, [](Random& random) {
    World world;
    live(world, random, 300);
    MemoryLog log;
    const TempDir dir;
    auto state = open_state(dir / "state", kSalt);
    // Some entries, a checkpoint of some of them, more entries, …
    std::size_t at = 0;
    while (at < world.log.size()) {
      for (std::uint64_t more = 1 + random.below(60); more > 0 && at < world.log.size(); --more) {
        append(log, world.log[at++], kSalt);
      }
      const auto done = checkpoint(log, *state, kSalt, 1 + random.below(60));
      ASSERT_TRUE(done) << done.error().message;
    }
    const auto done = catch_up(log, *state, kSalt, 7);
    ASSERT_TRUE(done) << done.error().message;
    EXPECT_EQ(done->applied, world.log.size());
    ASSERT_NO_FATAL_FAILURE(expect_same(*state, world.state, world.log.back().at));
  });
}

TEST(Checkpoint, AllAtOnce_IsTheSameState) {
  Random random(5);
  World world;
  live(world, random, 500);
  MemoryLog log;
  append_all(log, world.log, kSalt);
  const TempDir dir;
  auto state = open_state(dir / "state", kSalt);
  const auto done = catch_up(log, *state, kSalt, 1'000'000);
  ASSERT_TRUE(done);
  EXPECT_EQ(done->applied, world.log.size());
  EXPECT_EQ(done->folded, world.log.size());
  expect_same(*state, world.state, world.log.back().at);
}

class CheckpointTest : public testing::Test {
 protected:
  TempDir dir;
  MemoryLog log;
  std::unique_ptr<StateStore> state = open_state(dir / "state", kSampleSalt);

  Error error_of(std::size_t events_max = 1000) {
    const auto done = checkpoint(log, *state, kSampleSalt, events_max);
    EXPECT_FALSE(done.has_value());
    return done ? Error{} : done.error();
  }
  core::Seq applied() { return state->snapshot()->applied_seq(); }
};

TEST_F(CheckpointTest, NothingNew_CommitsNothing) {
  append_all(log, sample_history(), kSampleSalt);
  ASSERT_TRUE(catch_up(log, *state, kSampleSalt, 1000));
  const auto done = checkpoint(log, *state, kSampleSalt, 1000);
  ASSERT_TRUE(done);
  EXPECT_EQ(done->folded, 0U);
  EXPECT_EQ(done->applied, sample_history().size());
}

TEST_F(CheckpointTest, EmptyLog_IsNothingToDo) {
  const auto done = catch_up(log, *state, kSampleSalt, 1000);
  ASSERT_TRUE(done);
  EXPECT_EQ(done->applied, 0U);
}

TEST_F(CheckpointTest, FoldsNoMoreThanItIsTold) {
  append_all(log, sample_history(), kSampleSalt);
  const auto done = checkpoint(log, *state, kSampleSalt, 3);
  ASSERT_TRUE(done);
  EXPECT_EQ(done->folded, 3U);
  EXPECT_EQ(applied(), 3U);
}

TEST_F(CheckpointTest, StateAheadOfTheLog_IsCorrupt) {
  append_all(log, sample_history(), kSampleSalt);
  ASSERT_TRUE(catch_up(log, *state, kSampleSalt, 1000));
  MemoryLog shorter;
  append(shorter, sample_history()[0], kSampleSalt);
  const auto done = checkpoint(shorter, *state, kSampleSalt, 1000);
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, Errc::kCorrupt);
  EXPECT_THAT(done.error().message, HasSubstr("the log ends at 1"));
}

TEST_F(CheckpointTest, DamagedEntry_StopsThereAndLeavesTheState) {
  append_all(log, {sample_history().begin(), sample_history().begin() + 4}, kSampleSalt);
  ASSERT_TRUE(checkpoint(log, *state, kSampleSalt, 2));
  std::string entry;
  encode_record(sample_history()[4], kSampleSalt, entry);
  entry[12] ^= 1;
  append(log, entry);
  const Error error = error_of();
  EXPECT_EQ(error.code, Errc::kCorrupt);
  EXPECT_THAT(error.message, HasSubstr("log entry 5: checksum mismatch"));
  EXPECT_EQ(applied(), 2U);
}

TEST_F(CheckpointTest, NewerEntry_IsRefusedAsNewer) {
  append_all(log, {sample_history().begin(), sample_history().begin() + 4}, kSampleSalt);
  std::string entry;
  encode_record(sample_history()[4], kSampleSalt, entry);
  entry[0] = 2;
  append(log, entry);
  EXPECT_EQ(error_of().code, Errc::kVersion);
}

TEST_F(CheckpointTest, EntryThatDoesNotFit_IsCorruptAndNamed) {
  append(log, sample_history()[0], kSampleSalt);
  core::Record record;
  record.seq = 2;
  record.kind = core::StreamKind::kPayment;
  record.stream = "nothing";
  record.event = core::PaymentSucceeded{};
  append(log, record, kSampleSalt);
  const Error error = error_of();
  EXPECT_EQ(error.code, Errc::kCorrupt);
  EXPECT_THAT(error.message, HasSubstr("log entry 2 (payment_succeeded) does not fit"));
  EXPECT_EQ(applied(), 0U);
}

// The row seems absent then, and the entry seems not to fit: but it is the state that is damaged.
TEST_F(CheckpointTest, UnreadableRow_IsNotBlamedOnTheLog) {
  append_all(log, sample_history(), kSampleSalt);
  ASSERT_TRUE(checkpoint(log, *state, kSampleSalt, 3));
  state.reset();
  {
    LmdbEnv env;
    ASSERT_TRUE(env.open(dir / "state", kStateMapSize, 16));
    auto txn = LmdbTxn::begin(env, LmdbTxn::Mode::kWrite);
    MDB_dbi dbi = 0;
    ASSERT_EQ(mdb_dbi_open(txn->get(), "accounts", 0, &dbi), 0);
    MDB_val key = to_val("alice");
    MDB_val value = to_val("damaged row");
    ASSERT_EQ(mdb_put(txn->get(), dbi, &key, &value, 0), 0);
    ASSERT_EQ(txn->commit(), 0);
  }
  state = open_state(dir / "state", kSampleSalt);
  const Error error = error_of();
  EXPECT_EQ(error.code, Errc::kCorrupt);
  EXPECT_THAT(error.message, HasSubstr("state row"));
}

TEST(Identify, EmptyLog_GetsItsFirstEntry) {
  MemoryLog log;
  const auto identity = identify(log, 42, kStart);
  ASSERT_TRUE(identity);
  EXPECT_EQ(identity->salt, 42U);
  EXPECT_EQ(identity->last_time, kStart);
  EXPECT_EQ(log.last_seq(), 1U);
}

TEST(Identify, SecondTime_FindsTheSaltOfTheFirst) {
  MemoryLog log;
  ASSERT_TRUE(identify(log, 42, kStart));
  const auto identity = identify(log, 43, kStart + Duration::seconds(5));
  ASSERT_TRUE(identity);
  EXPECT_EQ(identity->salt, 42U);
  EXPECT_EQ(identity->last_time, kStart);
  EXPECT_EQ(log.last_seq(), 1U);
}

TEST(Identify, NewestTime_IsThatOfTheLastEntry) {
  MemoryLog log;
  append_all(log, sample_history(), kSampleSalt);
  const auto identity = identify(log, 1, kStart);
  ASSERT_TRUE(identity);
  EXPECT_EQ(identity->salt, kSampleSalt);
  EXPECT_EQ(identity->last_time, sample_history().back().at);
}

TEST(Identify, OtherFirstEntry_IsForeign) {
  MemoryLog log;
  core::Record record;
  record.seq = 1;
  record.event = core::PaymentSucceeded{};
  append(log, record, 0);
  EXPECT_EQ(identify(log, 1, kStart).error().code, Errc::kForeign);
}

TEST(Identify, DamagedFirstOrLastEntry_IsCorrupt) {
  for (const std::size_t damaged : {std::size_t{0}, std::size_t{4}}) {
    MemoryLog log;
    for (std::size_t i = 0; i < 5; ++i) {
      std::string entry;
      encode_record(sample_history()[i], kSampleSalt, entry);
      if (i == damaged) {
        entry.back() ^= 1;
      }
      append(log, entry);
    }
    const auto identity = identify(log, 1, kStart);
    ASSERT_FALSE(identity);
    EXPECT_EQ(identity.error().code, Errc::kCorrupt);
  }
}

}  // namespace
}  // namespace payonce::log
