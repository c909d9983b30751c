#include "sim/simulator.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "support/temp_dir.h"

namespace payonce::sim {
namespace {

using testing_support::TempDir;

Plan short_plan(std::uint64_t seed) {
  return {.seed = seed, .busy = Duration::seconds(1'800), .faults = FaultSet::all()};
}

TEST(Simulator, SameSeed_SameHash) {
  const TempDir dir;
  const Report one = simulate(short_plan(11), dir.path() + "/one");
  const Report two = simulate(short_plan(11), dir.path() + "/two");
  EXPECT_FALSE(one.violation) << one.violation->what;
  EXPECT_EQ(one.hash, two.hash);
  EXPECT_EQ(one.simulated, two.simulated);
  EXPECT_GT(one.payments, 0U);
}

TEST(Simulator, OtherSeed_OtherHash) {
  const TempDir dir;
  EXPECT_NE(simulate(short_plan(11), dir.path() + "/sim").hash,
            simulate(short_plan(12), dir.path() + "/sim").hash);
}

TEST(Simulator, Traced_TheRunIsTheSame) {
  const TempDir dir;
  const Report silent = simulate(short_plan(13), dir.path() + "/sim");
  std::vector<std::string> lines;
  const Report traced = simulate(short_plan(13), dir.path() + "/sim",
                                 [&](const std::string& line) { lines.push_back(line); });
  EXPECT_EQ(silent.hash, traced.hash);
  EXPECT_GT(lines.size(), 20U);
}

TEST(Simulator, WithoutFaults_NeverStartsAgain) {
  const TempDir dir;
  Plan plan = short_plan(14);
  plan.faults = *FaultSet::parse("none");
  const Report report = simulate(plan, dir.path() + "/sim");
  EXPECT_FALSE(report.violation) << report.violation->what;
  EXPECT_EQ(report.starts, 1U);
  EXPECT_EQ(report.crashes, 0U);
}

TEST(Simulator, SomeSeeds_BreakNoRule) {
  const TempDir dir;
  std::uint64_t crashes = 0;
  std::uint64_t rebuilds = 0;
  for (std::uint64_t seed = 100; seed < 110; ++seed) {
    const Report report = simulate(short_plan(seed), dir.path() + "/sim");
    EXPECT_FALSE(report.violation) << "seed " << seed << ": " << report.violation->what;
    crashes += report.crashes;
    rebuilds += report.rebuilds;
  }
  EXPECT_GT(crashes, 0U);
  EXPECT_GT(rebuilds, 0U);
}

TEST(Simulator, Shrunk_OnlyTheFaultAndTheTimeThatItTakesAreLeft) {
  const Plan plan{.seed = 1, .busy = Duration::seconds(86'400), .faults = FaultSet::all()};
  int asked = 0;
  const Plan least = shrink(plan, [&](const Plan& smaller) {
    ++asked;
    return smaller.faults.has(Fault::kLoss) && smaller.busy >= Duration::seconds(3'600);
  });
  EXPECT_EQ(least.faults.text(), "loss");
  EXPECT_GE(least.busy, Duration::seconds(3'600));
  EXPECT_LT(least.busy, Duration::seconds(3'800));
  EXPECT_LT(asked, 100);
}

TEST(Simulator, LeavesNothingBehind) {
  const TempDir dir;
  static_cast<void>(simulate(short_plan(15), dir.path() + "/sim"));
  EXPECT_FALSE(std::filesystem::exists(dir.path() + "/sim"));
}

}  // namespace
}  // namespace payonce::sim
