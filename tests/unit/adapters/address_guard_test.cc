#include "adapters/address_guard.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace payonce::adapters {
namespace {

AddressKind kind(const std::string& text) {
  const auto address = IpAddress::parse(text);
  EXPECT_TRUE(address) << text;
  return address ? kind_of(*address) : AddressKind::kPublic;
}

struct Case {
  const char* first;
  const char* last;
  AddressKind expected;
};

TEST(AddressGuard, EveryRange_AtBothEnds) {
  const std::vector<Case> cases{
      {"0.0.0.0", "0.255.255.255", AddressKind::kUnspecified},
      {"10.0.0.0", "10.255.255.255", AddressKind::kPrivate},
      {"100.64.0.0", "100.127.255.255", AddressKind::kShared},
      {"127.0.0.0", "127.255.255.255", AddressKind::kLoopback},
      {"169.254.0.0", "169.254.255.255", AddressKind::kLinkLocal},
      {"172.16.0.0", "172.31.255.255", AddressKind::kPrivate},
      {"192.0.0.0", "192.0.0.255", AddressKind::kReserved},
      {"192.0.2.0", "192.0.2.255", AddressKind::kDocumentation},
      {"192.168.0.0", "192.168.255.255", AddressKind::kPrivate},
      {"198.18.0.0", "198.19.255.255", AddressKind::kBenchmark},
      {"198.51.100.0", "198.51.100.255", AddressKind::kDocumentation},
      {"203.0.113.0", "203.0.113.255", AddressKind::kDocumentation},
      {"224.0.0.0", "239.255.255.255", AddressKind::kMulticast},
      {"240.0.0.0", "255.255.255.254", AddressKind::kReserved},
      {"255.255.255.255", "255.255.255.255", AddressKind::kBroadcast},
      {"::", "::", AddressKind::kUnspecified},
      {"::1", "::1", AddressKind::kLoopback},
      {"::2", "::fffe:ffff:ffff", AddressKind::kReserved},
      {"64:ff9b:1::", "64:ff9b:1:ffff:ffff:ffff:ffff:ffff", AddressKind::kPrivate},
      {"100::", "100::ffff:ffff:ffff:ffff", AddressKind::kReserved},
      {"2001::", "2001:0:ffff:ffff:ffff:ffff:ffff:ffff", AddressKind::kReserved},
      {"2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", AddressKind::kDocumentation},
      {"3fff::", "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff", AddressKind::kDocumentation},
      {"fc00::", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", AddressKind::kPrivate},
      {"fe80::", "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff", AddressKind::kLinkLocal},
      {"fec0::", "feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", AddressKind::kReserved},
      {"ff00::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", AddressKind::kMulticast},
  };
  for (const Case& one : cases) {
    EXPECT_EQ(name(kind(one.first)), name(one.expected)) << one.first;
    EXPECT_EQ(name(kind(one.last)), name(one.expected)) << one.last;
  }
}

TEST(AddressGuard, Neighbours_ArePublic) {
  for (const char* text : {"1.0.0.0",     "9.255.255.255",   "11.0.0.0",     "100.63.255.255",
                           "100.128.0.0", "126.255.255.255", "128.0.0.0",    "169.253.255.255",
                           "169.255.0.0", "172.15.255.255",  "172.32.0.0",   "192.0.1.0",
                           "192.0.3.0",   "192.167.255.255", "192.169.0.0",  "198.17.255.255",
                           "198.20.0.0",  "198.51.99.255",   "198.51.101.0", "203.0.112.255",
                           "203.0.114.0", "223.255.255.255", "2001:db7::1",  "2001:db9::1",
                           "2001:200::1", "2606:4700::1111", "3ffe::1"}) {
    EXPECT_EQ(name(kind(text)), "public") << text;
  }
}

TEST(AddressGuard, AnAddressInsideAnAddress_IsJudged) {
  for (const char* prefix : {"::ffff:", "64:ff9b::"}) {
    EXPECT_EQ(kind(std::string(prefix) + "127.0.0.1"), AddressKind::kLoopback);
    EXPECT_EQ(kind(std::string(prefix) + "169.254.169.254"), AddressKind::kLinkLocal);
    EXPECT_EQ(kind(std::string(prefix) + "10.1.2.3"), AddressKind::kPrivate);
    EXPECT_EQ(kind(std::string(prefix) + "9.9.9.9"), AddressKind::kPublic);
  }
  EXPECT_EQ(kind("2002:7f00:1::"), AddressKind::kLoopback);
  EXPECT_EQ(kind("2002:909:909::1"), AddressKind::kPublic);
}

TEST(AddressGuard, Text_ComesBack) {
  for (const char* text : {"192.0.2.1", "2001:db8::1", "::", "::ffff:127.0.0.1"}) {
    EXPECT_EQ(IpAddress::parse(text)->text(), text);
  }
  for (const char* text : {"", "1.2.3", "[::1]", "fe80::1%lo", "localhost", "127.0.0.1 "}) {
    EXPECT_FALSE(IpAddress::parse(text)) << text;
  }
}

TEST(AddressGuard, OneBadAddressAmongGoodOnes_RefusesTheName) {
  const Resolver resolver = [](const std::string&) -> Result<std::vector<IpAddress>> {
    return std::vector{*IpAddress::parse("9.9.9.9"), *IpAddress::parse("10.0.0.1")};
  };
  const auto refused = guarded_addresses(resolver, "hook.test", false);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message, "refused: hook.test is at 10.0.0.1, which is private");
  const auto allowed = guarded_addresses(resolver, "hook.test", true);
  ASSERT_TRUE(allowed);
  EXPECT_EQ(allowed->size(), 2U);
}

TEST(AddressGuard, NoAddressAtAll_IsAnError) {
  const Resolver none = [](const std::string&) -> Result<std::vector<IpAddress>> {
    return std::vector<IpAddress>{};
  };
  EXPECT_FALSE(guarded_addresses(none, "hook.test", true));
  const Resolver broken = [](const std::string&) -> Result<std::vector<IpAddress>> {
    return fail(Errc::kIo, "cannot resolve");
  };
  EXPECT_EQ(guarded_addresses(broken, "hook.test", true).error().message, "cannot resolve");
}

TEST(AddressGuard, TheSystemsResolver_KnowsLocalhostAndLiterals) {
  EXPECT_EQ(resolve("127.0.0.1")->front().text(), "127.0.0.1");
  EXPECT_EQ(resolve("::1")->front().text(), "::1");
  const auto local = guarded_addresses(resolve, "localhost", false);
  ASSERT_FALSE(local);
  EXPECT_TRUE(local.error().message.contains("loopback")) << local.error().message;
}

}  // namespace
}  // namespace payonce::adapters
