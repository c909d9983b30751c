// base/hex.h: bytes as hexadecimal digits, and back.
#pragma once

#include <string>
#include <string_view>

namespace payonce {

[[nodiscard]] std::string to_hex(std::string_view bytes);  // in lower case

// What a digit of either case stands for; -1 when it is none.
[[nodiscard]] constexpr int hex_digit(char c) {
  if (c >= '0' && c <= '9') {
    return c - '0';
  }
  const char lower = static_cast<char>(c | 0x20);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

}  // namespace payonce
