#include "http/headers.h"

#include <gtest/gtest.h>

#include <array>
#include <string>

namespace payonce::http {
namespace {

std::optional<std::chrono::seconds> wait_of(std::string_view header) {
  const std::array<std::string_view, 1> headers{header};
  return parse_wait(headers);
}

TEST(IdempotencyKey, QuotedAndBareForm_AreTheSameKey) {
  EXPECT_EQ(parse_idempotency_key("\"abc-1\"").value(), "abc-1");
  EXPECT_EQ(parse_idempotency_key("abc-1").value(), "abc-1");
  EXPECT_EQ(parse_idempotency_key("  \"a\\\"b\\\\c\" ").value(), "a\"b\\c");
}

TEST(IdempotencyKey, LengthIsOneTo255) {
  EXPECT_FALSE(parse_idempotency_key(""));
  EXPECT_FALSE(parse_idempotency_key("\"\""));
  EXPECT_TRUE(parse_idempotency_key(std::string(255, 'k')));
  EXPECT_FALSE(parse_idempotency_key(std::string(256, 'k')));
  EXPECT_TRUE(parse_idempotency_key("\"" + std::string(255, 'k') + "\""));
}

TEST(IdempotencyKey, OtherThanVisibleAscii_IsRefused) {
  for (const char* header : {"a b", "a\tb", "k\xc3\xa9y", "\x01", "\"a b\"", "\"open", "\"a\"b",
                             "\"a\\n\"", "\"a\";p=1"}) {
    EXPECT_FALSE(parse_idempotency_key(header)) << header;
  }
}

TEST(PreferWait, IsFoundAmongOtherPreferences) {
  EXPECT_EQ(wait_of("wait=5"), std::chrono::seconds(5));
  EXPECT_EQ(wait_of("respond-async, wait=10"), std::chrono::seconds(10));
  EXPECT_EQ(wait_of("WAIT = 7 ; x=1, return=minimal"), std::chrono::seconds(7));
  EXPECT_EQ(wait_of("wait=\"3\""), std::chrono::seconds(3));
  const std::array<std::string_view, 2> two{"respond-async", "wait=4"};
  EXPECT_EQ(parse_wait(two), std::chrono::seconds(4));
}

TEST(PreferWait, FirstOneCounts) { EXPECT_EQ(wait_of("wait=1, wait=2"), std::chrono::seconds(1)); }

TEST(PreferWait, Malformed_IsIgnored) {
  for (const char* header : {"", "wait", "wait=", "wait=abc", "wait=-1", "wait=1.5", "waiting=3",
                             "respond-async", ",,,"}) {
    EXPECT_EQ(wait_of(header), std::nullopt) << header;
  }
}

TEST(PreferWait, HugeNumber_IsALongWaitAndNoOverflow) {
  ASSERT_TRUE(wait_of("wait=99999999999999999999"));
  EXPECT_GE(*wait_of("wait=99999999999999999999"), std::chrono::seconds(60));
}

TEST(ContentType, OnlyApplicationJsonCounts) {
  EXPECT_TRUE(is_json("application/json"));
  EXPECT_TRUE(is_json("Application/JSON; charset=utf-8"));
  EXPECT_FALSE(is_json(""));
  EXPECT_FALSE(is_json("text/json"));
  EXPECT_FALSE(is_json("application/jsonx"));
  EXPECT_FALSE(is_json("application/problem+json"));
}

TEST(Headers, AToken_IsFoundInAListWhateverItsCase) {
  EXPECT_TRUE(lists_token("close", "close"));
  EXPECT_TRUE(lists_token("Close", "close"));
  EXPECT_TRUE(lists_token("keep-alive,\tCLOSE ", "close"));
  EXPECT_FALSE(lists_token("", "close"));
  EXPECT_FALSE(lists_token("closed, not-close", "close"));
}

}  // namespace
}  // namespace payonce::http
