#include "base/ids.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <set>
#include <string>

namespace payonce {
namespace {

constexpr Timestamp kAt{1'645'557'742'000'000};  // 2022-02-22T19:22:22Z, as in RFC 9562 A.6

TEST(Id, AllPermittedCharacters_AreValid) {
  EXPECT_TRUE(valid_id("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:-"));
  EXPECT_TRUE(valid_id("x"));
}

TEST(Id, AnyOtherByte_IsNotValid) {
  for (int byte = 0; byte < 256; ++byte) {
    const char c = static_cast<char>(byte);
    const bool permitted = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
                           (c >= '0' && c <= '9') ||
                           std::string("._:-").find(c) != std::string::npos;
    EXPECT_EQ(valid_id(std::string("a") + c + "b"), permitted) << byte;
    EXPECT_EQ(valid_id(std::string(1, c)), permitted) << byte;
  }
}

TEST(Id, Length_IsOneTo128) {
  EXPECT_FALSE(valid_id(""));
  EXPECT_TRUE(valid_id(std::string(128, 'a')));
  EXPECT_FALSE(valid_id(std::string(129, 'a')));
}

TEST(Uuid, ExampleOfRfc9562_IsReproduced) {
  // 017F22E2-79B0-7CC3-98C4-DC0C0C07398F
  EXPECT_EQ(format_uuid_v7(kAt, 0xcc3, 0x18c4dc0c0c07398fU),
            "017f22e2-79b0-7cc3-98c4-dc0c0c07398f");
}

TEST(Uuid, SpareBits_AreIgnored) {
  EXPECT_EQ(format_uuid_v7(kAt, 0xfffffffffffff000U | 0xcc3U, 0xd8c4dc0c0c07398fU),
            format_uuid_v7(kAt, 0xcc3, 0x18c4dc0c0c07398fU));
}

TEST(Uuid, TextOrder_IsTimeOrder) {
  std::string before = format_uuid_v7(Timestamp{0}, 0xfff, std::numeric_limits<uint64_t>::max());
  for (std::int64_t ms = 1; ms < (std::int64_t{1} << 47); ms *= 3) {
    const std::string next = format_uuid_v7(Timestamp{ms * 1000}, 0, 0);
    EXPECT_LT(before, next) << ms;
    before = next;
  }
}

TEST(Uuid, TimeBefore1970_IsWrittenAs1970) {
  EXPECT_EQ(format_uuid_v7(Timestamp{-1}, 0, 0), "00000000-0000-7000-8000-000000000000");
}

TEST(MadeId, IsPrefixAndUuid_AndAValidId) {
  const std::string id = make_id("pay_", kAt, IdSeed{.salt = 1, .sequence = 2});
  EXPECT_EQ(id.substr(0, 4 + 15), "pay_017f22e2-79b0-7");
  EXPECT_EQ(id.size(), 4U + 36U);
  EXPECT_TRUE(valid_id(id));
}

TEST(MadeId, SameSeed_GivesSameId) {
  const IdSeed seed{.salt = 77, .sequence = 3};
  EXPECT_EQ(make_id("tr_", kAt, seed), make_id("tr_", kAt, seed));
}

TEST(MadeId, OtherSequence_GivesOtherId) {
  std::set<std::string> ids;
  for (std::uint64_t sequence = 1; sequence <= 20'000; ++sequence) {
    ids.insert(make_id("", kAt, IdSeed{.salt = 42, .sequence = sequence}));
  }
  EXPECT_EQ(ids.size(), 20'000U);
}

TEST(MadeId, OtherSalt_GivesOtherId) {
  std::set<std::string> ids;
  for (std::uint64_t salt = 0; salt < 20'000; ++salt) {
    ids.insert(make_id("", kAt, IdSeed{.salt = salt, .sequence = 42}));
  }
  EXPECT_EQ(ids.size(), 20'000U);
}

TEST(Mix64, IsSplitmix64) {
  // The first outputs of the reference generator seeded with 1234567.
  constexpr std::uint64_t kGamma = 0x9e3779b97f4a7c15U;
  EXPECT_EQ(mix64(1234567), 6457827717110365317U);
  EXPECT_EQ(mix64(1234567 + kGamma), 3203168211198807973U);
  EXPECT_EQ(mix64(1234567 + 2 * kGamma), 9817491932198370423U);
}

}  // namespace
}  // namespace payonce
