#include "log/codec.h"

#include <xxhash.h>

#include <utility>
#include <variant>

#include "base/ids.h"
#include "core/ledger/model.h"
#include "log/wire.h"

namespace payonce::log {
namespace {

constexpr std::size_t kChecksumSize = 8;
constexpr std::size_t kRecordHead = 1 + kChecksumSize;

std::uint64_t record_seed(std::uint64_t salt, core::Seq seq) {
  return mix64((seq == 1 ? 0 : salt) ^ mix64(seq));
}

std::uint64_t checksum(std::string_view bytes, std::uint64_t seed) {
  return XXH3_64bits_withSeed(bytes.data(), bytes.size(), seed);
}

// Writes the checksum of everything behind `at` + 8 into the 8 bytes at `at`.
void seal(std::string& out, std::size_t at, std::uint64_t seed) {
  const std::uint64_t sum = checksum(std::string_view(out).substr(at + kChecksumSize), seed);
  for (std::size_t i = 0; i < kChecksumSize; ++i) {
    out[at + i] = static_cast<char>((sum >> (8 * i)) & 0xffU);
  }
}

bool sealed(std::string_view bytes, std::uint64_t seed) {
  if (bytes.size() < kChecksumSize) {
    return false;
  }
  Reader head(bytes.substr(0, kChecksumSize));
  return head.fixed64() == checksum(bytes.substr(kChecksumSize), seed);
}

// Calls f with a default-made event of the numbered type; false when there is no such type.
template <std::size_t I = 0, class F>
bool with_event_type(std::uint64_t type, F&& f) {
  if constexpr (I < std::variant_size_v<core::Event>) {
    using Candidate = std::variant_alternative_t<I, core::Event>;
    if (Candidate::kType == type) {
      f(Candidate{});
      return true;
    }
    return with_event_type<I + 1>(type, std::forward<F>(f));
  } else {
    return false;
  }
}

std::unexpected<Error> bad_record(core::Seq seq, Errc code, std::string_view what) {
  return fail(code, "log entry " + std::to_string(seq) + ": " + std::string(what));
}

}  // namespace

void encode_record(const core::Record& record, std::uint64_t salt, std::string& out) {
  const std::size_t start = out.size();
  out += static_cast<char>(kFormat);
  out.append(kChecksumSize, '\0');
  Writer w(out);
  std::visit([&](const auto& e) { w.varint(std::decay_t<decltype(e)>::kType); }, record.event);
  w.signed_varint(record.at.us);
  w.varint(static_cast<std::uint64_t>(record.kind));
  w.text(record.stream);
  // As a distance, which is short: events of one workflow lie close together.
  w.varint(record.previous == 0 ? 0 : record.seq - record.previous);
  std::visit([&](const auto& e) { std::decay_t<decltype(e)>::fields(w, e); }, record.event);
  seal(out, start + 1, record_seed(salt, record.seq));
}

Result<core::Record> decode_record(core::Seq seq, std::string_view bytes, std::uint64_t salt) {
  if (bytes.size() < kRecordHead) {
    return bad_record(seq, Errc::kCorrupt, "too short to be an entry");
  }
  const auto format = static_cast<std::uint8_t>(bytes[0]);
  if (!sealed(bytes.substr(1), record_seed(salt, seq))) {
    return bad_record(seq, Errc::kCorrupt, "checksum mismatch");
  }
  if (format != kFormat) {
    return bad_record(seq, Errc::kVersion,
                      "format " + std::to_string(format) + " is not one that this build reads");
  }
  Reader r(bytes.substr(kRecordHead));
  core::Record record;
  record.seq = seq;
  const std::uint64_t type = r.varint();
  record.at.us = r.signed_varint();
  r("kind", record.kind);
  record.stream = r.text();
  const std::uint64_t distance = r.varint();
  if (r.newer()) {
    return bad_record(seq, Errc::kVersion, "a kind of stream that this build does not know");
  }
  if (!r.ok() || distance >= seq) {
    return bad_record(seq, Errc::kCorrupt, "malformed head");
  }
  record.previous = distance == 0 ? 0 : seq - distance;
  const bool known = with_event_type(type, [&](auto event) {
    decltype(event)::fields(r, event);
    record.event = std::move(event);
  });
  if (!known) {
    return bad_record(seq, Errc::kVersion, "unknown event type " + std::to_string(type));
  }
  if (r.newer() || (r.ok() && !r.at_end())) {
    return bad_record(seq, Errc::kVersion, "fields or numbers that this build does not know");
  }
  if (!r.ok()) {
    return bad_record(seq, Errc::kCorrupt, "malformed fields");
  }
  return record;
}

template <class Row>
void encode_row(const Row& row, std::uint64_t salt, std::string& out) {
  const std::size_t start = out.size();
  out.append(kChecksumSize, '\0');
  Writer w(out);
  Row::fields(w, row);
  seal(out, start, salt);
}

template <class Row>
Result<void> decode_row(std::string_view bytes, std::uint64_t salt, Row& row) {
  if (!sealed(bytes, salt)) {
    return fail(Errc::kCorrupt, "state row: checksum mismatch");
  }
  Reader r(bytes.substr(kChecksumSize));
  Row::fields(r, row);
  if (!r.ok() || !r.at_end()) {
    return fail(Errc::kCorrupt, "state row: malformed fields");
  }
  return {};
}

template void encode_row(const core::Account&, std::uint64_t, std::string&);
template void encode_row(const core::Transfer&, std::uint64_t, std::string&);
template void encode_row(const core::Payment&, std::uint64_t, std::string&);
template void encode_row(const core::KeyRecord&, std::uint64_t, std::string&);
template void encode_row(const core::FraudCheck&, std::uint64_t, std::string&);
template void encode_row(const core::Refund&, std::uint64_t, std::string&);
template Result<void> decode_row(std::string_view, std::uint64_t, core::Account&);
template Result<void> decode_row(std::string_view, std::uint64_t, core::Transfer&);
template Result<void> decode_row(std::string_view, std::uint64_t, core::Payment&);
template Result<void> decode_row(std::string_view, std::uint64_t, core::KeyRecord&);
template Result<void> decode_row(std::string_view, std::uint64_t, core::FraudCheck&);
template Result<void> decode_row(std::string_view, std::uint64_t, core::Refund&);

}  // namespace payonce::log
