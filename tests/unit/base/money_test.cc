#include "base/money.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <string>

#include "support/random.h"

namespace payonce {
namespace {

using testing_support::for_each_seed;
using testing_support::Random;

constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t kMin = std::numeric_limits<std::int64_t>::min();

Currency of(std::string_view code) { return Currency::find(code).value(); }

std::int64_t minor_of(std::string_view text, std::string_view code, Zero zero = Zero::kRefuse) {
  const ParsedAmount parsed = parse_amount(text, of(code), zero);
  EXPECT_FALSE(parsed.error) << text << ": " << describe(*parsed.error);
  return parsed.minor;
}

std::optional<AmountError> error_of(std::string_view text, std::string_view code) {
  return parse_amount(text, of(code)).error;
}

TEST(Currency, EveryActiveCodeOfIso4217_HasItsDigits) {
  // By digits, in the order of the standard's list; without those that have no minor unit.
  constexpr std::string_view kTwo =
      "AFN EUR ALL DZD USD AOA XCD ARS AMD AWG AUD AZN BSD BDT BBD BYN BZD BMD INR BTN BOB BOV "
      "BAM BWP NOK BRL BND CVE KHR CAD KYD CNY COP COU CDF NZD CRC CUP XCG CZK DKK DOP EGP SVC "
      "ERN SZL ETB FKP FJD GMD GEL GHS GIP GTQ GBP GYD HTG HNL HKD HUF IDR IRR ILS JMD KZT KES "
      "KPW KGS LAK LBP LSL ZAR LRD CHF MOP MKD MGA MWK MYR MVR MRU MUR MXN MXV MDL MNT MAD MZN "
      "MMK NAD NPR NIO NGN PKR PAB PGK PEN PHP PLN QAR RON RUB SHP WST STN SAR RSD SCR SLE SGD "
      "SBD SOS SSP LKR SDG SRD SEK CHE CHW SYP TWD TJS TZS THB TOP TTD TRY TMT UAH AED USN UYU "
      "UZS VED VES YER ZMW ZWG";
  const auto all_have = [](std::string_view codes, int digits) {
    for (std::size_t at = 0; at < codes.size(); at += 4) {
      const std::string_view code = codes.substr(at, 3);
      const auto found = Currency::find(code);
      ASSERT_TRUE(found) << code;
      EXPECT_EQ(found->digits(), digits) << code;
      EXPECT_EQ(found->code(), code);
    }
  };
  all_have(kTwo, 2);
  all_have("BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF", 0);
  all_have("BHD IQD JOD KWD LYD OMR TND", 3);
  all_have("CLF UYW", 4);
}

TEST(Currency, CodesWithoutMinorUnit_AreNotMoney) {
  for (const char* code : {"XAU", "XAG", "XPT", "XPD", "XBA", "XBB", "XBC", "XBD", "XDR", "XSU",
                           "XUA", "XTS", "XXX"}) {
    EXPECT_FALSE(Currency::find(code)) << code;
  }
}

TEST(Currency, AnythingElse_IsUnknown) {
  for (const std::string code :
       {"", "U", "US", "usd", "Usd", "USDX", "USD ", " USD", "ZZZ", "000", "\xff\xff\xff"}) {
    EXPECT_FALSE(Currency::find(code)) << code;
  }
  EXPECT_FALSE(Currency::find(std::string_view("USD\0", 4)));
  EXPECT_FALSE(Currency::find(std::string_view("US\0", 3)));
}

TEST(Currency, Default_IsEmptyAndEqualsNoRealOne) {
  const Currency none;
  EXPECT_TRUE(none.empty());
  EXPECT_EQ(none.code(), "");
  EXPECT_NE(none, of("USD"));
  EXPECT_NE(none, of("JPY"));
  EXPECT_FALSE(of("USD").empty());
}

TEST(ParseAmount, WholeUnits_GetTheCurrencysDigits) {
  EXPECT_EQ(minor_of("10", "USD"), 1000);
  EXPECT_EQ(minor_of("10", "JPY"), 10);
  EXPECT_EQ(minor_of("10", "KWD"), 10'000);
  EXPECT_EQ(minor_of("10", "CLF"), 100'000);
}

TEST(ParseAmount, Fraction_IsExact) {
  EXPECT_EQ(minor_of("100.50", "USD"), 10'050);
  EXPECT_EQ(minor_of("100.5", "USD"), 10'050);
  EXPECT_EQ(minor_of("0.01", "USD"), 1);
  EXPECT_EQ(minor_of("0.1", "KWD"), 100);
  EXPECT_EQ(minor_of("0.0001", "UYW"), 1);
  // No binary fraction: each of these is off by one cent where doubles are used carelessly.
  EXPECT_EQ(minor_of("0.29", "USD"), 29);
  EXPECT_EQ(minor_of("1.15", "USD"), 115);
  EXPECT_EQ(minor_of("4.35", "USD"), 435);
  EXPECT_EQ(minor_of("90071992547409.93", "USD"), 9'007'199'254'740'993);  // 2^53 + 1
}

TEST(ParseAmount, MoreDigitsThanTheCurrency_AreRefused) {
  EXPECT_EQ(error_of("1.001", "USD"), AmountError::kTooPrecise);
  EXPECT_EQ(error_of("1.000", "USD"), AmountError::kTooPrecise);  // not even zeros
  EXPECT_EQ(error_of("1.0", "JPY"), AmountError::kTooPrecise);
  EXPECT_EQ(error_of("1.0001", "KWD"), AmountError::kTooPrecise);
  EXPECT_EQ(error_of("1.00001", "CLF"), AmountError::kTooPrecise);
}

TEST(ParseAmount, AnythingButADecimal_IsRefused) {
  for (const std::string text :
       {"",     " ", "-1",    "+1",  "1e3",   "1E3", "0x10", "01",   "00",  "00.5", ".5",
        "5.",   ".", "1.2.3", "1,5", "1 000", " 1",  "1 ",   "1.5 ", "NaN", "inf",  "1.-5",
        "1.5x", "١", "-0",    "1_0", "1'0",   "$1",  "1.+5", "--1",  "1..2"}) {
    EXPECT_EQ(error_of(text, "USD"), AmountError::kSyntax) << text;
  }
  EXPECT_EQ(error_of(std::string_view("1\0", 2), "USD"), AmountError::kSyntax);
}

TEST(ParseAmount, Zero_IsRefusedUnlessAllowed) {
  for (const char* text : {"0", "0.0", "0.00"}) {
    EXPECT_EQ(error_of(text, "USD"), AmountError::kNotPositive) << text;
    EXPECT_EQ(minor_of(text, "USD", Zero::kAllow), 0) << text;
  }
}

TEST(ParseAmount, LargestInt64_IsReadAndOneMoreIsRefused) {
  EXPECT_EQ(minor_of("92233720368547758.07", "USD"), kMax);
  EXPECT_EQ(error_of("92233720368547758.08", "USD"), AmountError::kOverflow);
  EXPECT_EQ(minor_of("9223372036854775807", "JPY"), kMax);
  EXPECT_EQ(error_of("9223372036854775808", "JPY"), AmountError::kOverflow);
  EXPECT_EQ(minor_of("922337203685477.5807", "CLF"), kMax);
  EXPECT_EQ(error_of("922337203685477.5808", "CLF"), AmountError::kOverflow);
}

TEST(ParseAmount, OverflowByTheCurrencysDigits_IsRefused) {
  EXPECT_EQ(error_of("9223372036854775807", "USD"), AmountError::kOverflow);
  EXPECT_EQ(error_of("92233720368547759", "USD"), AmountError::kOverflow);
}

TEST(ParseAmount, AbsurdlyLongNumber_IsRefused) {
  EXPECT_EQ(error_of(std::string(100'000, '9'), "USD"), AmountError::kOverflow);
  EXPECT_EQ(error_of("1." + std::string(100'000, '0'), "USD"), AmountError::kTooPrecise);
  EXPECT_EQ(error_of(std::string(100'000, '0'), "USD"), AmountError::kSyntax);
}

TEST(FormatAmount, AlwaysHasTheCurrencysDigits) {
  EXPECT_EQ(format_amount(1050, of("USD")), "10.50");
  EXPECT_EQ(format_amount(5, of("USD")), "0.05");
  EXPECT_EQ(format_amount(0, of("USD")), "0.00");
  EXPECT_EQ(format_amount(0, of("JPY")), "0");
  EXPECT_EQ(format_amount(1, of("JPY")), "1");
  EXPECT_EQ(format_amount(1, of("KWD")), "0.001");
  EXPECT_EQ(format_amount(12'345'678, of("CLF")), "1234.5678");
}

TEST(FormatAmount, NegativeAmount_HasASign) {
  EXPECT_EQ(format_amount(-5, of("USD")), "-0.05");
  EXPECT_EQ(format_amount(-1050, of("USD")), "-10.50");
  EXPECT_EQ(format_amount(-1, of("JPY")), "-1");
  EXPECT_EQ(format_amount(kMin, of("USD")), "-92233720368547758.08");
}

TEST(FormatAmount, ExtremesOf128Bits_AreWritten) {
  constexpr WideAmount kWideMax = (((WideAmount{1} << 126) - 1) << 1) + 1;
  EXPECT_EQ(format_amount(kWideMax, of("JPY")), "170141183460469231731687303715884105727");
  EXPECT_EQ(format_amount(-kWideMax - 1, of("JPY")), "-170141183460469231731687303715884105728");
  EXPECT_EQ(format_amount(-kWideMax - 1, of("CLF")), "-17014118346046923173168730371588410.5728");
}

TEST(FormatAmount, IsAppended) {
  std::string text = "EUR ";
  append_amount(text, 100, of("EUR"));
  EXPECT_EQ(text, "EUR 1.00");
}

TEST(Amount, FormattedThenParsed_IsTheSame) {
  for_each_seed(2000, [](Random& random) {
    constexpr const char* kCodes[] = {"JPY", "USD", "KWD", "CLF"};
    const Currency currency = of(random.pick(kCodes));
    const auto minor = static_cast<std::int64_t>(random.number() >> 1);
    const std::string text = format_amount(minor, currency);
    const ParsedAmount parsed = parse_amount(text, currency, Zero::kAllow);
    EXPECT_FALSE(parsed.error) << text;
    EXPECT_EQ(parsed.minor, minor) << text;
  });
}

TEST(Amount, RandomText_IsReadOnlyIfItIsWrittenBackWithTheSameValue) {
  for_each_seed(5000, [](Random& random) {
    constexpr std::string_view kLetters = "0123456789019.-+e ";
    std::string text;
    for (std::uint64_t left = random.below(24); left > 0; --left) {
      text += random.pick(kLetters);
    }
    const ParsedAmount parsed = parse_amount(text, of("USD"), Zero::kAllow);
    if (parsed.error) {
      return;
    }
    std::string padded = text;
    const std::size_t point = padded.find('.');
    if (point == std::string::npos) {
      padded += ".00";
    } else {
      padded.append(3 - (padded.size() - point), '0');
    }
    EXPECT_EQ(format_amount(parsed.minor, of("USD")), padded);
  });
}

TEST(AmountError, EveryOne_HasASentence) {
  for (const AmountError error : {AmountError::kSyntax, AmountError::kTooPrecise,
                                  AmountError::kOverflow, AmountError::kNotPositive}) {
    EXPECT_FALSE(describe(error).empty());
  }
}

TEST(Money, Equality_NeedsAmountAndCurrency) {
  EXPECT_EQ((Money{1, of("USD")}), (Money{1, of("USD")}));
  EXPECT_NE((Money{1, of("USD")}), (Money{2, of("USD")}));
  EXPECT_NE((Money{1, of("USD")}), (Money{1, of("EUR")}));
}

}  // namespace
}  // namespace payonce
