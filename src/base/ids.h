// base/ids.h: identifiers that clients choose and that the server makes.
//
// Server-made ids are UUIDv7 (RFC 9562 section 5.7) with a prefix such as "pay_". They are derived
// from the time and the log sequence of the event that creates the thing and the log's random
// salt, so the machine needs no source of randomness: the sequence makes them unique within a log,
// the salt makes logs differ.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/time.h"

namespace payonce {

inline constexpr std::size_t kIdLengthMax = 128;

// 1 to 128 characters of [A-Za-z0-9._:-].
[[nodiscard]] bool valid_id(std::string_view id);

struct IdSeed {
  std::uint64_t salt = 0;      // random per log, drawn once when the log is made
  std::uint64_t sequence = 0;  // unique within the log
};

// prefix + UUIDv7 text, e.g. "pay_0192f3a0-7c1e-7abc-8def-0123456789ab".
[[nodiscard]] std::string make_id(std::string_view prefix, Timestamp at, IdSeed seed);

// The UUIDv7 text for 74 given random bits (the upper bits of each word are ignored).
[[nodiscard]] std::string format_uuid_v7(Timestamp at, std::uint64_t random_a,
                                         std::uint64_t random_b);

// splitmix64 (Steele, Lea, Flood 2014): a bijection on 64 bits with good avalanche. Used for ids
// and for retry jitter, where a pure function of a seed is wanted instead of a generator.
[[nodiscard]] constexpr std::uint64_t mix64(std::uint64_t x) {
  x += 0x9e3779b97f4a7c15U;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9U;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebU;
  return x ^ (x >> 31);
}

}  // namespace payonce
