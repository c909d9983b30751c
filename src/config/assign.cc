#include "config/assign.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <optional>
#include <utility>

#include "base/digits.h"
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
    [](const TextList&) -> std::string_view { return "an array of strings"; },
    [](const DurationList&) -> std::string_view { return "an array of strings"; },
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

constexpr std::string_view kBase64 =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

// (0|[1-9][0-9]*)(\.[0-9]+)?
bool is_amount(std::string_view text) {
  const auto is_digits = [](std::string_view part) {
    return !part.empty() && std::ranges::all_of(part, is_digit);
  };
  const std::size_t point = text.find('.');
  const std::string_view whole = text.substr(0, point);
  if (!is_digits(whole) || (whole.size() > 1 && whole.front() == '0')) return false;
  return point == text.npos || is_digits(text.substr(point + 1));
}

bool is_http_url(std::string_view text) {
  const std::size_t end = text.find("://");
  const std::string_view scheme = text.substr(0, end);
  if (end == text.npos || (scheme != "http" && scheme != "https")) return false;
  const std::string_view rest = text.substr(end + 3);
  return !rest.empty() && rest.find_first_of("/?#:") != 0 && rest.find(' ') == rest.npos;
}

// whsec_ and padded base64 of a key that is neither guessable nor longer than its hash can use.
bool is_webhook_secret(std::string_view text) {
  constexpr std::string_view kPrefix = "whsec_";
  if (!text.starts_with(kPrefix)) return false;
  text.remove_prefix(kPrefix.size());
  if (text.size() % 4 != 0) return false;
  const std::size_t letters = std::min(text.find_first_not_of(kBase64), text.size());
  const std::string_view padding = text.substr(letters);
  if (padding.size() > 2 || padding.find_first_not_of('=') != padding.npos) return false;
  const std::size_t bytes = text.size() / 4 * 3 - padding.size();
  return bytes >= 24 && bytes <= 64;
}

// Why a text does not follow the rule of its key, if it does not.
std::optional<std::string> problem_of(std::string_view text, Text::Rule rule) {
  // Paths end at a NUL for the system, and a line break in one is a mistake of quoting.
  const bool control = std::ranges::any_of(
      text, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; });
  if (control) return "it contains a control character";
  const auto unless = [](bool holds, const char* why) {
    return holds ? std::nullopt : std::optional<std::string>(why);
  };
  switch (rule) {
    case Text::Rule::kAny:
      break;
    case Text::Rule::kNotEmpty:
      return unless(!text.empty(), "it must not be empty");
    case Text::Rule::kCurrency: {
      const bool capitals = std::ranges::all_of(text, [](char c) { return c >= 'A' && c <= 'Z'; });
      return unless(text.size() == 3 && capitals,
                    "a currency is three capital letters, such as \"USD\"");
    }
    case Text::Rule::kAmount:
      return unless(is_amount(text), "write a decimal in major units, such as \"1000\" or \"0.5\"");
    case Text::Rule::kUrl:
      return unless(text.empty() || is_http_url(text),
                    "write an http:// or https:// URL, such as \"https://example.com/pay\"");
    case Text::Rule::kWebhookSecret:
      return unless(text.empty() || is_webhook_secret(text),
                    "a secret is whsec_ followed by the base64 of 24 to 64 bytes");
  }
  return std::nullopt;
}

// What a value, or an element of a list, is.
struct Description {
  bool secret;

  std::string with(std::string_view kind, const std::string& shown) const {
    return secret ? std::string(kind) : std::string(kind) + " " + shown;
  }
  std::string operator()(bool flag) const { return with("the boolean", flag ? "true" : "false"); }
  std::string operator()(std::int64_t number) const {
    return with("the integer", std::to_string(number));
  }
  std::string operator()(double number) const { return with("the float", echo(number)); }
  std::string operator()(const std::string& text) const { return with("the string", echo(text)); }
  std::string operator()(const TableValue&) const { return "a table"; }
  std::string operator()(const ListValue&) const { return "an array"; }
  std::string operator()(const OtherValue& other) const { return std::string(other.name); }
};

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
    return read_duration(*text, type.range, type.ref(options_));
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
    if (const auto problem = problem_of(*text, type.rule)) return refuse_text(*text, *problem);
    type.ref(options_) = *text;
    return {};
  }

  Outcome operator()(const TextList& type) {
    return read_list(type, [&](const std::string& text, std::string& out) -> Outcome {
      const auto problem =
          text.empty() ? problem_of(text, Text::Rule::kNotEmpty) : problem_of(text, type.rule);
      if (problem) return refuse_text(text, *problem);
      out = text;
      return {};
    });
  }

  Outcome operator()(const DurationList& type) {
    return read_list(type, [&](const std::string& text, std::chrono::milliseconds& out) {
      return read_duration(text, type.range, out);
    });
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

  Outcome read_duration(const std::string& text, const Range& range,
                        std::chrono::milliseconds& out) const {
    const auto parsed = parse_duration(text);
    if (!parsed) return refuse_text(text, parsed.error());
    const auto value = std::chrono::duration_cast<std::chrono::milliseconds>(*parsed);
    if (value != *parsed) return refuse_text(text, "it is finer than a millisecond");
    if (!inside(value.count(), range)) return refuse_range(render_duration(value));
    out = value;
    return {};
  }

  // `read` takes the text of one element to its place. The member changes as a whole or not at all.
  template <class List, class Read>
  Outcome read_list(const List& type, Read read) {
    const auto* list = std::get_if<ListValue>(&value_);
    if (list == nullptr) return wrong_type();
    if (list->elements.size() > type.size_max) {
      return refuse("it has " + std::to_string(list->elements.size()) + " elements (" +
                    render_expected(key_) + ")");
    }
    std::remove_reference_t<decltype(type.ref(options_))> fresh(list->elements.size());
    for (std::size_t i = 0; i < fresh.size(); ++i) {
      place_ = "element " + std::to_string(i + 1) + ": ";
      const auto* text = std::get_if<std::string>(&list->elements[i]);
      const Outcome outcome =
          text == nullptr ? refuse("expected a string (" + render_expected(key_) + "); found " +
                                   std::visit(Description{key_.secret}, list->elements[i]))
                          : read(*text, fresh[i]);
      if (!outcome) return outcome;
    }
    type.ref(options_) = std::move(fresh);
    return {};
  }

  Outcome refuse(const std::string& why) const {
    return std::unexpected(std::string(key_.name) + ": " + place_ + why);
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
  std::string place_;  // in front of what is wrong with one element of a list
};

// Whether values of this type are strings in TOML, so that text may come without quotes.
bool is_textual(const Type& type) {
  return std::holds_alternative<Size>(type) || std::holds_alternative<Duration>(type) ||
         std::holds_alternative<Address>(type) || std::holds_alternative<Text>(type) ||
         std::holds_alternative<Choice>(type);
}

bool is_list(const Type& type) {
  return std::holds_alternative<TextList>(type) || std::holds_alternative<DurationList>(type);
}

// `5s, 1m` as the array that a file would hold.
std::string bracket(std::string_view text) {
  if (text.starts_with('"') || text.starts_with('\'')) return "[" + std::string(text) + "]";
  std::string array = "[";
  for (std::size_t begin = 0; !text.empty() && begin <= text.size();) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    array += quote(trim(text.substr(begin, end - begin))) + ",";
    begin = end + 1;
  }
  return array += ']';
}

}  // namespace

Outcome assign(const Key& key, const Value& value, Options& options) {
  Assignment assignment(key, value, options);
  return std::visit(assignment, key.type);
}

Outcome assign_text(const Key& key, std::string_view text, Options& options) {
  const bool quoted = text.starts_with('"') || text.starts_with('\'');
  if (is_textual(key.type) && !quoted) return assign_literal(key, text, options);
  const bool list = is_list(key.type);
  const bool bare = list && !text.starts_with('[');
  const auto entries = read_toml_value(key.name, bare ? bracket(text) : std::string(text));
  if (entries) return assign(key, entries->front().value, options);
  if (!quoted && !list) return assign(key, std::string(text), options);
  const std::string why = list ? " is not a list of TOML strings" : " is not a TOML string";
  // The parser's own message may show a piece of the text.
  return std::unexpected(
      std::string(key.name) + ": " +
      (key.secret ? "the value" + why : echo(text) + why + ": " + entries.error().message));
}

Outcome assign_literal(const Key& key, std::string_view text, Options& options) {
  // By way of TOML, so that text from any source passes the same check for UTF-8.
  const auto entries = read_toml_value(key.name, quote(text));
  if (entries) return assign(key, entries->front().value, options);
  return std::unexpected(std::string(key.name) +
                         ": the value cannot be read: " + entries.error().message);
}

std::string describe(const Value& value, bool secret) {
  return std::visit(Description{secret}, value);
}

}  // namespace payonce::config
