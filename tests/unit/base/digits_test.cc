#include "base/digits.h"

#include <gtest/gtest.h>

#include <string>

namespace payonce {
namespace {

TEST(Hex, EveryByte_ComesBackFromItsTwoDigits) {
  for (int byte = 0; byte < 256; ++byte) {
    const std::string digits = to_hex(std::string(1, static_cast<char>(byte)));
    ASSERT_EQ(digits.size(), 2U);
    EXPECT_EQ(hex_digit(digits[0]) * 16 + hex_digit(digits[1]), byte);
  }
}

TEST(Hex, Digits_AreReadInEitherCase_AndNothingElse) {
  const std::string digits = "0123456789abcdefABCDEF";
  for (int byte = 0; byte < 256; ++byte) {
    const auto place = digits.find(static_cast<char>(byte));
    const int value = place == std::string::npos ? -1
                      : place < 16               ? static_cast<int>(place)
                                                 : static_cast<int>(place) - 6;
    EXPECT_EQ(hex_digit(static_cast<char>(byte)), value) << byte;
  }
}

}  // namespace
}  // namespace payonce
