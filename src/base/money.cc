#include "base/money.h"

#include <algorithm>
#include <limits>

#include "base/digits.h"

namespace payonce {
namespace {

// ISO 4217 active codes by number of minor-unit digits; sorted, for binary search.
constexpr std::string_view kNoDigits[] = {"BIF", "CLP", "DJF", "GNF", "ISK", "JPY",
                                          "KMF", "KRW", "PYG", "RWF", "UGX", "UYI",
                                          "VND", "VUV", "XAF", "XOF", "XPF"};
constexpr std::string_view kThreeDigits[] = {"BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"};
constexpr std::string_view kFourDigits[] = {"CLF", "UYW"};
constexpr std::string_view kTwoDigits[] = {
    "AED", "AFN", "ALL", "AMD", "ANG", "AOA", "ARS", "AUD", "AWG", "AZN", "BAM", "BBD", "BDT",
    "BGN", "BMD", "BND", "BOB", "BOV", "BRL", "BSD", "BTN", "BWP", "BYN", "BZD", "CAD", "CDF",
    "CHE", "CHF", "CHW", "CNY", "COP", "COU", "CRC", "CUP", "CVE", "CZK", "DKK", "DOP", "DZD",
    "EGP", "ERN", "ETB", "EUR", "FJD", "FKP", "GBP", "GEL", "GHS", "GIP", "GMD", "GTQ", "GYD",
    "HKD", "HNL", "HTG", "HUF", "IDR", "ILS", "INR", "IRR", "JMD", "KES", "KGS", "KHR", "KPW",
    "KYD", "KZT", "LAK", "LBP", "LKR", "LRD", "LSL", "MAD", "MDL", "MGA", "MKD", "MMK", "MNT",
    "MOP", "MRU", "MUR", "MVR", "MWK", "MXN", "MXV", "MYR", "MZN", "NAD", "NGN", "NIO", "NOK",
    "NPR", "NZD", "PAB", "PEN", "PGK", "PHP", "PKR", "PLN", "QAR", "RON", "RSD", "RUB", "SAR",
    "SBD", "SCR", "SDG", "SEK", "SGD", "SHP", "SLE", "SOS", "SRD", "SSP", "STN", "SVC", "SYP",
    "SZL", "THB", "TJS", "TMT", "TOP", "TRY", "TTD", "TWD", "TZS", "UAH", "USD", "USN", "UYU",
    "UZS", "VED", "VES", "WST", "XCD", "XCG", "YER", "ZAR", "ZMW", "ZWG"};

std::optional<int> digits_of(std::string_view code) {
  if (std::ranges::binary_search(kTwoDigits, code)) {
    return 2;
  }
  if (std::ranges::binary_search(kNoDigits, code)) {
    return 0;
  }
  if (std::ranges::binary_search(kThreeDigits, code)) {
    return 3;
  }
  if (std::ranges::binary_search(kFourDigits, code)) {
    return 4;
  }
  return std::nullopt;
}

// value * 10 + digit, or false when that leaves the positive range of int64.
bool push_digit(std::int64_t& value, int digit) {
  return !__builtin_mul_overflow(value, std::int64_t{10}, &value) &&
         !__builtin_add_overflow(value, std::int64_t{digit}, &value);
}

}  // namespace

std::optional<Currency> Currency::find(std::string_view code) {
  const auto digits = digits_of(code);
  if (!digits) {
    return std::nullopt;
  }
  return Currency({code[0], code[1], code[2]}, static_cast<std::uint8_t>(*digits));
}

ParsedAmount parse_amount(std::string_view text, Currency currency, Zero zero) {
  std::size_t pos = 0;
  while (pos < text.size() && is_digit(text[pos])) {
    ++pos;
  }
  const std::string_view whole = text.substr(0, pos);
  std::string_view fraction;
  if (pos < text.size()) {
    if (text[pos] != '.') {
      return {.error = AmountError::kSyntax};
    }
    fraction = text.substr(pos + 1);
    if (fraction.empty() || !std::ranges::all_of(fraction, is_digit)) {
      return {.error = AmountError::kSyntax};
    }
  }
  if (whole.empty() || (whole.size() > 1 && whole[0] == '0')) {
    return {.error = AmountError::kSyntax};
  }
  const auto digits = static_cast<std::size_t>(currency.digits());
  if (fraction.size() > digits) {
    return {.error = AmountError::kTooPrecise};
  }
  ParsedAmount parsed;
  for (const char c : whole) {
    if (!push_digit(parsed.minor, c - '0')) {
      return {.error = AmountError::kOverflow};
    }
  }
  for (std::size_t i = 0; i < digits; ++i) {
    if (!push_digit(parsed.minor, i < fraction.size() ? fraction[i] - '0' : 0)) {
      return {.error = AmountError::kOverflow};
    }
  }
  if (parsed.minor == 0 && zero == Zero::kRefuse) {
    return {.error = AmountError::kNotPositive};
  }
  return parsed;
}

void append_amount(std::string& out, WideAmount minor, Currency currency) {
  __extension__ typedef unsigned __int128 Unsigned;
  const bool negative = minor < 0;
  Unsigned rest =
      negative ? Unsigned{0} - static_cast<Unsigned>(minor) : static_cast<Unsigned>(minor);
  // 2^127 has 39 digits; a sign, a point and up to 4 padding zeros come on top.
  std::array<char, 48> text{};
  std::size_t pos = text.size();
  const int digits = currency.digits();
  for (int i = 0; rest != 0 || i <= digits; ++i) {
    if (i == digits && digits > 0) {
      text[--pos] = '.';
    }
    text[--pos] = static_cast<char>('0' + static_cast<int>(rest % 10));
    rest /= 10;
  }
  if (negative) {
    text[--pos] = '-';
  }
  out.append(text.data() + pos, text.size() - pos);
}

std::string format_amount(WideAmount minor, Currency currency) {
  std::string out;
  append_amount(out, minor, currency);
  return out;
}

std::string_view describe(AmountError error) {
  switch (error) {
    case AmountError::kSyntax:
      return "must be a decimal such as 10 or 10.50, without sign, exponent or leading zeros";
    case AmountError::kTooPrecise:
      return "has more digits behind the point than the currency";
    case AmountError::kOverflow:
      return "is too large";
    case AmountError::kNotPositive:
      return "must be greater than zero";
  }
  return "";
}

}  // namespace payonce
