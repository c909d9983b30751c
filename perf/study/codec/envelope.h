// The envelope of the log's entries, for the formats that are not the log's own.
#pragma once

#include <xxhash.h>

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#include "base/ids.h"
#include "format.h"

namespace study {

inline constexpr std::size_t kEnvelopeSize = 9;

inline std::uint64_t checksum(payonce::core::Seq seq, std::string_view body) {
  return XXH3_64bits_withSeed(body.data(), body.size(),
                              payonce::mix64(kSalt ^ payonce::mix64(seq)));
}

// Fills the envelope in front of the body that starts at `start` + kEnvelopeSize.
inline void seal(payonce::core::Seq seq, std::string& out, std::size_t start) {
  const std::uint64_t sum = checksum(seq, std::string_view(out).substr(start + kEnvelopeSize));
  out[start] = 1;
  std::memcpy(out.data() + start + 1, &sum, sizeof sum);
}

// The body, or nothing when the checksum is wrong.
inline std::string_view open_envelope(payonce::core::Seq seq, std::string_view entry) {
  if (entry.size() < kEnvelopeSize) {
    return {};
  }
  const std::string_view body = entry.substr(kEnvelopeSize);
  std::uint64_t sum = 0;
  std::memcpy(&sum, entry.data() + 1, sizeof sum);
  return entry[0] == 1 && sum == checksum(seq, body) ? body : std::string_view();
}

}  // namespace study
