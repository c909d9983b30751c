#include "http/json_value.h"

#include <gtest/gtest.h>

#include <string>

namespace payonce::http {
namespace {

std::string canonical(std::string_view text) {
  const auto value = parse_json(text);
  if (!value) {
    return "error: " + value.error().message;
  }
  std::string out;
  append_canonical(out, *value);
  return out;
}

bool refused(std::string_view text) { return !parse_json(text).has_value(); }

TEST(JsonValue, Numbers_KeepTheirDigits) {
  const auto value = parse_json(R"({"a":10.50,"b":1e400,"c":123456789012345678901234567890})");
  ASSERT_TRUE(value) << value.error().message;
  EXPECT_EQ(value->find("a")->text, "10.50");
  EXPECT_EQ(value->find("b")->text, "1e400");
  EXPECT_EQ(value->find("c")->text, "123456789012345678901234567890");
}

TEST(JsonValue, ByteOrderMark_IsPassedOverBeforeAnyValue) {
  EXPECT_EQ(canonical("\xef\xbb\xbf{}"), "{}");
  EXPECT_EQ(canonical("\xef\xbb\xbf 12 "), "12");
  EXPECT_TRUE(refused("\xef\xbb\xbf\xef\xbb\xbf{}"));
  EXPECT_TRUE(refused("\xef\xbb\xbf"));
}

TEST(JsonValue, WhiteSpaceBehindAnyValue_IsPassedOver) {
  const std::string space(100, ' ');
  for (const std::string value : {"true", "false", "null", "12", "\"a\"", "[]", "{}"}) {
    EXPECT_EQ(canonical(space + value + space + "\n"), value);
  }
}

TEST(JsonValue, MalformedNumbers_AreRefused) {
  for (const char* text : {"01", "1.", ".5", "-", "+1", "1e", "0x10", "NaN", "Infinity", "1.5.2"}) {
    EXPECT_TRUE(refused(text)) << text;
    EXPECT_TRUE(refused(std::string(R"({"a":)") + text + "}")) << text;
  }
}

TEST(JsonValue, MalformedText_IsRefused) {
  for (const char* text : {"",
                           " ",
                           "{",
                           "}",
                           "[",
                           "[1,]",
                           "{\"a\"}",
                           "{\"a\":}",
                           "{\"a\":1,}",
                           "{a:1}",
                           "'a'",
                           "{\"a\":1 \"b\":2}",
                           "\"a",
                           "tru",
                           "nul",
                           "{\"a\":\"\\x\"}",
                           "{\"a\":\"\n\"}",
                           "{\"a\":\"\xff\"}",
                           "{\"a\":\"\\ud800\"}",
                           "// c\n1"}) {
    EXPECT_TRUE(refused(text)) << text;
  }
}

TEST(JsonValue, TrailingBytes_AreRefused) {
  EXPECT_TRUE(refused("{} {}"));
  EXPECT_TRUE(refused("{}x"));
  EXPECT_TRUE(refused("1 2"));
  EXPECT_TRUE(refused("null null"));
  EXPECT_FALSE(refused("{} \n\t "));
}

TEST(JsonValue, DuplicateKeys_AreRefusedAtEveryDepth) {
  EXPECT_TRUE(refused(R"({"a":1,"a":2})"));
  EXPECT_TRUE(refused(R"({"b":[{"a":1,"\u0061":2}]})"));
  std::string many = "{";
  for (int i = 0; i < 40; ++i) {
    many += "\"k" + std::to_string(i) + "\":1,";
  }
  EXPECT_TRUE(refused(many + "\"k3\":1}"));
  EXPECT_FALSE(refused(many + "\"k40\":1}"));
}

TEST(JsonValue, NestingDeeperThan32_IsRefused) {
  const auto nested = [](int depth) {
    return std::string(static_cast<std::size_t>(depth), '[') +
           std::string(static_cast<std::size_t>(depth), ']');
  };
  EXPECT_FALSE(refused(nested(kDepthMax)));
  EXPECT_TRUE(refused(nested(kDepthMax + 1)));
  EXPECT_TRUE(refused(nested(100'000)));
}

TEST(JsonValue, Canonical_IgnoresMemberOrderAndWhiteSpace) {
  EXPECT_EQ(canonical(R"({"b":1, "a":[true,null, "x"]})"), R"({"a":[true,null,"x"],"b":1})");
  EXPECT_EQ(canonical(R"( { "a" : [ true , null , "x" ] , "b" : 1 } )"),
            canonical(R"({"b":1,"a":[true,null,"\u0078"]})"));
}

TEST(JsonValue, Canonical_TellsDifferentPayloadsApart) {
  EXPECT_NE(canonical(R"({"a":1})"), canonical(R"({"a":"1"})"));
  EXPECT_NE(canonical(R"({"a":1.0})"), canonical(R"({"a":1.00})"));
  EXPECT_NE(canonical(R"({"a":[1,2]})"), canonical(R"({"a":[2,1]})"));
  EXPECT_NE(canonical(R"({"a":""})"), canonical(R"({"a":null})"));
}

TEST(JsonValue, Canonical_IsItsOwnCanonicalForm) {
  const std::string once = canonical(R"({"é":"\u00e9\n\"","a":{"z":0,"y":[{}]}})");
  EXPECT_EQ(canonical(once), once);
}

}  // namespace
}  // namespace payonce::http
