#include "sim/faults.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace payonce::sim {
namespace {

constexpr Duration kDay = Duration::seconds(86'400);

TEST(FaultSet, ReadsItsOwnText) {
  EXPECT_EQ(FaultSet::all().text(), "all");
  EXPECT_EQ(FaultSet::parse("all"), FaultSet::all());
  EXPECT_EQ(FaultSet::parse("none")->text(), "none");
  EXPECT_EQ(FaultSet::parse("clock,crash")->text(), "crash,clock");
  for (const char* bad : {"", "crash,", ",crash", "crashes", "all,crash", "crash clock"}) {
    EXPECT_FALSE(FaultSet::parse(bad)) << bad;
  }
}

TEST(FaultSet, WithoutOne_KeepsTheOthers) {
  const FaultSet less = FaultSet::all().without(Fault::kLoss);
  EXPECT_FALSE(less.has(Fault::kLoss));
  EXPECT_TRUE(less.has(Fault::kCrash));
  EXPECT_TRUE(less.has(Fault::kStop));
}

TEST(Rates, WhatIsNotAllowedNeverHappens) {
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    Random random(seed);
    const Rates rates = Rates::draw(random, *FaultSet::parse("loss"), kDay);
    EXPECT_EQ(rates.crash_every.us, 0);
    EXPECT_EQ(rates.commit_fails, 0U);
    EXPECT_EQ(rates.clock_every.us, 0);
    EXPECT_LE(rates.lost, 300'000U);
  }
}

TEST(Rates, ComeToTheWorstThatIsPromised) {
  Rates worst;
  worst.torn = 1'000'000;
  for (std::uint64_t seed = 0; seed < 2'000; ++seed) {
    Random random(seed);
    const Rates rates = Rates::draw(random, FaultSet::all(), kDay);
    worst.torn = rates.torn > 0 ? std::min(worst.torn, rates.torn) : worst.torn;
    worst.commit_fails = std::max(worst.commit_fails, rates.commit_fails);
    worst.read_fails = std::max(worst.read_fails, rates.read_fails);
    worst.lost = std::max(worst.lost, rates.lost);
    worst.twice = std::max(worst.twice, rates.twice);
  }
  const auto near = [](std::uint32_t ppm, std::uint32_t bound) {
    return ppm <= bound && ppm >= bound / 10 * 9;
  };
  EXPECT_GE(worst.torn, 800'000U);
  EXPECT_TRUE(near(worst.commit_fails, 100'000)) << worst.commit_fails;
  EXPECT_TRUE(near(worst.read_fails, 100'000)) << worst.read_fails;
  EXPECT_TRUE(near(worst.lost, 300'000)) << worst.lost;
  EXPECT_TRUE(near(worst.twice, 500'000)) << worst.twice;
}

TEST(Rates, OneFaultLess_LeavesTheOthersAsTheyAre) {
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    Random one(seed);
    Random two(seed);
    const Rates all = Rates::draw(one, FaultSet::all(), kDay);
    const Rates less = Rates::draw(two, FaultSet::all().without(Fault::kCrash), kDay);
    EXPECT_EQ(less.crash_every.us, 0);
    EXPECT_EQ(less.lost, all.lost);
    EXPECT_EQ(less.stop_every, all.stop_every);
    EXPECT_EQ(one.next(), two.next());
  }
}

}  // namespace
}  // namespace payonce::sim
