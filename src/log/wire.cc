#include "log/wire.h"

#include <cstring>

#include "base/assert.h"

namespace payonce::log {
namespace {

std::size_t put_varint(char* to, std::uint64_t value) {
  std::size_t size = 0;
  while (value >= 0x80) {
    to[size++] = static_cast<char>(static_cast<unsigned char>(value) | 0x80U);
    value >>= 7;
  }
  to[size++] = static_cast<char>(value);
  return size;
}

constexpr std::size_t kVarintMax = 10;

}  // namespace

void Writer::long_varint(std::uint64_t value) {
  char bytes[kVarintMax];
  out_->append(bytes, put_varint(bytes, value));
}

void Writer::signed_varint(std::int64_t value) {
  // Zigzag: 0, -1, 1, -2, 2 … become 0, 1, 2, 3, 4 …, so that small values of either sign are
  // short.
  varint((static_cast<std::uint64_t>(value) << 1) ^ static_cast<std::uint64_t>(value >> 63));
}

void Writer::fixed64(std::uint64_t value) {
  char bytes[8];
  for (int i = 0; i < 8; ++i) {
    bytes[i] = static_cast<char>((value >> (8 * i)) & 0xffU);
  }
  out_->append(bytes, sizeof bytes);
}

void Writer::text(std::string_view value) {
  varint(value.size());
  out_->append(value);
}

void Writer::insert_length(std::size_t start) {
  char bytes[kVarintMax];
  const std::size_t size = put_varint(bytes, out_->size() - start);
  out_->insert(start, bytes, size);
}

std::uint64_t Reader::long_varint() {
  std::uint64_t value = 0;
  for (unsigned shift = 0; shift < 64; shift += 7) {
    if (!ok_ || rest_.empty()) {
      break;
    }
    const auto byte = static_cast<unsigned char>(rest_.front());
    rest_.remove_prefix(1);
    // The tenth byte may hold only the one bit that is left of 64.
    if (shift == 63 && byte > 1) {
      break;
    }
    value |= static_cast<std::uint64_t>(byte & 0x7fU) << shift;
    if ((byte & 0x80U) == 0) {
      if (byte == 0 && shift > 0) {
        break;  // one way to write a number: no byte too many
      }
      return value;
    }
  }
  ok_ = false;
  return 0;
}

std::int64_t Reader::signed_varint() {
  const std::uint64_t value = varint();
  return static_cast<std::int64_t>((value >> 1) ^ (~(value & 1U) + 1U));
}

std::uint64_t Reader::fixed64() {
  if (!ok_ || rest_.size() < 8) {
    ok_ = false;
    return 0;
  }
  std::uint64_t value = 0;
  for (unsigned i = 0; i < 8; ++i) {
    value |= static_cast<std::uint64_t>(static_cast<unsigned char>(rest_[i])) << (8 * i);
  }
  rest_.remove_prefix(8);
  return value;
}

std::string_view Reader::text() {
  const std::uint64_t size = varint();
  if (!ok_ || size > rest_.size()) {
    ok_ = false;
    return {};
  }
  const std::string_view value = rest_.substr(0, size);
  rest_.remove_prefix(size);
  return value;
}

void Reader::read_currency(Currency& value) {
  const std::string_view code = text();
  if (!ok_ || code.empty()) {
    return;
  }
  const auto found = Currency::find(code);
  if (!found) {
    refuse_newer();
    return;
  }
  value = *found;
}

}  // namespace payonce::log
