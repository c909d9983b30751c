// docs/log-format.md is the specification: its tables and its worked example must be what the code
// does. A failure prints the line that the page should have.
#include <gtest/gtest.h>

#include <concepts>
#include <cstdint>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>
#include <string_view>
#include <type_traits>
#include <variant>
#include <vector>

#include "log/codec.h"
#include "support/dump.h"
#include "unit/log/sample_records.h"

namespace payonce::log {
namespace {

std::string page() {
  std::ifstream file(std::string(PAYONCE_SOURCE_DIR) + "/docs/log-format.md");
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

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
  void operator()(std::string_view name, const core::FailureCode&) { add(name, "failure code"); }
  void operator()(std::string_view name, const core::StreamKind&) { add(name, "stream kind"); }
  void operator()(std::string_view name, const core::PaymentContent&) {
    add(name, "payment content");
  }
  void operator()(std::string_view name, const core::PaymentRules&) { add(name, "payment rules"); }
  void operator()(std::string_view name, const core::RetryPolicy&) { add(name, "retry policy"); }
  void operator()(std::string_view name, const core::Answer&) { add(name, "answer"); }

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

TEST(LogFormatPage, TableOfNestedStructs_IsWhatTheCodecWalks) {
  const std::string text = page();
  for (const std::string& row : {"| payment content | " + fields_of<core::PaymentContent>() + " |",
                                 "| payment rules | " + fields_of<core::PaymentRules>() + " |",
                                 "| retry policy | " + fields_of<core::RetryPolicy>() + " |",
                                 "| answer | " + fields_of<core::Answer>() + " |"}) {
    EXPECT_NE(text.find("\n" + row + "\n"), std::string::npos) << row;
  }
}

TEST(LogFormatPage, NumbersOfEnums_AreTheStoredOnes) {
  const std::string text = page();
  std::string codes;
  for (int i = 0; i <= 7; ++i) {
    codes += (i == 0 ? "" : ", ") + std::to_string(i) + " " +
             std::string(name(static_cast<core::FailureCode>(i)));
  }
  std::string kinds;
  for (int i = 0; i <= 3; ++i) {
    kinds += (i == 0 ? "" : ", ") + std::to_string(i) + " " +
             std::string(name(static_cast<core::StreamKind>(i)));
  }
  for (const std::string& row :
       {"| failure code | " + codes + " |", "| stream kind | " + kinds + " |"}) {
    EXPECT_NE(text.find("\n" + row + "\n"), std::string::npos) << row;
  }
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
