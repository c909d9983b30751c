// Histories out of a log, whole ones and what is left of others.
#include "log/history.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>

#include "log/checkpoint.h"
#include "log/codec.h"
#include "log/memory_log.h"
#include "support/machine_world.h"
#include "support/temp_dir.h"

namespace payonce::log {
namespace {

using testing_support::kSalt;
using testing_support::TempDir;
using testing_support::usd;
using testing_support::World;

class HistoryTest : public testing::Test {
 protected:
  HistoryTest() {
    world.open("alice", 10'000);
    world.pay("p", "alice", usd(1'000));
    world.pay("other", "alice", usd(1'000));
    world.gateway("p", 1, core::GatewayReply::kConfirmed);
    world.notified("p", 1, true);
    world.refund("p", "4.00");
    for (const core::Record& record : world.log) {
      Batch batch;
      encode_record(record, kSalt, batch.bytes);
      batch.ends.push_back(batch.bytes.size());
      EXPECT_TRUE(log.append(batch, log.last_seq()));
    }
    EXPECT_TRUE(catch_up(log, *state, kSalt, 1'000'000));
  }
  void drop_below(core::Seq seq) {
    log.drop_below(seq);
    ASSERT_TRUE(log.append({}, log.last_seq()));
    ASSERT_EQ(log.first_seq(), seq);
  }
  [[nodiscard]] core::Seq first() { return world.payment_row("p").created_seq; }
  [[nodiscard]] core::Seq last() { return world.payment_row("p").stream_last; }
  Result<History> of_payment() {
    auto snapshot = state->snapshot();
    return read_payment_history(log, kSalt, *snapshot, world.payment_row("p"));
  }

  World world;
  TempDir dir;
  MemoryLog log;
  std::unique_ptr<StateStore> state =
      std::move(StateStore::open(dir / "state", 64 << 20, kSalt).value());
};

TEST_F(HistoryTest, Stream_IsReadFromItsFirstEvent) {
  const auto history = read_stream(log, kSalt, last(), 0);
  ASSERT_TRUE(history) << history.error().message;
  EXPECT_TRUE(history->whole);
  EXPECT_EQ(history->records.front().seq, first());
  EXPECT_EQ(history->records.back().seq, last());
}

TEST_F(HistoryTest, StreamFromWhichTheFrontIsGone_IsWhatIsLeft) {
  const auto before = read_stream(log, kSalt, last(), 0);
  drop_below(first() + 1);
  const auto after = read_stream(log, kSalt, last(), 0);
  ASSERT_TRUE(after) << after.error().message;
  EXPECT_FALSE(after->whole);
  EXPECT_EQ(after->records.size(), before->records.size() - 1);
  EXPECT_EQ(after->records.front().seq, before->records[1].seq);
}

TEST_F(HistoryTest, PartOfAStreamThatIsAllThere_IsWhole) {
  drop_below(first() + 1);
  const auto part = read_stream(log, kSalt, last(), first() + 1);
  ASSERT_TRUE(part);
  EXPECT_TRUE(part->whole);
}

TEST_F(HistoryTest, StreamThatIsGone_IsEmptyAndNotWhole) {
  drop_below(log.last_seq());
  const auto history = read_stream(log, kSalt, first(), 0);
  ASSERT_TRUE(history) << history.error().message;
  EXPECT_FALSE(history->whole);
  EXPECT_TRUE(history->records.empty());
}

TEST_F(HistoryTest, HistoryOfAPayment_IsWholeOnlyIfEveryStreamOfItIs) {
  ASSERT_TRUE(of_payment());
  EXPECT_TRUE(of_payment()->whole);
  drop_below(first() + 1);
  const auto history = of_payment();
  ASSERT_TRUE(history) << history.error().message;
  EXPECT_FALSE(history->whole);
  EXPECT_FALSE(history->records.empty());
  for (const core::Record& record : history->records) {
    EXPECT_GE(record.seq, log.first_seq());
  }
}

TEST_F(HistoryTest, EntryThatIsNotThereYet_IsAHole) {
  const auto history = read_stream(log, kSalt, log.last_seq() + 1, 0);
  ASSERT_FALSE(history);
  EXPECT_EQ(history.error().code, Errc::kCorrupt);
}

TEST_F(HistoryTest, StateBehindTheDroppedFront_IsNotFoldedOn) {
  TempDir elsewhere;
  auto fresh = std::move(StateStore::open(elsewhere / "state", 64 << 20, kSalt).value());
  drop_below(first() + 1);
  const auto folded = catch_up(log, *fresh, kSalt, 1'000'000);
  ASSERT_FALSE(folded);
  EXPECT_EQ(folded.error().code, Errc::kDropped);
  EXPECT_EQ(fresh->snapshot()->applied_seq(), 0U);
}

}  // namespace
}  // namespace payonce::log
