#include "engine/log_clock.h"

#include <gtest/gtest.h>

namespace payonce::engine {
namespace {

constexpr std::int64_t kSecond = 1'000'000;

struct LogClockTest : testing::Test {
  std::int64_t wall = 1'000 * kSecond;
  std::int64_t steady = 5;

  LogClock clock(std::int64_t newest) {
    return LogClock(
        Timestamp{newest}, [this] { return wall; }, [this] { return steady; });
  }
  void pass(std::int64_t micros) {
    wall += micros;
    steady += micros;
  }
};

TEST_F(LogClockTest, FollowsTheWallClock) {
  LogClock log = clock(0);
  EXPECT_EQ(log.now().us, wall);
  pass(3 * kSecond);
  EXPECT_EQ(log.now().us, wall);
  wall += 3600 * kSecond;
  EXPECT_EQ(log.now().us, wall);
}

TEST_F(LogClockTest, IsNeverBeforeTheNewestEntry) {
  LogClock log = clock(wall + 60 * kSecond);
  EXPECT_EQ(log.now().us, wall + 60 * kSecond);
}

TEST_F(LogClockTest, WallClockSetBack_TimeGoesOnAndIsNeverRepeatedBackwards) {
  LogClock log = clock(0);
  const std::int64_t before = log.now().us;
  wall -= 60 * kSecond;
  std::int64_t last = before;
  for (int i = 0; i < 1000; ++i) {
    pass(7);
    const std::int64_t now = log.now().us;
    EXPECT_GE(now, last);
    last = now;
  }
  EXPECT_EQ(last, before + 6300);
}

TEST_F(LogClockTest, WallClockSetBack_IsCaughtUpWith) {
  LogClock log = clock(0);
  EXPECT_EQ(log.now().us, wall);
  wall -= 60 * kSecond;
  pass(599 * kSecond);
  EXPECT_GT(log.now().us, wall);
  pass(2 * kSecond);
  EXPECT_EQ(log.now().us, wall);
}

}  // namespace
}  // namespace payonce::engine
