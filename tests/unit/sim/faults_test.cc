#include "sim/faults.h"

#include <gtest/gtest.h>

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
