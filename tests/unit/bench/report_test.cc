#include "bench/report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidjson/document.h>

#include <sstream>

#include "bench/svg.h"

namespace payonce::bench {
namespace {

using testing::HasSubstr;
using testing::Not;

StepResult sample(std::uint64_t rate) {
  StepResult step;
  step.scenario = Scenario::kComplete;
  step.rate = rate;
  step.requests = 2000;
  step.connections = 64;
  step.duration_ns = 2 * kNsPerS;
  step.measured.add(Outcome::kOk, 1990);
  step.measured.add(Outcome::kShed, 7);
  step.measured.add(Outcome::kTimeout, 3);
  for (int i = 1; i <= 1990; ++i) {
    step.latency.record_ns(i * kNsPerMs);
  }
  step.longest_stall_ns = 1500 * kNsPerMs;
  step.seconds = {{.number = -1, .done = 5},
                  {.number = 0,
                   .sent = 1000,
                   .done = 990,
                   .p50_us = 400,
                   .p99_us = 900,
                   .p999_us = 950,
                   .max_us = 3'000},
                  {.number = 1, .sent = 1000, .done = 1000, .p999_us = 800, .max_us = 2'000}};
  step.audit = {.done = true, .accepted = 1990, .uncertain = 3, .taken = 1991, .balanced = true};
  step.complaints = {"3 requests were \"not\" answered in time"};
  return step;
}

std::size_t times(const std::string& text, const std::string& word) {
  std::size_t count = 0;
  for (std::size_t at = text.find(word); at != std::string::npos; at = text.find(word, at + 1)) {
    ++count;
  }
  return count;
}

TEST(FormatUs, HasThreeDigitsInTheUnitThatItNeeds) {
  EXPECT_EQ(format_us(0), "0 µs");
  EXPECT_EQ(format_us(999), "999 µs");
  EXPECT_EQ(format_us(1'234), "1.23 ms");
  EXPECT_EQ(format_us(12'345), "12.3 ms");
  EXPECT_EQ(format_us(123'456), "123 ms");
  EXPECT_EQ(format_us(1'234'567), "1.23 s");
  EXPECT_EQ(format_us(60'000'000), "60.0 s");
}

TEST(FormatCount, GroupsThousands) {
  EXPECT_EQ(format_count(0), "0");
  EXPECT_EQ(format_count(999), "999");
  EXPECT_EQ(format_count(1'000), "1,000");
  EXPECT_EQ(format_count(1'234'567), "1,234,567");
}

TEST(Row, StandsUnderItsHeader) {
  const std::string row = render_row(sample(1000));
  for (const char* word : {"1,000", "995", "1,990", " 7 ", " 3 ", "1.99 s", "1.50 s"}) {
    EXPECT_THAT(row, HasSubstr(word));
  }
  // Columns, not bytes: µ has two.
  EXPECT_EQ(row.size() - times(row, "µ"), render_header().size());
}

TEST(Row, WithoutARightAnswer_ShowsNoLatency) {
  StepResult step;
  step.rate = 5;
  EXPECT_THAT(render_row(step), HasSubstr(" - "));
}

TEST(Notes, SayWhereErrorsAreFromAndWhatBecameOfTheMoney) {
  const std::string notes = render_notes(sample(1000));
  EXPECT_THAT(notes, HasSubstr("3 time-outs"));
  EXPECT_THAT(notes, HasSubstr("1,990 payments accepted, 1991 taken"));
  EXPECT_THAT(notes, HasSubstr("the ledger is balanced"));
}

TEST(Notes, AGeneratorThatIsLateSaysSo) {
  StepResult step = sample(1000);
  EXPECT_THAT(render_notes(step), Not(HasSubstr("generator")));
  step.lateness_p99_us = 20'000;
  EXPECT_THAT(render_notes(step), HasSubstr("the generator itself was late: p99 20.0 ms"));
}

TEST(Notes, ABatchSaysWhenAllWereAcceptedAndFinished) {
  StepResult step = sample(0);
  step.settle_ns = 2 * kNsPerS;
  EXPECT_THAT(render_notes(step), HasSubstr("all accepted after 2.000 s (995/s), all finished "
                                            "after 4.000 s (498/s)"));
}

TEST(Progress, IsOneLine) {
  const std::string line = render_progress(sample(1000).seconds[1]);
  EXPECT_EQ(line.find('\n'), std::string::npos);
  EXPECT_THAT(line, HasSubstr("    1 s  sent 1,000/s  done 990/s  p50 400 µs  p99 900 µs"));
  EXPECT_THAT(render_progress({.number = -1}), HasSubstr("warm-up  sent 0/s  done 0/s  p50 -"));
}

TEST(Json, OneLineForEachSecondAndOneForTheStep) {
  std::istringstream lines(render_json(sample(1000)));
  std::vector<rapidjson::Document> documents;
  for (std::string line; std::getline(lines, line);) {
    documents.emplace_back().Parse(line);
    ASSERT_FALSE(documents.back().HasParseError()) << line;
  }
  ASSERT_EQ(documents.size(), 4U);
  EXPECT_STREQ(documents[0]["kind"].GetString(), "second");
  EXPECT_EQ(documents[0]["second"].GetInt64(), -1);
  EXPECT_EQ(documents[1]["max_us"].GetInt64(), 3'000);
  const rapidjson::Document& step = documents[3];
  EXPECT_STREQ(step["kind"].GetString(), "step");
  EXPECT_STREQ(step["scenario"].GetString(), "complete");
  EXPECT_EQ(step["rate"].GetUint64(), 1000U);
  EXPECT_EQ(step["ok"].GetUint64() + step["shed"].GetUint64() + step["timeouts"].GetUint64(),
            2000U);
  EXPECT_DOUBLE_EQ(step["achieved"].GetDouble(), 995.0);
  EXPECT_NEAR(step["latency_us"]["p50"].GetDouble(), 995'000, 1000);
  EXPECT_FALSE(step["good"].GetBool());
  EXPECT_STREQ(step["complaints"][0].GetString(), sample(1).complaints[0].c_str());
}

TEST(Svg, HasACurveForEachStepInBothPanels) {
  std::vector<StepResult> steps;
  steps.push_back(sample(1000));
  steps.push_back(sample(20'000));
  const std::string svg = render_svg("a < b & c", steps);
  EXPECT_THAT(svg, HasSubstr("a &lt; b &amp; c"));
  EXPECT_THAT(svg, HasSubstr("prefers-color-scheme: dark"));
  EXPECT_THAT(svg, HasSubstr("20,000/s"));
  EXPECT_THAT(svg, HasSubstr(">99.99 %<"));
  EXPECT_EQ(times(svg, "class=\"curve\""), 4U);
  EXPECT_EQ(times(svg, "class=\"greatest\""), 2U);
  EXPECT_EQ(svg.find("nan"), std::string::npos);
  EXPECT_EQ(svg.find("inf"), std::string::npos);
}

TEST(Svg, WithoutAnyAnswer_IsADrawingAllTheSame) {
  std::vector<StepResult> steps(1);
  const std::string svg = render_svg("nothing", steps);
  EXPECT_TRUE(svg.ends_with("</svg>\n"));
  EXPECT_EQ(svg.find("nan"), std::string::npos);
  EXPECT_EQ(svg.find("inf"), std::string::npos);
}

}  // namespace
}  // namespace payonce::bench
