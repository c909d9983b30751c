// base/digits.h: decimal and hexadecimal digits in text.
#pragma once

#include <string>
#include <string_view>

namespace payonce {

[[nodiscard]] std::string to_hex(std::string_view bytes);  // in lower case

[[nodiscard]] constexpr bool is_digit(char c) { return c >= '0' && c <= '9'; }

// What a hexadecimal digit of either case stands for; -1 when it is none.
[[nodiscard]] constexpr int hex_digit(char c) {
  if (is_digit(c)) {
    return c - '0';
  }
  const char lower = static_cast<char>(c | 0x20);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

}  // namespace payonce
