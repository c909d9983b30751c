#include "log/codec.h"

#include <gtest/gtest.h>
#include <xxhash.h>

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "log/wire.h"
#include "support/dump.h"
#include "support/random.h"
#include "unit/log/sample_records.h"

namespace payonce::log {
namespace {

using testing_support::dump;
using testing_support::for_each_seed;
using testing_support::Random;

constexpr std::size_t kTypes = std::variant_size_v<core::Event>;

std::string encoded(const core::Record& record, std::uint64_t salt = kSampleSalt) {
  std::string bytes;
  encode_record(record, salt, bytes);
  return bytes;
}

Errc error_of(const Result<core::Record>& decoded) {
  EXPECT_FALSE(decoded.has_value()) << dump(*decoded);
  return decoded ? Errc::kNotFound : decoded.error().code;
}

// An entry around a body of the test's own, with the checksum that docs/log-format.md describes.
std::string sealed(core::Seq seq, std::string_view body, char format = 1) {
  const std::uint64_t salt = seq == 1 ? 0 : kSampleSalt;
  const std::uint64_t sum =
      XXH3_64bits_withSeed(body.data(), body.size(), mix64(salt ^ mix64(seq)));
  std::string entry(1, format);
  for (int shift = 0; shift < 64; shift += 8) {
    entry += static_cast<char>((sum >> shift) & 0xffU);
  }
  return entry.append(body);
}

// The body of a record, from which a test makes another one.
std::string body_of(const core::Record& record) { return encoded(record).substr(9); }

core::Record sample(std::size_t at) { return sample_history()[at]; }

// The record with the given name in the sample history.
core::Record sample(std::string_view event) {
  for (const core::Record& record : sample_history()) {
    if (core::event_name(record.event) == event) {
      return record;
    }
  }
  ADD_FAILURE() << "no sample of " << event;
  return {};
}

TEST(Record, EveryTypeOfEvent_IsReadBack) {
  std::map<std::string_view, int> types;
  for (const core::Record& record : sample_history()) {
    const auto decoded = decode_record(record.seq, encoded(record), kSampleSalt);
    ASSERT_TRUE(decoded) << decoded.error().message;
    EXPECT_EQ(dump(*decoded), dump(record));
    ++types[core::event_name(record.event)];
  }
  EXPECT_EQ(types.size(), kTypes) << "the sample history misses a type of event";
}

TEST(Record, RandomValues_AreReadBack) {
  for_each_seed(1500, [](Random& random) {
    const std::uint64_t salt = random.next();
    for (std::size_t type = 0; type < kTypes; ++type) {
      const core::Record record = random_record(type, random);
      const std::string bytes = encoded(record, salt);
      const auto decoded = decode_record(record.seq, bytes, salt);
      ASSERT_TRUE(decoded) << decoded.error().message << "\n" << dump(record);
      ASSERT_EQ(dump(*decoded), dump(record));
      ASSERT_EQ(encoded(*decoded, salt), bytes);
    }
  });
}

TEST(Record, SameRecord_GivesTheSameBytes) {
  for (const core::Record& record : sample_history()) {
    EXPECT_EQ(encoded(record), encoded(record));
  }
}

TEST(Record, IsAppendedToTheBuffer) {
  std::string bytes = "before";
  encode_record(sample(1), kSampleSalt, bytes);
  EXPECT_EQ(bytes, "before" + encoded(sample(1)));
}

// Type numbers are stored: this table may only grow.
TEST(Record, TypeNumbers_AreTheDocumentedOnes) {
  const std::map<std::string_view, int> documented{
      {"log_created", 1},
      {"account_opened", 10},
      {"funds_transferred", 11},
      {"funds_held", 12},
      {"hold_posted", 13},
      {"hold_voided", 14},
      {"payment_created", 30},
      {"payment_refused", 31},
      {"gateway_retry_scheduled", 32},
      {"gateway_confirmed", 33},
      {"gateway_declined", 34},
      {"gateway_exhausted", 35},
      {"payment_succeeded", 36},
      {"payment_failed", 37},
      {"notification_sent", 38},
      {"notification_retry_scheduled", 39},
      {"notification_exhausted", 40},
      {"gateway_in_doubt", 41},
      {"inquiry_retry_scheduled", 42},
      {"inquiry_found_nothing", 43},
      {"gateway_accepted", 44},
      {"callback_received", 45},
      {"callback_timed_out", 46},
      {"cancel_requested", 47},
      {"compensation_started", 48},
      {"compensation_step_done", 49},
      {"key_claimed", 50},
      {"answer_recorded", 51},
      {"compensation_retry_scheduled", 60},
      {"compensation_exhausted", 61},
      {"compensation_resumed", 62},
      {"compensation_completed", 63},
      {"fraud_check_started", 64},
      {"fraud_check_ended", 65},
      {"payment_cancelled", 66},
      {"late_refund_started", 67},
      {"notification_resumed", 68},
      {"fraud_check_opened", 70},
      {"fraud_check_retry_scheduled", 71},
      {"fraud_check_decided", 72},
      {"refund_created", 80},
      {"refund_retry_scheduled", 81},
      {"refund_confirmed", 82},
      {"refund_declined", 83},
      {"refund_exhausted", 84},
      {"refund_resumed", 85},
      {"refund_requested", 86},
      {"refund_ended", 87},
  };
  std::map<std::string_view, int> actual;
  Random random(1);
  for (std::size_t type = 0; type < kTypes; ++type) {
    std::visit(
        [&](const auto& event) {
          using Event = std::decay_t<decltype(event)>;
          actual[Event::kName] = Event::kType;
        },
        random_event(type, random));
  }
  EXPECT_EQ(actual, documented);
}

TEST(Record, SmallestEntry_HasFourteenBytes) {
  // format, checksum, type, time, kind, "", distance, no fields
  core::Record record;
  record.seq = 7;
  record.event = core::PaymentSucceeded{};
  EXPECT_EQ(encoded(record).size(), 1U + 8U + 5U);
  EXPECT_EQ(encoded(record), sealed(7, std::string("\x24\0\0\0\0", 5)));
}

TEST(Record, FirstEntry_IsReadWithAnySalt) {
  const std::string bytes = encoded(sample(0), 99);
  for (const std::uint64_t salt : {std::uint64_t{0}, kSampleSalt}) {
    const auto decoded = decode_record(1, bytes, salt);
    ASSERT_TRUE(decoded);
    EXPECT_EQ(std::get<core::LogCreated>(decoded->event).salt, kSampleSalt);
  }
}

// ---- Damage

TEST(DamagedRecord, FlippedBitAnywhere_IsDetected) {
  for (const core::Record& record : sample_history()) {
    const std::string whole = encoded(record);
    for (std::size_t at = 0; at < whole.size(); ++at) {
      for (int bit = 0; bit < 8; ++bit) {
        std::string bytes = whole;
        bytes[at] = static_cast<char>(bytes[at] ^ (1 << bit));
        const auto decoded = decode_record(record.seq, bytes, kSampleSalt);
        ASSERT_FALSE(decoded) << "byte " << at << " bit " << bit << " of " << dump(record);
        // Only the format byte lies outside the checksum; it is compared with the known one.
        EXPECT_EQ(decoded.error().code, at == 0 ? Errc::kVersion : Errc::kCorrupt);
      }
    }
  }
}

TEST(DamagedRecord, CutAnywhere_IsDetected) {
  for (const core::Record& record : sample_history()) {
    const std::string whole = encoded(record);
    for (std::size_t size = 0; size < whole.size(); ++size) {
      EXPECT_EQ(error_of(decode_record(record.seq, whole.substr(0, size), kSampleSalt)),
                Errc::kCorrupt)
          << size;
    }
  }
}

TEST(DamagedRecord, BytesBehindTheEnd_AreDetected) {
  for (const core::Record& record : sample_history()) {
    EXPECT_EQ(error_of(decode_record(record.seq, encoded(record) + '\0', kSampleSalt)),
              Errc::kCorrupt);
  }
}

TEST(DamagedRecord, AtAnotherSequence_IsDetected) {
  const core::Record record = sample("funds_held");
  for (const core::Seq seq : {record.seq - 1, record.seq + 1, core::Seq{1}, core::Seq{1} << 40}) {
    EXPECT_EQ(error_of(decode_record(seq, encoded(record), kSampleSalt)), Errc::kCorrupt);
  }
}

TEST(DamagedRecord, OfAnotherLog_IsDetected) {
  const core::Record record = sample("funds_held");
  EXPECT_EQ(error_of(decode_record(record.seq, encoded(record, kSampleSalt + 1), kSampleSalt)),
            Errc::kCorrupt);
}

TEST(DamagedRecord, RandomBytes_AreRefused) {
  for_each_seed(20'000, [](Random& random) {
    const std::string bytes = random.text(60);
    EXPECT_FALSE(decode_record(1 + random.below(1000), bytes, kSampleSalt));
  });
}

// Even behind a good checksum nothing may be believed: the bytes may come from a broken writer.
TEST(DamagedRecord, RandomBodyWithAGoodChecksum_NeverCrashes) {
  for_each_seed(20'000, [](Random& random) {
    const core::Seq seq = 2 + random.below(1000);
    std::string body = random.text(60);
    if (random.chance(70)) {
      core::Record record = random_record(random.below(kTypes), random);
      record.seq = seq;
      record.previous = 0;
      body = body_of(record);
      for (std::uint64_t flips = random.below(4); flips > 0 && !body.empty(); --flips) {
        body[random.below(body.size())] = static_cast<char>(random.below(256));
      }
    }
    const auto decoded = decode_record(seq, sealed(seq, body), kSampleSalt);
    if (decoded) {
      // Whatever was accepted can be kept.
      const auto again = decode_record(seq, encoded(*decoded), kSampleSalt);
      ASSERT_TRUE(again);
      EXPECT_EQ(dump(*again), dump(*decoded));
    }
  });
}

TEST(DamagedRecord, PreviousEventInTheFuture_IsRefused) {
  // Distance 7 at entry 7 would be entry 0, and 8 one before it.
  for (const char distance : {'\x07', '\x08'}) {
    const std::string body{'\x24', '\0', '\0', '\0', distance};
    EXPECT_EQ(error_of(decode_record(7, sealed(7, body), kSampleSalt)), Errc::kCorrupt);
  }
  const std::string body{'\x24', '\0', '\0', '\0', '\x06'};
  EXPECT_EQ(decode_record(7, sealed(7, body), kSampleSalt)->previous, 1U);
}

// ---- Evolution

TEST(NewerRecord, UnknownType_IsRefusedAsNewer) {
  for (const char type : {'\x02', '\x09', '\x1d', '\x34', '\x45', '\x58', '\x7f'}) {
    const std::string body{type, '\0', '\0', '\0', '\0', 'x', 'y'};
    EXPECT_EQ(error_of(decode_record(7, sealed(7, body), kSampleSalt)), Errc::kVersion);
  }
}

TEST(NewerRecord, UnknownFieldAtTheEnd_IsRefusedAsNewer) {
  for (const core::Record& record : sample_history()) {
    const std::string bytes = sealed(record.seq, body_of(record) + "\x01");
    EXPECT_EQ(error_of(decode_record(record.seq, bytes, kSampleSalt)), Errc::kVersion)
        << dump(record);
  }
}

TEST(NewerRecord, UnknownFieldInANestedStruct_IsRefusedAsNewer) {
  // answer_recorded ends with its nested answer: length, status, location, body.
  const core::Record record = sample("answer_recorded");
  const auto& answer = std::get<core::AnswerRecorded>(record.event).answer;
  std::string nested;
  Writer writer(nested);
  core::Answer::fields(writer, answer);
  std::string body = body_of(record);
  ASSERT_LT(nested.size(), 0x7fU);
  body.resize(body.size() - nested.size() - 1);
  body += static_cast<char>(nested.size() + 1);
  body += nested + "\x01";
  EXPECT_EQ(error_of(decode_record(record.seq, sealed(record.seq, body), kSampleSalt)),
            Errc::kVersion);
}

TEST(NewerRecord, UnknownNumberOfAnEnum_IsRefusedAsNewer) {
  const auto with_code = [](char code) {
    return std::string{'\x25', '\0', '\x02', '\x01', 'p', '\0', code, '\0'};  // payment_failed
  };
  EXPECT_TRUE(decode_record(7, sealed(7, with_code('\x0c')), kSampleSalt));
  EXPECT_EQ(error_of(decode_record(7, sealed(7, with_code('\x0d')), kSampleSalt)), Errc::kVersion);
  EXPECT_EQ(error_of(decode_record(7, sealed(7, with_code('\x7f')), kSampleSalt)), Errc::kVersion);
}

TEST(NewerRecord, UnknownKindOfStream_IsRefusedAsNewer) {
  const std::string body{'\x24', '\0', '\x06', '\0', '\0'};
  EXPECT_EQ(error_of(decode_record(7, sealed(7, body), kSampleSalt)), Errc::kVersion);
}

TEST(NewerRecord, UnknownCurrency_IsRefusedAsNewer) {
  // account_opened with the currency "ZZZ"
  const std::string body = std::string("\x0a\0\x01\x01g\0\x03", 7) + "ZZZ" + std::string(2, '\0');
  EXPECT_EQ(error_of(decode_record(7, sealed(7, body), kSampleSalt)), Errc::kVersion);
}

TEST(NewerRecord, OtherFormat_IsRefusedAsNewer) {
  const core::Record record = sample("funds_held");
  for (const char format : {'\0', '\x02', '\xff'}) {
    EXPECT_EQ(error_of(decode_record(record.seq, sealed(record.seq, body_of(record), format),
                                     kSampleSalt)),
              Errc::kVersion);
  }
}

TEST(OlderRecord, MissingTail_ReadsAsTheDefault) {
  // payment_failed from before `message` existed, and from before any of its fields did.
  const std::string head{'\x25', '\0', '\x02', '\x01', 'p', '\0'};
  const auto without_message = decode_record(7, sealed(7, head + "\x06"), kSampleSalt);
  ASSERT_TRUE(without_message);
  const auto& failed = std::get<core::PaymentFailed>(without_message->event);
  EXPECT_EQ(failed.code, core::FailureCode::kGatewayDeclined);
  EXPECT_EQ(failed.message, "");
  const auto without_fields = decode_record(7, sealed(7, head), kSampleSalt);
  ASSERT_TRUE(without_fields);
  EXPECT_EQ(std::get<core::PaymentFailed>(without_fields->event).code, core::FailureCode::kNone);
}

TEST(OlderRecord, MissingTailOfANestedStruct_ReadsAsTheDefault) {
  // payment_created whose content ends behind the user's id, and whose rules are only a version.
  const std::string body = std::string("\x1e\0\x02\x01p\0", 6) + "\x03\x02" + "ab" + "\x01\x01";
  const auto decoded = decode_record(7, sealed(7, body), kSampleSalt);
  ASSERT_TRUE(decoded) << decoded.error().message;
  const auto& created = std::get<core::PaymentCreated>(decoded->event);
  EXPECT_EQ(created.content.user_id, "ab");
  EXPECT_EQ(created.content.amount, Money{});
  EXPECT_EQ(created.rules, core::PaymentRules{});
}

// ---- Rows of the state store

TEST(Row, IsReadBack_AndBoundToItsLog) {
  core::Account account{.id = "alice",
                        .currency = testing_support::currency("USD"),
                        .posted = -(WideAmount{1} << 100),
                        .held = 5,
                        .system = true,
                        .created_at = testing_support::kStart,
                        .metadata = "{}",
                        .stream_last = 9};
  std::string bytes;
  encode_row(account, kSampleSalt, bytes);
  core::Account read;
  ASSERT_TRUE(decode_row(bytes, kSampleSalt, read));
  EXPECT_EQ(dump(read), dump(account));
  EXPECT_EQ(decode_row(bytes, kSampleSalt + 1, read).error().code, Errc::kCorrupt);
}

TEST(Row, FlippedBitAnywhere_IsDetected) {
  core::KeyRecord key{.key = "k",
                      .fingerprint = "f",
                      .state = core::KeyState::kCompleted,
                      .workflow_kind = core::StreamKind::kPayment,
                      .workflow_id = "p",
                      .answer = {.status = 201, .location = "l", .body = "b"},
                      .retention = Duration::seconds(1),
                      .expires_at = testing_support::kStart};
  std::string whole;
  encode_row(key, kSampleSalt, whole);
  for (std::size_t at = 0; at < whole.size(); ++at) {
    std::string bytes = whole;
    bytes[at] = static_cast<char>(bytes[at] ^ 1);
    core::KeyRecord read;
    EXPECT_FALSE(decode_row(bytes, kSampleSalt, read)) << at;
  }
}

TEST(Row, CutAnywhere_IsDetected) {
  core::Transfer transfer;
  transfer.id = "tr_1";
  std::string whole;
  encode_row(transfer, kSampleSalt, whole);
  for (std::size_t size = 0; size < whole.size(); ++size) {
    core::Transfer read;
    EXPECT_FALSE(decode_row(whole.substr(0, size), kSampleSalt, read)) << size;
  }
}

}  // namespace
}  // namespace payonce::log
