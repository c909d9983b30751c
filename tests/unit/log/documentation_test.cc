// docs/log-format.md is the specification: its tables and its worked example must be what the code
// does. A failure prints the line that the page should have.
#include <gtest/gtest.h>

#include <concepts>
#include <cstdint>
#include <sstream>
#include <string>
#include <string_view>
#include <type_traits>
#include <variant>
#include <vector>

#include "log/codec.h"
#include "support/dump.h"
#include "support/files.h"
#include "unit/log/sample_records.h"

namespace payonce::log {
namespace {

std::string page() {
  return testing_support::read_file(std::string(PAYONCE_SOURCE_DIR) + "/docs/log-format.md");
}

// What the page calls our own types.
template <class T>
inline constexpr std::string_view kNameOf = "";
template <>
inline constexpr std::string_view kNameOf<core::FailureCode> = "failure code";
template <>
inline constexpr std::string_view kNameOf<core::StreamKind> = "stream kind";
template <>
inline constexpr std::string_view kNameOf<core::NotifyChannel> = "channel";
template <>
inline constexpr std::string_view kNameOf<core::CompensationKind> = "compensation kind";
template <>
inline constexpr std::string_view kNameOf<core::CallbackOutcome> = "callback outcome";
template <>
inline constexpr std::string_view kNameOf<core::CallbackEffect> = "callback effect";
template <>
inline constexpr std::string_view kNameOf<core::FraudMode> = "fraud mode";
template <>
inline constexpr std::string_view kNameOf<core::FraudResult> = "fraud result";
template <>
inline constexpr std::string_view kNameOf<core::ParentClose> = "parent close";
template <>
inline constexpr std::string_view kNameOf<core::PaymentContent> = "payment content";
template <>
inline constexpr std::string_view kNameOf<core::PaymentRules> = "payment rules";
template <>
inline constexpr std::string_view kNameOf<core::FraudRules> = "fraud rules";
template <>
inline constexpr std::string_view kNameOf<core::RetryPolicy> = "retry policy";
template <>
inline constexpr std::string_view kNameOf<core::Answer> = "answer";

// Lists the fields of a struct with the names that the page has for their types.
class FieldList {
 public:
  std::string text;

  void operator()(std::string_view name, const bool&) { add(name, "bool"); }
  template <std::unsigned_integral T>
  void operator()(std::string_view name, const T&) {
    add(name, "varint");
  }
  void operator()(std::string_view name, const std::int64_t&) { add(name, "signed"); }
  void operator()(std::string_view name, const std::string&) { add(name, "text"); }
  void operator()(std::string_view name, const Timestamp&) { add(name, "time"); }
  void operator()(std::string_view name, const Duration&) { add(name, "duration"); }
  void operator()(std::string_view name, const Currency&) { add(name, "currency"); }
  void operator()(std::string_view name, const Money&) { add(name, "money"); }
  template <class T>
  requires(!kNameOf<T>.empty()) void operator()(std::string_view name, const T&) {
    add(name, kNameOf<T>);
  }
  void operator()(std::string_view name, const std::vector<std::uint32_t>&) {
    add(name, "list of varint");
  }

 private:
  void add(std::string_view name, std::string_view type) {
    text.append(text.empty() ? "" : ", ").append("`").append(name).append("` ").append(type);
  }
};

template <class Struct>
std::string fields_of() {
  FieldList list;
  const Struct value{};
  Struct::fields(list, value);
  return list.text.empty() ? "none" : list.text;
}

template <std::size_t I = 0>
std::vector<std::string> event_rows() {
  if constexpr (I == std::variant_size_v<core::Event>) {
    return {};
  } else {
    using Event = std::variant_alternative_t<I, core::Event>;
    std::vector<std::string> rows = event_rows<I + 1>();
    rows.push_back("| " + std::to_string(Event::kType) + " | `" + std::string(Event::kName) +
                   "` | " + fields_of<Event>() + " |");
    return rows;
  }
}

TEST(LogFormatPage, TableOfEvents_IsWhatTheCodecWalks) {
  const std::string text = page();
  for (const std::string& row : event_rows()) {
    EXPECT_NE(text.find("\n" + row + "\n"), std::string::npos) << row;
  }
}

template <class Struct>
void expect_struct_row(const std::string& text) {
  const std::string row = "| " + std::string(kNameOf<Struct>) + " | " + fields_of<Struct>() + " |";
  EXPECT_NE(text.find("\n" + row + "\n"), std::string::npos) << row;
}

TEST(LogFormatPage, TableOfNestedStructs_IsWhatTheCodecWalks) {
  const std::string text = page();
  expect_struct_row<core::PaymentContent>(text);
  expect_struct_row<core::PaymentRules>(text);
  expect_struct_row<core::FraudRules>(text);
  expect_struct_row<core::RetryPolicy>(text);
  expect_struct_row<core::Answer>(text);
}

template <class Enum>
void expect_enum_row(const std::string& text) {
  std::string numbers;
  for (int i = 0; i <= 0xff; ++i) {
    const std::string_view known = name(static_cast<Enum>(i));
    if (!known.empty()) {
      numbers.append(numbers.empty() ? "" : ", ").append(std::to_string(i));
      numbers.append(" ").append(known);
    }
  }
  const std::string row = "| " + std::string(kNameOf<Enum>) + " | " + numbers + " |";
  EXPECT_NE(text.find("\n" + row + "\n"), std::string::npos) << row;
}

TEST(LogFormatPage, NumbersOfEnums_AreTheStoredOnes) {
  const std::string text = page();
  expect_enum_row<core::StreamKind>(text);
  expect_enum_row<core::FailureCode>(text);
  expect_enum_row<core::NotifyChannel>(text);
  expect_enum_row<core::CompensationKind>(text);
  expect_enum_row<core::CallbackOutcome>(text);
  expect_enum_row<core::CallbackEffect>(text);
  expect_enum_row<core::FraudMode>(text);
  expect_enum_row<core::FraudResult>(text);
  expect_enum_row<core::ParentClose>(text);
}

// The example: lines of two-digit hexadecimal bytes, each followed by two spaces and words.
TEST(LogFormatPage, WorkedExample_IsARealEntry) {
  const std::string text = page();
  const std::size_t begin = text.find("```hexdump\n");
  ASSERT_NE(begin, std::string::npos);
  std::istringstream block(text.substr(begin + 11, text.find("```", begin + 11) - begin - 11));
  std::string bytes;
  for (std::string line; std::getline(block, line);) {
    std::istringstream hex(line.substr(0, line.find("  ")));
    for (std::string byte; hex >> byte;) {
      bytes += static_cast<char>(std::stoi(byte, nullptr, 16));
    }
  }
  // gateway_confirmed is entry 9 of the sample history.
  const core::Record& record = sample_history()[8];
  std::string entry;
  encode_record(record, kSampleSalt, entry);
  EXPECT_EQ(bytes, entry);
}

}  // namespace
}  // namespace payonce::log
