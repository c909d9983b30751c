// The logs of format 1 that are committed in tests/golden must be read for ever, and log-v1.bin
// must still be what this build writes. With PAYONCE_WRITE_GOLDEN=1 the test writes that file
// instead: that is done once, when there are new events or fields, and the file of before is kept.
//
// A file: for each entry its length (4 bytes, little endian) and its bytes, from entry 1 on.
#include <gtest/gtest.h>

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "log/codec.h"
#include "log/wire.h"
#include "support/dump.h"
#include "support/machine_world.h"
#include "unit/log/sample_records.h"

namespace payonce::log {
namespace {

using testing_support::dump;

std::string golden_path(const char* name) {
  return std::string(PAYONCE_SOURCE_DIR) + "/tests/golden/" + name;
}
constexpr const char* kNewest = "log-v1.bin";
constexpr const char* kBeforeCallbacks = "log-v1-before-callbacks.bin";

std::vector<std::string> encode_samples() {
  std::vector<std::string> entries;
  for (const core::Record& record : sample_history()) {
    encode_record(record, kSampleSalt, entries.emplace_back());
  }
  return entries;
}

void write_golden() {
  std::ofstream file(golden_path(kNewest), std::ios::binary | std::ios::trunc);
  for (const std::string& entry : encode_samples()) {
    for (unsigned shift = 0; shift < 32; shift += 8) {
      file.put(static_cast<char>((entry.size() >> shift) & 0xffU));
    }
    file << entry;
  }
  ASSERT_TRUE(file.flush().good()) << golden_path(kNewest);
}

std::vector<std::string> read_golden(const char* name) {
  std::ifstream file(golden_path(name), std::ios::binary);
  const std::string bytes((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  EXPECT_FALSE(bytes.empty()) << "cannot read " << golden_path(name);
  std::vector<std::string> entries;
  for (std::size_t at = 0; at + 4 <= bytes.size();) {
    std::size_t size = 0;
    for (unsigned i = 0; i < 4; ++i) {
      size |= std::size_t{static_cast<unsigned char>(bytes[at + i])} << (8 * i);
    }
    entries.push_back(bytes.substr(at + 4, size));
    at += 4 + size;
  }
  return entries;
}

class GoldenLog : public testing::Test {
 protected:
  void SetUp() override {
    if (std::getenv("PAYONCE_WRITE_GOLDEN") != nullptr) {
      write_golden();
    }
    entries = read_golden(kNewest);
  }
  std::vector<std::string> entries;
};

TEST_F(GoldenLog, EveryEntry_IsReadAsItWasWritten) {
  ASSERT_EQ(entries.size(), sample_history().size());
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const auto decoded = decode_record(i + 1, entries[i], kSampleSalt);
    ASSERT_TRUE(decoded) << decoded.error().message;
    EXPECT_EQ(dump(*decoded), dump(sample_history()[i]));
  }
}

TEST_F(GoldenLog, EveryEntry_IsStillWrittenTheSame) { EXPECT_EQ(entries, encode_samples()); }

// The rows that the entries fold to; stops at the first that does not fit.
void fold_all(const std::vector<std::string>& entries, testing_support::Folded& state) {
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const auto decoded = decode_record(i + 1, entries[i], kSampleSalt);
    ASSERT_TRUE(decoded) << decoded.error().message;
    ASSERT_TRUE(core::fold(state.rows, *decoded)) << dump(*decoded);
  }
}

TEST_F(GoldenLog, Fold_GivesTheKnownEnd) {
  testing_support::Folded state;
  ASSERT_NO_FATAL_FAILURE(fold_all(entries, state));
  auto& payments = state.rows.payments;
  EXPECT_EQ(state.rows.accounts.find("alice")->posted, 6'950);
  EXPECT_EQ(state.rows.accounts.find("alice")->held, 0);
  EXPECT_EQ(state.rows.accounts.find("sys:gateway:USD")->posted, 3'050);
  EXPECT_EQ(payments.find("ok")->status, core::PaymentStatus::kSuccess);
  EXPECT_EQ(payments.find("no")->failure, core::FailureCode::kGatewayDeclined);
  EXPECT_EQ(payments.find("down")->failure, core::FailureCode::kGatewayUnavailable);
  EXPECT_EQ(payments.find("much")->failure, core::FailureCode::kInsufficientFunds);
  EXPECT_EQ(payments.find("late")->failure, core::FailureCode::kCallbackTimeout);
  EXPECT_EQ(payments.find("late")->compensation, core::CompensationState::kCompleted);
  EXPECT_TRUE(payments.find("late")->late_refund);
  EXPECT_EQ(payments.find("back")->refunded_minor, 300);
  EXPECT_EQ(payments.find("back")->refunding_minor, 0);
  EXPECT_EQ(payments.find("off")->status, core::PaymentStatus::kCancelled);
  EXPECT_EQ(state.rows.refunds.find("ref_1")->status, core::RefundStatus::kSuccess);
  EXPECT_EQ(state.rows.refunds.find("ref_2")->status, core::RefundStatus::kFail);
  EXPECT_EQ(state.rows.frauds.find("fraud-check-off")->result, core::FraudResult::kCancelled);
}

// Written before there were callbacks, fraud checks, cancels, compensation steps and channels.
class OlderGoldenLog : public testing::Test {
 protected:
  std::vector<std::string> entries = read_golden(kBeforeCallbacks);
};

TEST_F(OlderGoldenLog, EveryEntry_ReadsWithTheDefaultsOfWhatItLacks) {
  ASSERT_EQ(entries.size(), samples().before_callbacks);
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const auto decoded = decode_record(i + 1, entries[i], kSampleSalt);
    ASSERT_TRUE(decoded) << decoded.error().message;
    EXPECT_EQ(dump(*decoded), dump(sample_history()[i]));
  }
}

TEST_F(OlderGoldenLog, Fold_GivesTheKnownEnd) {
  testing_support::Folded state;
  ASSERT_NO_FATAL_FAILURE(fold_all(entries, state));
  EXPECT_EQ(state.rows.accounts.find("alice")->posted, 7'450);
  EXPECT_EQ(state.rows.accounts.find("alice")->held, 0);
  EXPECT_EQ(state.rows.accounts.find("sys:gateway:USD")->posted, 2'550);
  EXPECT_EQ(state.rows.payments.find("ok")->status, core::PaymentStatus::kSuccess);
  EXPECT_EQ(state.rows.payments.find("no")->failure, core::FailureCode::kGatewayDeclined);
  EXPECT_EQ(state.rows.payments.find("down")->failure, core::FailureCode::kGatewayUnavailable);
  EXPECT_EQ(state.rows.payments.find("much")->failure, core::FailureCode::kInsufficientFunds);
}

TEST_F(OlderGoldenLog, Payments_AreBornWithoutAFraudCheckAndWithTheLogAsTheirChannel) {
  testing_support::Folded state;
  ASSERT_NO_FATAL_FAILURE(fold_all(entries, state));
  int count = 0;
  state.rows.payments.for_each_changed([&](const std::string& id, const core::Payment& payment) {
    ++count;
    EXPECT_EQ(payment.rules.version, core::kPaymentVersion1) << id;
    EXPECT_EQ(payment.rules.fraud, core::FraudRules{}) << id;
    EXPECT_EQ(payment.rules.fraud.mode, core::FraudMode::kNone) << id;
    EXPECT_EQ(payment.rules.channels, core::channel_bit(core::NotifyChannel::kLog)) << id;
    EXPECT_EQ(payment.fraud, core::FraudResult::kNone) << id;
    EXPECT_FALSE(payment.late_refund) << id;
  });
  EXPECT_EQ(count, 4);
  const auto state_of = [&](const char* id) {
    return state.rows.payments.find(id)->deliveries.at(0).state;
  };
  EXPECT_EQ(state_of("ok"), core::NotifyState::kSent);
  EXPECT_EQ(state_of("no"), core::NotifyState::kExhausted);
  EXPECT_EQ(state_of("down"), core::NotifyState::kPending);
  EXPECT_TRUE(state.rows.payments.find("much")->deliveries.empty());
}

// What was left undone by the older build is what this one goes on with.
TEST_F(OlderGoldenLog, WhatWasPending_IsStillPending) {
  testing_support::Folded state;
  ASSERT_NO_FATAL_FAILURE(fold_all(entries, state));
  EXPECT_EQ(state.indexes.waiting(), std::set<std::string>{"\x02"
                                                           "down"});
  std::vector<core::Effect> effects;
  core::append_pending_effects(*state.rows.payments.find("down"), effects);
  ASSERT_EQ(effects.size(), 1U);
  EXPECT_EQ(std::get<core::SendNotification>(effects[0]).attempt, 1U);
}

}  // namespace
}  // namespace payonce::log
