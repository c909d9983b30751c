// TOML text as a flat list of paths and values: the only door to the TOML library.
//
// Limits: kTextBytesMax per text; kDotsPerLineMax dots in a line, because the library builds and
// frees dotted keys by recursion; kDepthMax levels are listed, deeper ones are no keys of ours.
// Threads: pure functions. Lifetime: results own their text.
// Errors: the library's exceptions stop here and come out as SyntaxError. Its messages name keys,
// but lose what they quote of values: one of them may be a secret.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace payonce::config {

constexpr std::size_t kTextBytesMax = std::size_t{256} << 10;
constexpr std::size_t kDotsPerLineMax = 256;
constexpr std::size_t kDepthMax = 8;

struct TableValue {};
struct OtherValue {
  std::string_view name;  // "a date", "a time": what no key of ours takes
};
// An element that is itself a table or an array is an OtherValue.
using Element = std::variant<bool, std::int64_t, double, std::string, OtherValue>;
struct ListValue {
  std::vector<Element> elements;
};
using Value =
    std::variant<bool, std::int64_t, double, std::string, TableValue, ListValue, OtherValue>;

struct Entry {
  std::string path;  // "gateway.retry.maximum_attempts"; a part that is no bare key is quoted
  int line;          // 1 is the first; 0 for what read_toml_value() found
  Value value;
};

struct SyntaxError {
  int line;
  int column;
  std::string message;
};

// Every table and every value, a table before what it holds.
[[nodiscard]] std::expected<std::vector<Entry>, SyntaxError> read_toml(std::string_view text);

// The right-hand side of `path = text`, such as `3`, `"1s"` or `{ maximum_attempts = 3 }`.
[[nodiscard]] std::expected<std::vector<Entry>, SyntaxError> read_toml_value(std::string_view path,
                                                                             std::string_view text);

// `text` as a TOML string that reads back as exactly this text.
[[nodiscard]] std::string quote(std::string_view text);

}  // namespace payonce::config
