// The log of format 1 that is committed as tests/golden/log-v1.bin must be read for ever, and must
// still be what this build writes. With PAYONCE_WRITE_GOLDEN=1 the test writes the file instead:
// that is done once, when a format is new.
//
// The file: for each entry its length (4 bytes, little endian) and its bytes, from entry 1 on.
#include <gtest/gtest.h>

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include "log/codec.h"
#include "log/wire.h"
#include "support/dump.h"
#include "support/machine_world.h"
#include "unit/log/sample_records.h"

namespace payonce::log {
namespace {

using testing_support::dump;

std::string golden_path() { return std::string(PAYONCE_SOURCE_DIR) + "/tests/golden/log-v1.bin"; }

std::vector<std::string> encode_samples() {
  std::vector<std::string> entries;
  for (const core::Record& record : sample_history()) {
    encode_record(record, kSampleSalt, entries.emplace_back());
  }
  return entries;
}

void write_golden() {
  std::ofstream file(golden_path(), std::ios::binary | std::ios::trunc);
  for (const std::string& entry : encode_samples()) {
    for (unsigned shift = 0; shift < 32; shift += 8) {
      file.put(static_cast<char>((entry.size() >> shift) & 0xffU));
    }
    file << entry;
  }
  ASSERT_TRUE(file.flush().good()) << golden_path();
}

std::vector<std::string> read_golden() {
  std::ifstream file(golden_path(), std::ios::binary);
  const std::string bytes((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  EXPECT_FALSE(bytes.empty()) << "cannot read " << golden_path();
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
    entries = read_golden();
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

TEST_F(GoldenLog, Fold_GivesTheKnownEnd) {
  testing_support::Folded state;
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const auto decoded = decode_record(i + 1, entries[i], kSampleSalt);
    ASSERT_TRUE(decoded);
    ASSERT_TRUE(core::fold(state.rows, *decoded)) << dump(*decoded);
  }
  EXPECT_EQ(state.rows.accounts.find("alice")->posted, 7'450);
  EXPECT_EQ(state.rows.accounts.find("alice")->held, 0);
  EXPECT_EQ(state.rows.accounts.find("sys:gateway:USD")->posted, 2'550);
  EXPECT_EQ(state.rows.payments.find("ok")->status, core::PaymentStatus::kSuccess);
  EXPECT_EQ(state.rows.payments.find("no")->failure, core::FailureCode::kGatewayDeclined);
  EXPECT_EQ(state.rows.payments.find("down")->failure, core::FailureCode::kGatewayUnavailable);
  EXPECT_EQ(state.rows.payments.find("much")->failure, core::FailureCode::kInsufficientFunds);
}

}  // namespace
}  // namespace payonce::log
