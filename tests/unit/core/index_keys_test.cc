#include "core/index_keys.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

#include "support/random.h"

namespace payonce::core {
namespace {

using testing_support::for_each_seed;
using testing_support::Random;

TEST(IndexKey, BigEndian_IsReadBack) {
  for (const std::uint64_t value :
       {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{0x0102030405060708},
        std::numeric_limits<std::uint64_t>::max()}) {
    std::string bytes;
    append_big_endian(bytes, value);
    EXPECT_EQ(bytes.size(), 8U);
    EXPECT_EQ(read_big_endian(bytes), value);
  }
  std::string bytes;
  append_big_endian(bytes, 0x0102030405060708);
  EXPECT_EQ(bytes, "\x01\x02\x03\x04\x05\x06\x07\x08");
}

TEST(IndexKey, ByteOrder_IsNumberOrder) {
  for_each_seed(1000, [](Random& random) {
    const std::uint64_t a = random.number();
    const std::uint64_t b = random.number();
    std::string bytes_a;
    std::string bytes_b;
    append_big_endian(bytes_a, a);
    append_big_endian(bytes_b, b);
    EXPECT_EQ(a < b, bytes_a < bytes_b);
  });
}

TEST(IndexKey, Position_SortsByTimeThenSequence) {
  EXPECT_EQ(position(Timestamp{1}, 1).size(), kPositionSize);
  EXPECT_LT(position(Timestamp{1}, 9), position(Timestamp{2}, 1));
  EXPECT_LT(position(Timestamp{2}, 1), position(Timestamp{2}, 2));
}

TEST(IndexKey, TextPrefix_KeepsTextsApart) {
  EXPECT_EQ(text_prefix("u1"), std::string_view("u1\0", 3));
  // No prefix is the beginning of another one's, although "u1" is of "u10".
  EXPECT_FALSE(text_prefix("u10").starts_with(text_prefix("u1")));
}

TEST(IndexKey, StatusPrefix_IsTheStoredNumber) {
  EXPECT_EQ(status_prefix(PaymentStatus::kPending), "\x01");
  EXPECT_EQ(status_prefix(PaymentStatus::kCancelled), "\x05");
}

TEST(TaskName, NameOfATask_IsReadBack) {
  EXPECT_EQ(compensation_task("pay_1"), "compensation:pay_1");
  EXPECT_EQ(refund_task("ref_1"), "refund:ref_1");
  EXPECT_EQ(notify_task(NotifyChannel::kWebhook, "pay_1"), "notify-webhook:pay_1");
  // Ids of payments may hold colons, and look like the names of tasks.
  for (const std::string id : {"p", "a:b", "compensation:x", "notify-log:x"}) {
    const auto compensation = compensation_task(id);
    EXPECT_EQ(parse_task(compensation)->kind, TaskName::Kind::kCompensation);
    EXPECT_EQ(parse_task(compensation)->workflow_id, id);
    const auto refund = refund_task(id);
    EXPECT_EQ(parse_task(refund)->kind, TaskName::Kind::kRefund);
    EXPECT_EQ(parse_task(refund)->workflow_id, id);
    for (const NotifyChannel channel : kNotifyChannels) {
      const auto notify = notify_task(channel, id);
      EXPECT_EQ(parse_task(notify)->kind, TaskName::Kind::kNotify);
      EXPECT_EQ(parse_task(notify)->channel, channel);
      EXPECT_EQ(parse_task(notify)->workflow_id, id);
    }
  }
}

TEST(TaskName, AnythingElse_IsNoTask) {
  for (const char* text : {"", "x", "compensation", "notify-", "notify-fax:pay_1", "Refund:r"}) {
    EXPECT_FALSE(parse_task(text)) << text;
  }
}

}  // namespace
}  // namespace payonce::core
