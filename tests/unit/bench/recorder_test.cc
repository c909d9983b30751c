#include "bench/recorder.h"

#include <gtest/gtest.h>

#include "bench/options.h"

namespace payonce::bench {
namespace {

constexpr std::int64_t kStart = 100 * kNsPerS;
constexpr std::int64_t kMeasured = kStart + 2 * kNsPerS;

std::int64_t at_ms(std::int64_t ms) { return kMeasured + ms * kNsPerMs; }

TEST(Recorder, LatencyIsFromWhenItWasDue) {
  Recorder recorder(kStart, kMeasured, nullptr);
  recorder.due(at_ms(0), at_ms(3));
  recorder.answered(at_ms(0), at_ms(40), Outcome::kOk);
  EXPECT_EQ(recorder.latency().count(), 1U);
  EXPECT_NEAR(static_cast<double>(recorder.latency().max_us()), 40'000, 40);
  EXPECT_NEAR(static_cast<double>(recorder.lateness().max_us()), 3'000, 3);
  EXPECT_EQ(recorder.answering_ns(), 40 * kNsPerMs);
}

TEST(Recorder, TheWarmupIsCountedApart) {
  Recorder recorder(kStart, kMeasured, nullptr);
  recorder.due(at_ms(-1), at_ms(-1));
  recorder.answered(at_ms(-1), at_ms(5), Outcome::kOk);
  recorder.due(at_ms(-1), at_ms(-1));
  recorder.failed(at_ms(-1), Outcome::kTimeout);
  EXPECT_EQ(recorder.measured().all(), 0U);
  EXPECT_EQ(recorder.warmup().of(Outcome::kOk), 1U);
  EXPECT_EQ(recorder.warmup().of(Outcome::kTimeout), 1U);
  EXPECT_EQ(recorder.latency().count(), 0U);
}

TEST(Recorder, OnlyRightAnswersHaveALatency) {
  Recorder recorder(kMeasured, kMeasured, nullptr);
  for (const Outcome outcome : {Outcome::kShed, Outcome::kWrong}) {
    recorder.due(at_ms(0), at_ms(0));
    recorder.answered(at_ms(0), at_ms(1), outcome);
  }
  recorder.failed(at_ms(0), Outcome::kNotSent);
  EXPECT_EQ(recorder.latency().count(), 0U);
  EXPECT_EQ(recorder.measured().all(), 3U);
  EXPECT_EQ(recorder.measured().errors(), 2U) << "shedding is no error";
}

TEST(Recorder, AStallIsTimeWithoutAnswersWhileOneIsDue) {
  Recorder recorder(kMeasured, kMeasured, nullptr);
  recorder.due(at_ms(0), at_ms(0));
  recorder.answered(at_ms(0), at_ms(5), Outcome::kOk);
  // Nothing is due for a while, which is no stall.
  recorder.due(at_ms(500), at_ms(500));
  recorder.due(at_ms(501), at_ms(501));
  recorder.answered(at_ms(500), at_ms(520), Outcome::kOk);
  recorder.answered(at_ms(501), at_ms(530), Outcome::kShed);
  EXPECT_EQ(recorder.longest_stall_ns(), 20 * kNsPerMs);
  recorder.due(at_ms(600), at_ms(600));
  recorder.give_up(at_ms(1600));
  recorder.failed(at_ms(600), Outcome::kTimeout);
  EXPECT_EQ(recorder.longest_stall_ns(), 1000 * kNsPerMs);
}

TEST(Recorder, SecondsAreCountedFromTheEndOfTheWarmup) {
  std::vector<std::int64_t> seen;
  Recorder recorder(kStart, kMeasured,
                    [&](const Second& second) { seen.push_back(second.number); });
  recorder.due(at_ms(-1500), at_ms(-1500));
  recorder.sent();
  recorder.tick(at_ms(-1500), 0, 1);
  EXPECT_TRUE(seen.empty());
  recorder.tick(at_ms(-1000), 7, 1);
  recorder.answered(at_ms(-1500), at_ms(100), Outcome::kOk);
  recorder.tick(at_ms(1000), 0, 0);
  recorder.finish(at_ms(1500));
  EXPECT_EQ(seen, (std::vector<std::int64_t>{-2, -1, 0}));
  ASSERT_EQ(recorder.seconds().size(), 3U);
  EXPECT_EQ(recorder.seconds()[0].sent, 1U);
  EXPECT_EQ(recorder.seconds()[0].backlog, 7U);
  EXPECT_EQ(recorder.seconds()[1].done, 1U)
      << "answers count when they come, seen at the next tick";
}

TEST(Recorder, TheLastSecondIsThereWhenSomethingHappenedInIt) {
  Recorder recorder(kMeasured, kMeasured, nullptr);
  recorder.due(at_ms(10), at_ms(10));
  recorder.answered(at_ms(10), at_ms(20), Outcome::kOk);
  recorder.finish(at_ms(30));
  ASSERT_EQ(recorder.seconds().size(), 1U);
  EXPECT_EQ(recorder.seconds()[0].number, 0);
  EXPECT_NEAR(static_cast<double>(recorder.seconds()[0].p99_us), 10'000, 10);
}

TEST(Recorder, KeepsTheFirstWrongAnswer) {
  Recorder recorder(kMeasured, kMeasured, nullptr);
  Response response;
  response.status = 404;
  response.body = std::string(1000, 'x');
  recorder.sample(response, "why");
  response.status = 500;
  recorder.sample(response, nullptr);
  EXPECT_EQ(recorder.first_wrong(), "404 " + std::string(300, 'x') + " (why)");
}

}  // namespace
}  // namespace payonce::bench
