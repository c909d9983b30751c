#include "config/assign.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <utility>

#include "config/nearest.h"
#include "config/render.h"
#include "config/units.h"

namespace payonce::config {
namespace {

using Outcome = std::expected<void, std::string>;

constexpr std::size_t kEchoMax = 60;

// What the value of each type of key is in TOML.
constexpr Overloaded kToml{
    [](const Flag&) -> std::string_view { return "a boolean"; },
    [](const Count&) -> std::string_view { return "an integer"; },
    [](const Size&) -> std::string_view { return "an integer or a string"; },
    [](const Decimal&) -> std::string_view { return "a number"; },
    [](const auto&) -> std::string_view { return "a string"; },
};

// Quoted for a message: on one line, and short however long the value is.
std::string echo(std::string_view text) {
  if (text.size() <= kEchoMax) return quote(text);
  std::size_t end = kEchoMax;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;  // whole letters
  return quote(text.substr(0, end)) + "…";
}

std::string echo(double number) {
  std::array<char, 32> buffer{};
  const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), number).ptr;
  const std::string text(buffer.data(), end);
  // "1000" would look like the integer that was asked for.
  return text.find_first_not_of("-0123456789") == text.npos ? text + ".0" : text;
}

// One value on its way to one key: each overload of operator() is one type of key.
class Assignment {
 public:
  Assignment(const Key& key, const Value& value, Options& options)
      : key_(key), value_(value), options_(options) {}

  Outcome operator()(const Flag& type) const {
    const bool* flag = std::get_if<bool>(&value_);
    if (flag == nullptr) return wrong_type();
    type.ref(options_) = *flag;
    return {};
  }

  Outcome operator()(const Count& type) const {
    const auto* number = std::get_if<std::int64_t>(&value_);
    if (number == nullptr) return wrong_type();
    if (!inside(*number, type.range)) return refuse_range(std::to_string(*number));
    type.ref(options_) = static_cast<std::uint32_t>(*number);
    return {};
  }

  Outcome operator()(const Size& type) const {
    std::uint64_t bytes = 0;
    if (const auto* number = std::get_if<std::int64_t>(&value_)) {
      if (*number < 0) return refuse_range(std::to_string(*number));
      bytes = static_cast<std::uint64_t>(*number);
    } else if (const auto* text = std::get_if<std::string>(&value_)) {
      const auto parsed = parse_size(*text);
      if (!parsed) return refuse_text(*text, parsed.error());
      bytes = *parsed;
    } else {
      return wrong_type();
    }
    if (!inside(static_cast<std::int64_t>(bytes), type.range)) {
      return refuse_range(render_size(bytes));
    }
    type.ref(options_) = bytes;
    return {};
  }

  Outcome operator()(const Duration& type) const {
    const auto* text = std::get_if<std::string>(&value_);
    if (text == nullptr) return wrong_type();
    const auto parsed = parse_duration(*text);
    if (!parsed) return refuse_text(*text, parsed.error());
    const auto value = std::chrono::duration_cast<std::chrono::milliseconds>(*parsed);
    if (value != *parsed) return refuse_text(*text, "it is finer than a millisecond");
    if (!inside(value.count(), type.range)) return refuse_range(render_duration(value));
    type.ref(options_) = value;
    return {};
  }

  Outcome operator()(const Decimal& type) const {
    double number = 0;
    if (const auto* integer = std::get_if<std::int64_t>(&value_)) {
      number = static_cast<double>(*integer);
    } else if (const auto* decimal = std::get_if<double>(&value_)) {
      number = *decimal;
    } else {
      return wrong_type();
    }
    // Comparing before rounding keeps NaN and what no integer can hold away from llround.
    const double thousandths = number * 1'000;
    const bool fits = thousandths >= static_cast<double>(type.range.min) &&
                      thousandths <= static_cast<double>(type.range.max);
    if (!fits) return refuse_range(echo(number));
    const auto permille = std::llround(thousandths);
    // 1.1 has no exact double. Its product misses 1100 by far less than a digit typed too many.
    if (std::abs(thousandths - static_cast<double>(permille)) > 1e-6) {
      return refuse_value(echo(number), "it has more than three places behind the point");
    }
    type.ref(options_) = permille;
    return {};
  }

  Outcome operator()(const Address& type) const {
    const auto* text = std::get_if<std::string>(&value_);
    if (text == nullptr) return wrong_type();
    auto endpoint = parse_endpoint(*text);
    if (!endpoint) return refuse_text(*text, endpoint.error());
    type.ref(options_) = std::move(*endpoint);
    return {};
  }

  Outcome operator()(const Text& type) const {
    const auto* text = std::get_if<std::string>(&value_);
    if (text == nullptr) return wrong_type();
    // Paths end at a NUL for the system, and a line break in one is a mistake of quoting.
    const bool control = std::ranges::any_of(
        *text, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; });
    if (control) return refuse_text(*text, "it contains a control character");
    if (type.rule == Text::Rule::kNotEmpty && text->empty()) {
      return refuse_text(*text, "it must not be empty");
    }
    const bool capitals = std::ranges::all_of(*text, [](char c) { return c >= 'A' && c <= 'Z'; });
    if (type.rule == Text::Rule::kCurrency && (text->size() != 3 || !capitals)) {
      return refuse_text(*text, "a currency is three capital letters, such as \"USD\"");
    }
    type.ref(options_) = *text;
    return {};
  }

  Outcome operator()(const Choice& type) const {
    const auto* text = std::get_if<std::string>(&value_);
    if (text == nullptr) return wrong_type();
    const auto word = std::ranges::find(type.words, *text);
    if (word == type.words.end()) {
      return refuse_text(
          *text, render_expected(key_) + (key_.secret ? "" : suggest_word(*text, type.words)));
    }
    type.set(options_, static_cast<std::size_t>(word - type.words.begin()));
    return {};
  }

 private:
  static bool inside(std::int64_t number, const Range& range) {
    return number >= range.min && number <= range.max && number % range.step == 0;
  }

  Outcome refuse(const std::string& why) const {
    return std::unexpected(std::string(key_.name) + ": " + why);
  }

  Outcome wrong_type() const {
    return refuse("expected " + std::string(std::visit(kToml, key_.type)) + " (" +
                  render_expected(key_) + "); found " + describe(value_, key_.secret));
  }

  Outcome refuse_range(const std::string& found) const {
    return refuse((key_.secret ? "the value" : found) + " is not in range (" +
                  render_expected(key_) + ")");
  }

  Outcome refuse_value(const std::string& shown, const std::string& why) const {
    return refuse((key_.secret ? "the value" : shown) + " does not fit: " + why);
  }

  Outcome refuse_text(std::string_view found, const std::string& why) const {
    return refuse_value(echo(found), why);
  }

  const Key& key_;
  const Value& value_;
  Options& options_;
};

// Whether values of this type are strings in TOML, so that text may come without quotes.
bool is_textual(const Type& type) {
  return std::holds_alternative<Size>(type) || std::holds_alternative<Duration>(type) ||
         std::holds_alternative<Address>(type) || std::holds_alternative<Text>(type) ||
         std::holds_alternative<Choice>(type);
}

}  // namespace

Outcome assign(const Key& key, const Value& value, Options& options) {
  return std::visit(Assignment(key, value, options), key.type);
}

Outcome assign_text(const Key& key, std::string_view text, Options& options) {
  const bool quoted = text.starts_with('"') || text.starts_with('\'');
  if (is_textual(key.type) && !quoted) return assign_literal(key, text, options);
  const auto entries = read_toml_value(key.name, text);
  if (entries) return assign(key, entries->front().value, options);
  if (!quoted) return assign(key, std::string(text), options);
  // The parser's own message may show a piece of the text.
  return std::unexpected(std::string(key.name) + ": " +
                         (key.secret
                              ? "the value is not a TOML string"
                              : echo(text) + " is not a TOML string: " + entries.error().message));
}

Outcome assign_literal(const Key& key, std::string_view text, Options& options) {
  // By way of TOML, so that text from any source passes the same check for UTF-8.
  const auto entries = read_toml_value(key.name, quote(text));
  if (entries) return assign(key, entries->front().value, options);
  return std::unexpected(std::string(key.name) +
                         ": the value cannot be read: " + entries.error().message);
}

std::string describe(const Value& value, bool secret) {
  const auto with = [&](std::string_view kind, const std::string& shown) {
    return secret ? std::string(kind) : std::string(kind) + " " + shown;
  };
  return std::visit(
      Overloaded{
          [&](bool flag) { return with("the boolean", flag ? "true" : "false"); },
          [&](std::int64_t number) { return with("the integer", std::to_string(number)); },
          [&](double number) { return with("the float", echo(number)); },
          [&](const std::string& text) { return with("the string", echo(text)); },
          [](const TableValue&) { return std::string("a table"); },
          [](const OtherValue& other) { return std::string(other.name); },
      },
      value);
}

}  // namespace payonce::config
