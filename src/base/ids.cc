#include "base/ids.h"

#include <algorithm>
#include <array>

namespace payonce {
namespace {

constexpr std::string_view kHex = "0123456789abcdef";

bool id_character(char c) {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' ||
         c == '_' || c == ':' || c == '-';
}

void append_uuid_v7(std::string& out, Timestamp at, std::uint64_t a, std::uint64_t b) {
  const auto ms = static_cast<std::uint64_t>(std::max<std::int64_t>(at.us, 0) / 1000);
  // Layout: 48 bits of milliseconds, version 7, 12 random bits | variant 10, 62 random bits.
  const std::uint64_t high = (ms << 16) | 0x7000U | (a & 0x0fffU);
  const std::uint64_t low = (std::uint64_t{2} << 62) | (b & 0x3fffffffffffffffU);
  std::array<char, 36> text{};
  std::size_t pos = 0;
  for (int nibble = 0; nibble < 32; ++nibble) {
    if (nibble == 8 || nibble == 12 || nibble == 16 || nibble == 20) {
      text[pos++] = '-';
    }
    const std::uint64_t word = nibble < 16 ? high : low;
    text[pos++] = kHex[(word >> (60 - 4 * (nibble % 16))) & 0xfU];
  }
  out.append(text.data(), text.size());
}

}  // namespace

bool valid_id(std::string_view id) {
  return !id.empty() && id.size() <= kIdLengthMax && std::ranges::all_of(id, id_character);
}

std::string format_uuid_v7(Timestamp at, std::uint64_t random_a, std::uint64_t random_b) {
  std::string out;
  append_uuid_v7(out, at, random_a, random_b);
  return out;
}

std::string make_id(std::string_view prefix, Timestamp at, IdSeed seed) {
  std::string out(prefix);
  // mix64 is a bijection, so the 62 bits of `b` repeat only where mix64 collides in its low 62
  // bits; together with the 12 bits of `a` and the time that does not happen within one log.
  const std::uint64_t b = mix64(seed.salt ^ mix64(seed.sequence));
  append_uuid_v7(out, at, mix64(b ^ seed.salt) >> 52, b);
  return out;
}

}  // namespace payonce
