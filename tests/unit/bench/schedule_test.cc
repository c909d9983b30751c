#include "bench/schedule.h"

#include <gtest/gtest.h>

namespace payonce::bench {
namespace {

TEST(Schedule, TimesAreAbsoluteAndDoNotDrift) {
  const Schedule schedule(500, 3, 1'000'000);
  EXPECT_EQ(schedule.time_of(0), 500);
  EXPECT_EQ(schedule.time_of(1), 500 + 333'333'333);
  EXPECT_EQ(schedule.time_of(2), 500 + 666'666'666);
  // A third of a second is no whole number of nanoseconds; each whole second is exact all the same.
  for (std::uint64_t second = 0; second < 300'000; second += 777) {
    EXPECT_EQ(schedule.time_of(3 * second), 500 + static_cast<std::int64_t>(second) * kNsPerS);
  }
}

TEST(Schedule, TimesNeverGoBack) {
  const Schedule schedule(0, 999'983, 3'000'000);
  for (std::uint64_t number = 1; number < schedule.count(); ++number) {
    ASSERT_LE(schedule.time_of(number - 1), schedule.time_of(number));
  }
}

TEST(Schedule, ADayAtTheGreatestRate_DoesNotOverflow) {
  const std::uint64_t rate = 1'000'000;
  const std::uint64_t count = requests_in(rate, 86'400 * kNsPerS);
  EXPECT_EQ(count, 86'400'000'000U);
  EXPECT_EQ(Schedule(0, rate, count).time_of(count), 86'400 * kNsPerS);
}

TEST(Schedule, PartsOfASecondHaveTheirPartOfTheRequests) {
  EXPECT_EQ(requests_in(1000, 2'500 * kNsPerMs), 2500U);
  EXPECT_EQ(requests_in(3, 500 * kNsPerMs), 1U);
  EXPECT_EQ(requests_in(1000, 0), 0U);
}

}  // namespace
}  // namespace payonce::bench
