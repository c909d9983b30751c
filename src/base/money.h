// base/money.h: amounts in minor units and the currencies that give them their digits.
//
// An amount is int64 minor units (cents for USD, whole yen for JPY). There is no floating point
// anywhere: decimals are read digit by digit from the text, and refused when they have more digits
// than the currency. The table of currencies and their minor units is ISO 4217's active list.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace payonce {

// Sums over many accounts can exceed 64 bits although each account does not: the funding account
// is minus the sum of all others. 2^127 holds 2^63 accounts of the largest balance.
__extension__ typedef __int128 WideAmount;

// A currency that has minor units. Only find() makes one from text, so a Currency is always valid;
// a default-constructed one is the empty marker and compares unequal to all real ones.
class Currency {
 public:
  constexpr Currency() = default;

  // The currency of a code such as "USD" (upper case as ISO 4217 writes it). Nothing for unknown
  // codes and for those without a minor unit (XAU, XXX and the like), which cannot be money here.
  [[nodiscard]] static std::optional<Currency> find(std::string_view code);

  [[nodiscard]] std::string_view code() const { return {code_.data(), empty() ? 0U : 3U}; }
  // Number of digits behind the decimal point: 0, 2, 3 or 4.
  [[nodiscard]] int digits() const { return digits_; }
  [[nodiscard]] bool empty() const { return code_[0] == '\0'; }
  constexpr auto operator<=>(const Currency&) const = default;

 private:
  constexpr Currency(std::array<char, 3> code, std::uint8_t digits)
      : code_(code), digits_(digits) {}
  std::array<char, 3> code_{};
  std::uint8_t digits_ = 0;
};

// An amount with its currency; what events and commands carry.
struct Money {
  std::int64_t minor = 0;
  Currency currency;
  constexpr auto operator<=>(const Money&) const = default;
};

enum class AmountError : std::uint8_t {
  kSyntax,       // not (0|[1-9][0-9]*)(\.[0-9]+)?
  kTooPrecise,   // more digits behind the point than the currency has
  kOverflow,     // does not fit into 63 bits of minor units
  kNotPositive,  // zero
};

struct ParsedAmount {
  std::int64_t minor = 0;  // valid when !error
  std::optional<AmountError> error;
};

// Reads a decimal in major units, e.g. "10.5" for USD as 1050. Zero is an error by default since
// no movement of money may be empty; `allow_zero` is for opening balances.
enum class Zero : std::uint8_t { kRefuse, kAllow };
[[nodiscard]] ParsedAmount parse_amount(std::string_view text, Currency currency,
                                        Zero zero = Zero::kRefuse);

// "10.50" for 1050 USD: always the currency's digits, with a leading '-' when negative.
void append_amount(std::string& out, WideAmount minor, Currency currency);
[[nodiscard]] std::string format_amount(WideAmount minor, Currency currency);

// One sentence for people.
[[nodiscard]] std::string_view describe(AmountError error);

}  // namespace payonce
