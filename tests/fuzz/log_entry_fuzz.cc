// Entries of the log and rows of the state (docs/log-format.md): any bytes decode to something that
// encodes to the same bytes, or are refused.
//
// The first byte chooses: 'e' an entry's body behind a good checksum, 'r' and the next byte a row
// of a table behind one, anything else an entry as it is. Rule 7 of the format is the oracle: the
// bytes are a function of the record, but for fields that an old entry lacks at its end; those make
// the encoded form longer, and nothing else may differ.
#include <string>
#include <string_view>

#include "base/digits.h"
#include "core/event_text.h"
#include "core/rows.h"
#include "fuzz/fuzz.h"
#include "fuzz/sealed.h"
#include "log/codec.h"
#include "support/dump.h"

namespace payonce::log {
namespace {

using fuzz::require;
using testing_support::dump;

constexpr std::uint64_t kSalt = 0x0123456789abcdef;
constexpr core::Seq kSeq = 1000;

void check_refusal(const Error& error) {
  require(error.code == Errc::kCorrupt || error.code == Errc::kVersion,
          "bytes are refused as damaged or as newer", error.message);
  require(!error.message.empty(), "a refusal says why");
}

void check_same_bytes(std::string_view given, std::string_view encoded) {
  require(encoded == given || encoded.size() > given.size(),
          "what decodes encodes to the same bytes, or to more fields",
          to_hex(given) + "\n" + to_hex(encoded));
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
    check_entry(fuzz::sealed_entry(input.substr(1), kSeq, kSalt));
    return;
  }
  if (what != 'r' || input.size() < 2) {
    check_entry(input);
    return;
  }
  const std::string bytes = fuzz::sealed(input.substr(2), kSalt);
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
