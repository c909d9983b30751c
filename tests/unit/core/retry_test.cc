#include "core/retry.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <limits>
#include <set>
#include <string>

#include "support/random.h"

namespace payonce::core {
namespace {

using testing_support::for_each_seed;
using testing_support::Random;

constexpr std::uint32_t kHuge = std::numeric_limits<std::uint32_t>::max();

// The delay must lie within 10 % below `nominal`.
void expect_about(Duration delay, Duration nominal) {
  EXPECT_LE(delay, nominal);
  EXPECT_GE(delay.us, nominal.us - nominal.us / 10);
}

TEST(RetryDelay, First_IsTheInitialInterval) {
  expect_about(retry_delay(RetryPolicy{}, 1, "pay_1"), Duration::seconds(1));
}

TEST(RetryDelay, EachFurther_GrowsByTheCoefficient) {
  const RetryPolicy policy{.initial_interval_ms = 100,
                           .backoff_coefficient_permille = 3000,
                           .maximum_interval_ms = 1'000'000,
                           .maximum_attempts = 10};
  expect_about(retry_delay(policy, 1, "x"), Duration::ms(100));
  expect_about(retry_delay(policy, 2, "x"), Duration::ms(300));
  expect_about(retry_delay(policy, 3, "x"), Duration::ms(900));
  expect_about(retry_delay(policy, 4, "x"), Duration::ms(2700));
}

TEST(RetryDelay, FractionalCoefficient_IsInPermille) {
  const RetryPolicy policy{.initial_interval_ms = 1000,
                           .backoff_coefficient_permille = 1500,
                           .maximum_interval_ms = 1'000'000,
                           .maximum_attempts = 0};
  expect_about(retry_delay(policy, 2, "x"), Duration::ms(1500));
  expect_about(retry_delay(policy, 3, "x"), Duration::ms(2250));
}

TEST(RetryDelay, NeverExceedsTheMaximum) {
  const RetryPolicy policy{.initial_interval_ms = 1000,
                           .backoff_coefficient_permille = 2000,
                           .maximum_interval_ms = 5000,
                           .maximum_attempts = 0};
  for (const std::uint32_t attempt : {4U, 5U, 100U, kHuge}) {
    expect_about(retry_delay(policy, attempt, "x"), Duration::ms(5000));
  }
}

TEST(RetryDelay, InitialAboveTheMaximum_IsTheMaximum) {
  const RetryPolicy policy{.initial_interval_ms = 10'000,
                           .backoff_coefficient_permille = 2000,
                           .maximum_interval_ms = 5000,
                           .maximum_attempts = 0};
  expect_about(retry_delay(policy, 1, "x"), Duration::ms(5000));
}

TEST(RetryDelay, CoefficientOfOne_StaysConstant) {
  const RetryPolicy policy{.initial_interval_ms = 700,
                           .backoff_coefficient_permille = 1000,
                           .maximum_interval_ms = 5000,
                           .maximum_attempts = 0};
  expect_about(retry_delay(policy, 1, "x"), Duration::ms(700));
  expect_about(retry_delay(policy, kHuge, "x"), Duration::ms(700));
}

TEST(RetryDelay, LargestPolicy_DoesNotOverflow) {
  // 2^32 ms times 2^32 permille needs all 64 bits.
  const RetryPolicy policy{.initial_interval_ms = kHuge - 1,
                           .backoff_coefficient_permille = kHuge,
                           .maximum_interval_ms = kHuge,
                           .maximum_attempts = 0};
  expect_about(retry_delay(policy, 2, "x"), Duration::ms(kHuge));
  expect_about(retry_delay(policy, kHuge, "x"), Duration::ms(kHuge));
}

TEST(RetryDelay, ZeroPolicy_IsNoDelay) {
  const RetryPolicy policy{.initial_interval_ms = 0,
                           .backoff_coefficient_permille = 0,
                           .maximum_interval_ms = 0,
                           .maximum_attempts = 0};
  EXPECT_EQ(retry_delay(policy, 1, "x").us, 0);
  EXPECT_EQ(retry_delay(policy, kHuge, "x").us, 0);
}

TEST(RetryDelay, Jitter_IsTheSameForTheSameTaskAndAttempt) {
  EXPECT_EQ(retry_delay(RetryPolicy{}, 3, "pay_1"), retry_delay(RetryPolicy{}, 3, "pay_1"));
}

TEST(RetryDelay, Jitter_SpreadsTasksAndAttemptsOverTheWholeTenPercent) {
  std::set<std::int64_t> delays;
  for (int i = 0; i < 2000; ++i) {
    delays.insert(retry_delay(RetryPolicy{}, 1, "pay_" + std::to_string(i)).us);
  }
  EXPECT_EQ(*delays.begin(), 900'000);
  EXPECT_EQ(*delays.rbegin(), 1'000'000);
  EXPECT_EQ(delays.size(), 101U);  // steps of one permille
}

TEST(RetryDelay, RandomPolicy_NeverShrinksByMoreThanTheJitterNorExceedsTheMaximum) {
  for_each_seed(500, [](Random& random) {
    const RetryPolicy policy{
        .initial_interval_ms = static_cast<std::uint32_t>(random.number() >> 32),
        .backoff_coefficient_permille = static_cast<std::uint32_t>(1000 + random.below(9000)),
        .maximum_interval_ms = static_cast<std::uint32_t>(random.number() >> 32),
        .maximum_attempts = 0};
    Duration before;
    for (std::uint32_t attempt = 1; attempt < 40; ++attempt) {
      const Duration delay = retry_delay(policy, attempt, "task");
      ASSERT_LE(delay, Duration::ms(policy.maximum_interval_ms));
      ASSERT_GE(delay.us, before.us - before.us / 8) << attempt;
      before = delay;
    }
  });
}

TEST(RetryExhausted, AfterTheLastPermittedAttempt) {
  const RetryPolicy policy{.maximum_attempts = 3};
  EXPECT_FALSE(exhausted(policy, 1));
  EXPECT_FALSE(exhausted(policy, 2));
  EXPECT_TRUE(exhausted(policy, 3));
  EXPECT_TRUE(exhausted(policy, 4));
}

TEST(RetryExhausted, OneAttempt_MeansNoRetry) {
  EXPECT_TRUE(exhausted(RetryPolicy{.maximum_attempts = 1}, 1));
}

TEST(RetryExhausted, ZeroAttempts_MeansNoLimit) {
  EXPECT_FALSE(exhausted(RetryPolicy{.maximum_attempts = 0}, 1));
  EXPECT_FALSE(exhausted(RetryPolicy{.maximum_attempts = 0}, kHuge));
}

TEST(RetryDelay, Maximum_IsADelayLikeAnyOther) {
  RetryPolicy at_maximum;
  at_maximum.initial_interval_ms = 60'000;
  at_maximum.maximum_interval_ms = 5'000;
  RetryPolicy below;
  below.initial_interval_ms = 5'000;
  EXPECT_EQ(retry_delay(at_maximum, 1, "pay_1").us, retry_delay(below, 1, "pay_1").us);
}

// Histories are decided again after an update (core/replay.h), and have to give the same times.
TEST(RetryDelay, OfATaskAndAnAttempt_IsTheSameInEveryBuild) {
  RetryPolicy policy;
  const std::int64_t doubled[] = {933'000, 1'864'000, 3'720'000, 7'216'000, 15'072'000};
  for (std::uint32_t attempt = 1; attempt <= std::size(doubled); ++attempt) {
    EXPECT_EQ(retry_delay(policy, attempt, "pay_1").us, doubled[attempt - 1]);
  }
  policy.initial_interval_ms = 333;
  policy.backoff_coefficient_permille = 1500;
  const std::int64_t grown[] = {310'689, 465'568, 696'140, 1'012'044, 1'585'386};
  for (std::uint32_t attempt = 1; attempt <= std::size(grown); ++attempt) {
    EXPECT_EQ(retry_delay(policy, attempt, "pay_1").us, grown[attempt - 1]);
  }
}

}  // namespace
}  // namespace payonce::core
