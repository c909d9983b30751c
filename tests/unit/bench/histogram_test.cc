#include "bench/histogram.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

#include "bench/options.h"

namespace payonce::bench {
namespace {

TEST(Histogram, Empty_AnswersZero) {
  const Histogram histogram;
  EXPECT_EQ(histogram.count(), 0U);
  EXPECT_EQ(histogram.percentile_us(99), 0);
  EXPECT_EQ(histogram.max_us(), 0);
  EXPECT_EQ(histogram.mean_us(), 0.0);
}

TEST(Histogram, EveryValueKeepsThreeDigits) {
  for (const std::int64_t us : {1L, 7L, 999L, 1'234L, 98'765L, 1'234'567L, 60'000'000L}) {
    Histogram histogram;
    histogram.record_ns(us * kNsPerUs);
    EXPECT_LE(std::llabs(histogram.percentile_us(50) - us), us / 1000) << us;
    EXPECT_LE(std::llabs(histogram.max_us() - us), us / 1000) << us;
  }
}

TEST(Histogram, BeyondItsRange_CountsAsItsEnds) {
  Histogram histogram;
  histogram.record_ns(-5);
  histogram.record_ns(10);
  EXPECT_EQ(histogram.max_us(), 1);
  histogram.record_ns(7'200 * kNsPerS);
  EXPECT_EQ(histogram.count(), 3U);
  EXPECT_GE(histogram.max_us(), Histogram::kMaxUs);
}

TEST(Histogram, PercentilesAreThoseOfTheValues) {
  Histogram histogram;
  for (std::int64_t us = 1; us <= 1000; ++us) {
    histogram.record_ns(us * kNsPerUs);
  }
  EXPECT_EQ(histogram.percentile_us(50), 500);
  EXPECT_EQ(histogram.percentile_us(99), 990);
  EXPECT_EQ(histogram.percentile_us(99.9), 999);
  EXPECT_EQ(histogram.percentile_us(100), 1000);
  EXPECT_NEAR(histogram.mean_us(), 500.5, 0.6);
}

TEST(Histogram, Add_IsTheSumOfBoth) {
  Histogram one;
  Histogram other;
  one.record_ns(10 * kNsPerUs);
  other.record_ns(20 * kNsPerUs);
  one.add(other);
  EXPECT_EQ(one.count(), 2U);
  EXPECT_EQ(one.max_us(), 20);
  one.reset();
  EXPECT_EQ(one.count(), 0U);
}

TEST(Histogram, Print_IsTheFormatOfItsTools) {
  Histogram histogram;
  histogram.record_ns(2 * kNsPerMs);
  char* text = nullptr;
  std::size_t size = 0;
  std::FILE* file = ::open_memstream(&text, &size);
  ASSERT_NE(file, nullptr);
  EXPECT_TRUE(histogram.print(file));
  std::fclose(file);
  const std::string printed(text, size);
  std::free(text);
  EXPECT_NE(printed.find("Value   Percentile   TotalCount 1/(1-Percentile)"), std::string::npos);
  EXPECT_NE(printed.find("2.000"), std::string::npos);
  EXPECT_NE(printed.find("Total count"), std::string::npos);
}

}  // namespace
}  // namespace payonce::bench
