// Secondary keys are written where something has changed, and nowhere else: each is a write to the
// disk at the next checkpoint.
#include <gtest/gtest.h>

#include <array>

#include "core/due.h"
#include "unit/core/saga_fixture.h"

namespace payonce::core {
namespace {

class IndexWriteCounter final : public IndexSink {
 public:
  void put(Index /*index*/, std::string /*key*/, std::string_view /*value*/) override { ++puts; }
  void erase(Index /*index*/, std::string /*key*/) override { ++erases; }
  int puts = 0;
  int erases = 0;
};

class IndexWritesTest : public SagaFixture {};

TEST(SetMark, WritesOnlyAChange) {
  struct Case {
    bool before;
    bool now;
    int puts;
    int erases;
  };
  constexpr std::array kCases{Case{false, false, 0, 0}, Case{true, true, 0, 0},
                              Case{false, true, 1, 0}, Case{true, false, 0, 1}};
  for (const Case& each : kCases) {
    IndexWriteCounter writes;
    set_mark(writes, Index::kExhausted, each.before, each.now, "key");
    EXPECT_EQ(writes.puts, each.puts) << each.before << each.now;
    EXPECT_EQ(writes.erases, each.erases) << each.before << each.now;
  }
}

TEST(UpdateDues, WritesOnlyWhatIsDueOtherwiseThanBefore) {
  DueSet before;
  before.add(TaskClass::kNotify, Timestamp{1});
  before.add(TaskClass::kTimer, Timestamp{2});
  IndexWriteCounter writes;
  update_dues(writes, StreamKind::kPayment, "pay_1", before, before);
  EXPECT_EQ(writes.puts + writes.erases, 0);
  DueSet now;
  now.add(TaskClass::kNotify, Timestamp{1});
  now.add(TaskClass::kTimer, Timestamp{3});
  update_dues(writes, StreamKind::kPayment, "pay_1", before, now);
  EXPECT_EQ(writes.puts, 1);
  EXPECT_EQ(writes.erases, 1);
}

TEST_F(IndexWritesTest, NewPayment_ErasesNone) {
  testing_support::Folded copy;
  ASSERT_TRUE(copy.fold(world.log));
  IndexWriteCounter writes;
  copy.rows.indexes = &writes;
  start();
  ASSERT_EQ(event_name(world.added.records[0].event), "payment_created");
  EXPECT_TRUE(fold(copy.rows, world.added.records[0]));
  EXPECT_GT(writes.puts, 0);
  EXPECT_EQ(writes.erases, 0);
}

TEST_F(IndexWritesTest, EventThatChangesNothingThatTheKeysShow_WritesNone) {
  start();
  reach(GatewayState::kConfirmed);
  testing_support::Folded copy;
  ASSERT_TRUE(copy.fold(world.log));
  IndexWriteCounter writes;
  copy.rows.indexes = &writes;
  world.callback("pay_1", CallbackOutcome::kDeclined);
  ASSERT_EQ(world.added.records.size(), 1U);
  EXPECT_TRUE(fold(copy.rows, world.added.records[0]));
  EXPECT_EQ(writes.puts + writes.erases, 0);
}

}  // namespace
}  // namespace payonce::core
