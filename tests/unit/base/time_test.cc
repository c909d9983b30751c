#include "base/time.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <string>

#include "support/random.h"

namespace payonce {
namespace {

using testing_support::for_each_seed;
using testing_support::Random;

std::int64_t us_of(std::string_view text) {
  const auto parsed = parse_rfc3339(text);
  EXPECT_TRUE(parsed) << text;
  return parsed.value_or(Timestamp{-1}).us;
}

TEST(FormatRfc3339, HasSixFractionalDigitsAndUtc) {
  EXPECT_EQ(format_rfc3339(Timestamp{0}), "1970-01-01T00:00:00.000000Z");
  EXPECT_EQ(format_rfc3339(Timestamp{1}), "1970-01-01T00:00:00.000001Z");
  EXPECT_EQ(format_rfc3339(Timestamp{1'795'253'400'123'456}), "2026-11-21T09:30:00.123456Z");
}

TEST(FormatRfc3339, TimesBefore1970_CountBackwards) {
  EXPECT_EQ(format_rfc3339(Timestamp{-1}), "1969-12-31T23:59:59.999999Z");
  EXPECT_EQ(format_rfc3339(Timestamp{-86'400'000'000}), "1969-12-31T00:00:00.000000Z");
}

TEST(FormatRfc3339, BothEnds_AreWritten) {
  EXPECT_EQ(format_rfc3339(kTimestampMin), "0000-01-01T00:00:00.000000Z");
  EXPECT_EQ(format_rfc3339(kTimestampMax), "9999-12-31T23:59:59.999999Z");
}

TEST(FormatRfc3339, IsAppended) {
  std::string text = "at ";
  append_rfc3339(text, Timestamp{0});
  EXPECT_EQ(text, "at 1970-01-01T00:00:00.000000Z");
}

TEST(ParseRfc3339, ExamplesOfTheRfc_AreRead) {
  EXPECT_EQ(us_of("1985-04-12T23:20:50.52Z"), 482'196'050'520'000);
  EXPECT_EQ(us_of("1996-12-19T16:39:57-08:00"), 851'042'397'000'000);
  EXPECT_EQ(us_of("1996-12-20T00:39:57Z"), 851'042'397'000'000);
  EXPECT_EQ(us_of("1937-01-01T12:00:27.87+00:20"), us_of("1937-01-01T11:40:27.87Z"));
}

TEST(ParseRfc3339, LeapSecond_IsTheNextMinute) {
  EXPECT_EQ(us_of("1990-12-31T23:59:60Z"), us_of("1991-01-01T00:00:00Z"));
  EXPECT_EQ(us_of("1990-12-31T15:59:60-08:00"), us_of("1991-01-01T00:00:00Z"));
}

TEST(ParseRfc3339, Fraction_FinerThanAMicrosecondIsCut) {
  EXPECT_EQ(us_of("1970-01-01T00:00:00.1Z"), 100'000);
  EXPECT_EQ(us_of("1970-01-01T00:00:00.000001Z"), 1);
  EXPECT_EQ(us_of("1970-01-01T00:00:00.0000019Z"), 1);
  EXPECT_EQ(us_of("1970-01-01T00:00:00.999999999Z"), 999'999);
  EXPECT_FALSE(parse_rfc3339("1970-01-01T00:00:00.0000000001Z"));
  EXPECT_FALSE(parse_rfc3339("1970-01-01T00:00:00.Z"));
}

TEST(ParseRfc3339, SmallLettersAndSpace_ArePermittedByTheRfc) {
  EXPECT_EQ(us_of("1970-01-01t00:00:00z"), 0);
  EXPECT_EQ(us_of("1970-01-01 00:00:00Z"), 0);
}

TEST(ParseRfc3339, DaysThatAreNotInTheCalendar_AreRefused) {
  EXPECT_TRUE(parse_rfc3339("2024-02-29T00:00:00Z"));
  EXPECT_FALSE(parse_rfc3339("2023-02-29T00:00:00Z"));
  EXPECT_FALSE(parse_rfc3339("2100-02-29T00:00:00Z"));
  EXPECT_TRUE(parse_rfc3339("2000-02-29T00:00:00Z"));
  EXPECT_FALSE(parse_rfc3339("2024-04-31T00:00:00Z"));
  EXPECT_FALSE(parse_rfc3339("2024-13-01T00:00:00Z"));
  EXPECT_FALSE(parse_rfc3339("2024-00-01T00:00:00Z"));
  EXPECT_FALSE(parse_rfc3339("2024-01-00T00:00:00Z"));
}

TEST(ParseRfc3339, FieldsOutOfRange_AreRefused) {
  EXPECT_FALSE(parse_rfc3339("2024-01-01T24:00:00Z"));
  EXPECT_FALSE(parse_rfc3339("2024-01-01T00:60:00Z"));
  EXPECT_FALSE(parse_rfc3339("2024-01-01T00:00:61Z"));
  EXPECT_FALSE(parse_rfc3339("2024-01-01T00:00:00+24:00"));
  EXPECT_FALSE(parse_rfc3339("2024-01-01T00:00:00+00:60"));
}

TEST(ParseRfc3339, AnythingElse_IsRefused) {
  for (const char* text : {"",
                           "2024",
                           "2024-01-01",
                           "2024-01-01T00:00:00",
                           "2024-01-01T00:00Z",
                           "24-01-01T00:00:00Z",
                           "2024-1-1T00:00:00Z",
                           "2024/01/01T00:00:00Z",
                           "2024-01-01X00:00:00Z",
                           "2024-01-01T00.00.00Z",
                           "2024-01-01T00:00:00ZZ",
                           "2024-01-01T00:00:00Z ",
                           " 2024-01-01T00:00:00Z",
                           "2024-01-01T00:00:00+0100",
                           "2024-01-01T00:00:00+01",
                           "2024-01-01T00:00:00+1:00",
                           "2024-01-01T00:00:00,5Z",
                           "+2024-01-01T00:00:00Z",
                           "-024-01-01T00:00:00Z",
                           "2024-01-01T00:00:00.5",
                           "2024-01-01T00:00:0 Z",
                           "1800000000",
                           "2024-01-01T00:00:00+01:000"}) {
    EXPECT_FALSE(parse_rfc3339(text)) << text;
  }
}

TEST(ParseRfc3339, OffsetThatLeadsOutOfTheYears_IsRefused) {
  EXPECT_EQ(us_of("9999-12-31T23:59:59.999999Z"), kTimestampMax.us);
  EXPECT_EQ(us_of("9999-12-31T23:59:59.999999+00:01"), kTimestampMax.us - 60'000'000);
  EXPECT_FALSE(parse_rfc3339("9999-12-31T23:59:59-00:01"));
  EXPECT_FALSE(parse_rfc3339("9999-12-31T23:59:60Z"));
  EXPECT_EQ(us_of("0000-01-01T00:00:00Z"), kTimestampMin.us);
  EXPECT_FALSE(parse_rfc3339("0000-01-01T00:00:00+00:01"));
}

TEST(Rfc3339, FormattedThenParsed_IsTheSame) {
  for_each_seed(3000, [](Random& random) {
    const auto range = static_cast<std::uint64_t>(kTimestampMax.us - kTimestampMin.us);
    const Timestamp t{kTimestampMin.us + static_cast<std::int64_t>(random.below(range + 1))};
    const auto parsed = parse_rfc3339(format_rfc3339(t));
    ASSERT_TRUE(parsed) << t.us;
    EXPECT_EQ(parsed->us, t.us);
  });
}

TEST(Rfc3339, TextOrder_IsTimeOrder) {
  for_each_seed(1000, [](Random& random) {
    const Timestamp a{static_cast<std::int64_t>(random.below(250'000'000'000'000'000U))};
    const Timestamp b = a + Duration{1 + static_cast<std::int64_t>(random.below(1'000'000'000))};
    EXPECT_LT(format_rfc3339(a), format_rfc3339(b));
  });
}

TEST(Timestamp, Arithmetic_IsInMicroseconds) {
  EXPECT_EQ((Timestamp{5} + Duration::ms(2)).us, 2005);
  EXPECT_EQ((Timestamp{5} - Duration::seconds(1)).us, -999'995);
  EXPECT_EQ((Timestamp{7} - Timestamp{5}).us, 2);
}

}  // namespace
}  // namespace payonce
