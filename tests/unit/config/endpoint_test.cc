#include "config/endpoint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace payonce::config {
namespace {

using testing::HasSubstr;

std::string why_not(std::string_view text) {
  const auto endpoint = parse_endpoint(text);
  return endpoint ? "accepted" : endpoint.error();
}

TEST(Endpoint, NumericAddresses_AreRead) {
  EXPECT_EQ(parse_endpoint("127.0.0.1:8080"), (Endpoint{"127.0.0.1", 8080}));
  EXPECT_EQ(parse_endpoint("0.0.0.0:65535"), (Endpoint{"0.0.0.0", 65535}));
  EXPECT_EQ(parse_endpoint("[::1]:8080"), (Endpoint{"::1", 8080}));
  EXPECT_EQ(parse_endpoint("[2001:db8::7]:443"), (Endpoint{"2001:db8::7", 443}));
}

TEST(Endpoint, PortZero_IsAnyFreePort) {
  EXPECT_EQ(parse_endpoint("127.0.0.1:0"), (Endpoint{"127.0.0.1", 0}));
}

TEST(Endpoint, Localhost_IsItsAddress) {
  EXPECT_EQ(parse_endpoint("localhost:80"), (Endpoint{"127.0.0.1", 80}));
}

TEST(Endpoint, MissingPort_IsNamed) {
  EXPECT_THAT(why_not(""), HasSubstr("no port"));
  EXPECT_THAT(why_not("8080"), HasSubstr("no port"));
  EXPECT_THAT(why_not("127.0.0.1"), HasSubstr("no port"));
  EXPECT_THAT(why_not("[::1]"), HasSubstr("no port"));
}

TEST(Endpoint, BadPort_IsNamed) {
  for (const char* text : {"127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:-1", "127.0.0.1:+1",
                           "127.0.0.1: 80", "127.0.0.1:80 ", "127.0.0.1:http", "[::1]:99999"}) {
    EXPECT_THAT(why_not(text), HasSubstr("not a number from 0 to 65535")) << text;
  }
}

TEST(Endpoint, MissingAddress_NeverMeansEveryInterface) {
  EXPECT_THAT(why_not(":8080"), HasSubstr("0.0.0.0"));
  EXPECT_THAT(why_not("*:8080"), HasSubstr("0.0.0.0"));
}

TEST(Endpoint, Ipv6WithoutBrackets_IsToldSo) {
  EXPECT_THAT(why_not("::1:8080"), HasSubstr("brackets"));
  EXPECT_THAT(why_not("[::1:8080"), HasSubstr("brackets"));
}

TEST(Endpoint, NamesAndMalformedAddresses_AreRefused) {
  for (const char* text : {"example.org:80", "256.0.0.1:80", "127.1:80", "1.2.3.4.5:80",
                           " 127.0.0.1:80", "[127.0.0.1]:80", "[]:80", "[fe80::1%eth0]:80"}) {
    EXPECT_THAT(why_not(text), HasSubstr("not an IPv")) << text;
  }
}

TEST(Endpoint, HiddenNul_IsRefused) {
  EXPECT_FALSE(parse_endpoint(std::string_view("127.0.0.1\0x:80", 14)));
}

TEST(Endpoint, Text_ReadsBackAsTheSame) {
  for (const char* text : {"127.0.0.1:8080", "[::1]:0", "[::]:80"}) {
    const auto endpoint = parse_endpoint(text);
    ASSERT_TRUE(endpoint) << text;
    EXPECT_EQ(to_string(*endpoint), text);
  }
}

TEST(Endpoint, Loopback_IsTheWholeNetworkAndNothingElse) {
  for (const char* host : {"127.0.0.1", "127.255.255.255", "::1", "::ffff:127.0.0.1"}) {
    EXPECT_TRUE(is_loopback({host, 1})) << host;
  }
  for (const char* host : {"0.0.0.0", "10.0.0.1", "128.0.0.1", "::", "::2", "::ffff:10.0.0.1",
                           "::127.0.0.1", "name"}) {
    EXPECT_FALSE(is_loopback({host, 1})) << host;
  }
}

}  // namespace
}  // namespace payonce::config
