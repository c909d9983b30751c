// Bodies of log entries and rows with the checksum that lets them pass, computed as
// docs/log-format.md says and not by the codec.
#pragma once

#include <xxhash.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "base/ids.h"
#include "log/codec.h"

namespace payonce::fuzz {

inline std::string sealed(std::string_view body, std::uint64_t seed) {
  const std::uint64_t sum = XXH3_64bits_withSeed(body.data(), body.size(), seed);
  std::string out;
  for (unsigned shift = 0; shift < 64; shift += 8) {
    out += static_cast<char>((sum >> shift) & 0xffU);
  }
  return out.append(body);
}

// An entry of the log with that salt, at that place.
inline std::string sealed_entry(std::string_view body, core::Seq seq, std::uint64_t salt) {
  const std::uint64_t seed = mix64((seq == 1 ? 0 : salt) ^ mix64(seq));
  return std::string(1, static_cast<char>(log::kFormat)) + sealed(body, seed);
}

}  // namespace payonce::fuzz
