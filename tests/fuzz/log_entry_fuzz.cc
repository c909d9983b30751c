// Entries of the log and rows of the state (docs/log-format.md): any bytes decode to something that
// encodes to the same bytes, or are refused.
//
// The first byte chooses: 'e' an entry's body behind a good checksum, 'r' and the next byte a row
// of a table behind one, anything else an entry as it is. Rule 7 of the format is the oracle: the
// bytes are a function of the record, but for fields that an old entry lacks at its end; those make
// the encoded form longer, and nothing else may differ.
#include <xxhash.h>

#include <string>
#include <string_view>

#include "base/ids.h"
#include "core/event_text.h"
#include "core/rows.h"
#include "fuzz/fuzz.h"
#include "log/codec.h"
#include "support/dump.h"

namespace payonce::log {
namespace {

using fuzz::require;
using testing_support::dump;

constexpr std::uint64_t kSalt = 0x0123456789abcdef;
constexpr core::Seq kSeq = 1000;

std::string hex(std::string_view bytes) {
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string out;
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    out.append(1, kHex[byte >> 4]).append(1, kHex[byte & 15U]).append(1, ' ');
  }
  return out;
}

// The checksum as the format's page says, in front of the body.
std::string sealed(std::string_view body, std::uint64_t seed) {
  const std::uint64_t sum = XXH3_64bits_withSeed(body.data(), body.size(), seed);
  std::string out;
  for (unsigned shift = 0; shift < 64; shift += 8) {
    out += static_cast<char>((sum >> shift) & 0xffU);
  }
  return out.append(body);
}

void check_refusal(const Error& error) {
  require(error.code == Errc::kCorrupt || error.code == Errc::kVersion,
          "bytes are refused as damaged or as newer", error.message);
  require(!error.message.empty(), "a refusal says why");
}

void check_same_bytes(std::string_view given, std::string_view encoded) {
  require(encoded == given || encoded.size() > given.size(),
          "what decodes encodes to the same bytes, or to more fields",
          hex(given) + "\n" + hex(encoded));
}

void check_entry(std::string_view bytes) {
  const auto record = decode_record(kSeq, bytes, kSalt);
  if (!record) {
    check_refusal(record.error());
    return;
  }
  std::string encoded;
  encode_record(*record, kSalt, encoded);
  check_same_bytes(bytes, encoded);
  const auto again = decode_record(kSeq, encoded, kSalt);
  require(again.has_value() && dump(*again) == dump(*record), "an entry survives its encoding",
          dump(*record));
  require(!core::to_text(record->event).empty(), "every event has a text");
  require(record->previous < kSeq, "an entry follows those before it");
  require(!decode_record(kSeq + 1, bytes, kSalt), "no entry is good at another place");
  require(!decode_record(kSeq, bytes, kSalt + 1), "no entry is good in another log");
}

template <class Row>
void check_row(std::string_view bytes) {
  Row row;
  if (const auto decoded = decode_row(bytes, kSalt, row); !decoded) {
    check_refusal(decoded.error());
    return;
  }
  std::string encoded;
  encode_row(row, kSalt, encoded);
  check_same_bytes(bytes, encoded);
  Row again;
  require(decode_row(encoded, kSalt, again).has_value() && dump(again) == dump(row),
          "a row survives its encoding", dump(row));
}

void log_entry(std::string_view input) {
  const char what = input.empty() ? '\0' : input.front();
  if (what == 'e') {
    const std::uint64_t seed = mix64(kSalt ^ mix64(kSeq));
    check_entry(std::string(1, static_cast<char>(kFormat)) + sealed(input.substr(1), seed));
    return;
  }
  if (what != 'r' || input.size() < 2) {
    check_entry(input);
    return;
  }
  const std::string bytes = sealed(input.substr(2), kSalt);
  switch (input[1]) {
    case 'a':
      return check_row<core::Account>(bytes);
    case 't':
      return check_row<core::Transfer>(bytes);
    case 'p':
      return check_row<core::Payment>(bytes);
    case 'k':
      return check_row<core::KeyRecord>(bytes);
    case 'f':
      return check_row<core::FraudCheck>(bytes);
    default:
      return check_row<core::Refund>(bytes);
  }
}

}  // namespace
}  // namespace payonce::log

PAYONCE_FUZZ_TARGET(payonce::log::log_entry)
