#include "core/index_keys.h"

#include "base/assert.h"

namespace payonce::core {

void append_big_endian(std::string& out, std::uint64_t value) {
  for (int shift = 56; shift >= 0; shift -= 8) {
    out += static_cast<char>((value >> shift) & 0xffU);
  }
}

std::uint64_t read_big_endian(std::string_view eight_bytes) {
  PAYONCE_ASSERT(eight_bytes.size() == 8);
  std::uint64_t value = 0;
  for (const char c : eight_bytes) {
    value = (value << 8) | static_cast<unsigned char>(c);
  }
  return value;
}

std::string position(Timestamp created_at, Seq seq) {
  std::string key;
  key.reserve(kPositionSize);
  append_big_endian(key, static_cast<std::uint64_t>(created_at.us));
  append_big_endian(key, seq);
  return key;
}

std::string text_prefix(std::string_view text) {
  std::string key(text);
  key += '\0';
  return key;
}

std::string status_prefix(PaymentStatus status) {
  return std::string(1, static_cast<char>(status));
}

}  // namespace payonce::core
