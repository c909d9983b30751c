// Maps of LMDB that grow while they are in use.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "log/lmdb_env.h"
#include "log/lmdb_log.h"
#include "log/state_store.h"
#include "support/temp_dir.h"

namespace payonce::log {
namespace {

using testing_support::TempDir;

constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;
constexpr std::chrono::milliseconds kPatience = std::chrono::seconds{60};
constexpr std::chrono::milliseconds kNoPatience{1};

class MapGrowth : public testing::Test {
 protected:
  Result<void> append(std::size_t count, std::size_t size) {
    Batch batch;
    for (std::size_t i = 0; i < count; ++i) {
      batch.bytes += std::string(size, 'x');
      batch.ends.push_back(batch.bytes.size());
    }
    return log->append(batch, log->last_seq());
  }
  [[nodiscard]] core::Seq entries() const {
    core::Seq found = 0;
    EXPECT_TRUE(log->read(1, [&](core::Seq seq, std::string_view) {
      found = seq;
      return true;
    }));
    return found;
  }

  TempDir dir;
  std::unique_ptr<LmdbLog> log = std::move(LmdbLog::open(dir / "log", kMiB).value());
  std::unique_ptr<StateStore> state =
      std::move(StateStore::open(dir / "state", 2 * kMiB, 1).value());
};

TEST_F(MapGrowth, FullLog_TakesEntriesAgain) {
  while (append(10, 5'000)) {
  }
  const core::Seq full_at = log->last_seq();
  EXPECT_EQ(append(10, 5'000).error().code, Errc::kFull);
  ASSERT_TRUE(log->env().grow(4 * kMiB, kPatience));
  EXPECT_EQ(log->env().map_bytes(), 4 * kMiB);
  ASSERT_TRUE(append(10, 5'000));
  EXPECT_EQ(entries(), full_at + 10);
  log.reset();
  log = std::move(LmdbLog::open(dir / "log", 4 * kMiB).value());
  EXPECT_EQ(entries(), full_at + 10);
}

TEST_F(MapGrowth, SizeThatIsNotGreater_IsInvalidAndChangesNothing) {
  for (const std::uint64_t size : {kMiB, kMiB / 2, std::uint64_t{0}}) {
    const auto grown = log->env().grow(size, kPatience);
    ASSERT_FALSE(grown);
    EXPECT_EQ(grown.error().code, Errc::kInvalid);
  }
  EXPECT_EQ(log->env().map_bytes(), kMiB);
  EXPECT_TRUE(append(1, 10));
}

TEST_F(MapGrowth, SizeBeyondTheAddresses_IsFullAndChangesNothing) {
  ASSERT_TRUE(append(1, 10));
  const auto grown = log->env().grow(std::uint64_t{1} << 60, kPatience);
  ASSERT_FALSE(grown);
  EXPECT_EQ(grown.error().code, Errc::kFull);
  EXPECT_EQ(log->env().map_bytes(), kMiB);
  EXPECT_TRUE(append(1, 10));
  EXPECT_EQ(entries(), 2U);
}

TEST_F(MapGrowth, WhileSomebodyReads_IsInUse) {
  {
    const auto reader = LmdbTxn::begin(log->env(), LmdbTxn::Mode::kRead);
    ASSERT_TRUE(reader);
    const auto grown = log->env().grow(4 * kMiB, kNoPatience);
    ASSERT_FALSE(grown);
    EXPECT_EQ(grown.error().code, Errc::kInUse);
    // Who reads may read on, and others may begin.
    EXPECT_EQ(entries(), 0U);
  }
  EXPECT_TRUE(log->env().grow(4 * kMiB, kPatience));
}

TEST_F(MapGrowth, SnapshotThatWasLetGo_SeesTheNewMap) {
  auto snapshot = state->snapshot();
  ASSERT_TRUE(snapshot);
  EXPECT_EQ(state->env().grow(8 * kMiB, kNoPatience).error().code, Errc::kInUse);
  snapshot->release();
  ASSERT_TRUE(state->env().grow(8 * kMiB, kPatience));
  snapshot->release();  // twice does no harm
  snapshot->refresh();
  EXPECT_EQ(snapshot->applied_seq(), 0U);
  EXPECT_FALSE(snapshot->error());
  snapshot->refresh();
  EXPECT_EQ(snapshot->count(Table::kAccounts), 0U);
  EXPECT_FALSE(snapshot->error());
}

TEST_F(MapGrowth, TransactionThatWasMoved_HoldsTheMapOnce) {
  auto first = LmdbTxn::begin(log->env(), LmdbTxn::Mode::kRead);
  {
    const LmdbTxn second(std::move(*first));
    EXPECT_FALSE(log->env().grow(4 * kMiB, kNoPatience));
  }
  EXPECT_TRUE(log->env().grow(4 * kMiB, kPatience));
}

// Readers, writers, a snapshot that comes and goes, and those who ask for sizes, all at once.
TEST_F(MapGrowth, InSteps_WhileOthersReadAndWrite) {
  ASSERT_TRUE(log->env().grow(64 * kMiB, kPatience));
  constexpr int kSteps = 10;
  std::atomic<bool> done{false};
  std::vector<std::thread> others;
  others.emplace_back([&] {
    while (!done) {
      ASSERT_TRUE(append(3, 100));
    }
  });
  for (int i = 0; i < 2; ++i) {
    others.emplace_back([&] {
      while (!done) {
        const core::Seq last = log->last_seq();
        core::Seq seen = last < 50 ? last : 50;
        EXPECT_TRUE(log->read(last < 50 ? 1 : last - 49, [&](core::Seq, std::string_view bytes) {
          EXPECT_EQ(bytes.size(), 100U);
          return --seen > 0;
        }));
      }
    });
  }
  others.emplace_back([&] {
    auto snapshot = std::move(state->snapshot().value());
    while (!done) {
      snapshot.refresh();
      EXPECT_EQ(snapshot.count(Table::kPayments), 0U);
      EXPECT_FALSE(snapshot.error());
      snapshot.release();
      EXPECT_GT(log->env().free_map_bytes(0) + state->env().free_map_bytes(0), 0U);
    }
  });
  for (std::uint64_t step = 1; step <= kSteps; ++step) {
    for (LmdbEnv* env : {&log->env(), &state->env()}) {
      const std::uint64_t size = (64 + step) * kMiB;
      const auto grown = env->grow(size, kPatience);
      EXPECT_TRUE(grown) << grown.error().message;
      EXPECT_EQ(env->map_bytes(), size);
    }
  }
  done = true;
  for (std::thread& other : others) {
    other.join();
  }
  EXPECT_EQ(entries(), log->last_seq());
}

}  // namespace
}  // namespace payonce::log
