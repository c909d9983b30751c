// The table of keys as data: name, place in Options, type, range, unit, reason.
//
// Parsing, ranges, suggestions, environment names, config.toml and check-config all follow from
// these rows. A new key is one row here, one member in options.h and `config.toml` rendered anew.
// Threads: constant data; any thread may read it. Lifetime: static. Errors: none.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "config/options.h"

namespace payonce::config {

// Both ends belong to the range; a value must also be a multiple of `step`.
struct Range {
  std::int64_t min;
  std::int64_t max;
  std::int64_t step = 1;
};

// What a key holds, and where. `ref` finds the member in any Options.
struct Flag {
  bool& (*ref)(Options&);
};
struct Count {
  std::uint32_t& (*ref)(Options&);
  Range range;
  std::string_view unit;
};
struct Size {
  std::uint64_t& (*ref)(Options&);
  Range range;  // bytes
};
struct Duration {
  std::chrono::milliseconds& (*ref)(Options&);
  Range range;  // milliseconds
};
struct Decimal {
  std::int64_t& (*ref)(Options&);
  Range range;  // thousandths
  std::string_view unit;
};
struct Address {
  Endpoint& (*ref)(Options&);
};
struct Text {
  enum class Rule : std::uint8_t {
    kAny,
    kNotEmpty,
    kCurrency,
    kAmount,         // a decimal in major units
    kUrl,            // http:// or https://; empty is none
    kWebhookSecret,  // whsec_ and base64; empty is none
  };
  std::string& (*ref)(Options&);
  Rule rule;
  std::string_view unit;
};
// Several texts or durations: an array in TOML, separated by commas in text outside a file.
// No element of a list of texts is empty.
struct TextList {
  std::vector<std::string>& (*ref)(Options&);
  Text::Rule rule;  // of each element
  std::size_t size_max;
  std::string_view unit;
};
struct DurationList {
  std::vector<std::chrono::milliseconds>& (*ref)(Options&);
  Range range;  // of each element, milliseconds
  std::size_t size_max;
};
// One of a closed set of words; the index of the word is the number of the enumerator.
struct Choice {
  std::span<const std::string_view> words;
  std::size_t (*get)(Options&);
  void (*set)(Options&, std::size_t);
};
using Type = std::variant<Flag, Count, Size, Duration, Decimal, Address, Text, TextList,
                          DurationList, Choice>;

// Lambdas as one visitor for a Type.
template <class... Visitors>
struct Overloaded : Visitors... {
  using Visitors::operator()...;
};
template <class... Visitors>
Overloaded(Visitors...) -> Overloaded<Visitors...>;

struct Key {
  std::string_view name;  // "gateway.retry.initial_interval"
  Type type;
  bool tunable;          // SIGHUP applies a new value; the others are read once, at start
  std::string_view why;  // one line for config.toml
  bool secret = false;   // the value appears in no output and no message
};

struct Section {
  std::string_view name;  // "gateway.retry"
  std::string_view why;
};

// Keys of one section stand together, in the order of sections().
[[nodiscard]] std::span<const Key> keys();
[[nodiscard]] std::span<const Section> sections();

[[nodiscard]] const Key* find_key(std::string_view name);
// Every table that holds keys or further tables: "saga" beside "saga.payment".
[[nodiscard]] std::vector<std::string_view> table_names();
[[nodiscard]] bool is_table(std::string_view path);
// "gateway.retry" of "gateway.retry.initial_interval".
[[nodiscard]] std::string_view section_of(std::string_view key_name);
// "initial_interval" of "gateway.retry.initial_interval".
[[nodiscard]] std::string_view leaf_of(std::string_view key_name);
// PAYONCE_GATEWAY_RETRY of "gateway.retry".
[[nodiscard]] std::string env_name(std::string_view path);

}  // namespace payonce::config
