#include "http/headers.h"

#include <algorithm>
#include <cctype>
#include <charconv>

#include "base/ids.h"

namespace payonce::http {
namespace {

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) {
    text.remove_prefix(1);
  }
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) {
    text.remove_suffix(1);
  }
  return text;
}

// The content of a structured-field string, or nothing when it is not a whole one.
std::optional<std::string> unquoted(std::string_view text) {
  std::string out;
  for (std::size_t i = 1; i < text.size(); ++i) {
    if (text[i] == '"') {
      return i + 1 == text.size() ? std::optional(std::move(out)) : std::nullopt;
    }
    if (text[i] == '\\') {
      ++i;
      if (i == text.size() || (text[i] != '"' && text[i] != '\\')) {
        return std::nullopt;
      }
    }
    out += text[i];
  }
  return std::nullopt;
}

bool visible(char c) { return c > ' ' && c < '\x7f'; }

}  // namespace

bool lists_token(std::string_view list, std::string_view token) {
  while (!list.empty()) {
    const std::size_t comma = std::min(list.find(','), list.size());
    if (equal_ignoring_case(trim(list.substr(0, comma)), token)) {
      return true;
    }
    list.remove_prefix(std::min(comma + 1, list.size()));
  }
  return false;
}

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, [](char x, char y) {
    return std::tolower(static_cast<unsigned char>(x)) ==
           std::tolower(static_cast<unsigned char>(y));
  });
}

Result<std::string> parse_idempotency_key(std::string_view header) {
  header = trim(header);
  std::string key(header);
  if (header.starts_with('"')) {
    auto content = unquoted(header);
    if (!content) {
      return fail(Errc::kInvalid, "the quoted key has no proper end");
    }
    key = std::move(*content);
  }
  if (key.empty()) {
    return fail(Errc::kInvalid, "the key is empty");
  }
  if (key.size() > kIdempotencyKeyMax) {
    return fail(Errc::kInvalid, "the key is longer than 255 characters");
  }
  if (!std::ranges::all_of(key, visible)) {
    return fail(Errc::kInvalid, "the key has a character that is not visible ASCII");
  }
  return key;
}

std::optional<std::chrono::seconds> parse_wait(std::span<const std::string_view> prefer_headers) {
  for (std::string_view header : prefer_headers) {
    while (!header.empty()) {
      const std::size_t comma = std::min(header.find(','), header.size());
      // Parameters behind a semicolon mean nothing for `wait`.
      std::string_view preference = header.substr(0, comma);
      preference = trim(preference.substr(0, preference.find(';')));
      header.remove_prefix(std::min(comma + 1, header.size()));
      const std::size_t equals = preference.find('=');
      if (equals == std::string_view::npos ||
          !equal_ignoring_case(trim(preference.substr(0, equals)), "wait")) {
        continue;
      }
      std::string_view number = trim(preference.substr(equals + 1));
      if (number.size() >= 2 && number.front() == '"' && number.back() == '"') {
        number = number.substr(1, number.size() - 2);
      }
      // Longer than any time anybody may wait, and short enough not to overflow.
      int seconds = 0;
      const auto [end, error] =
          std::from_chars(number.data(), number.data() + number.size(), seconds);
      if (end != number.data() + number.size() || number.empty()) {
        return std::nullopt;
      }
      if (error == std::errc::result_out_of_range) {
        return std::chrono::hours(24);
      }
      return seconds < 0 ? std::nullopt : std::optional(std::chrono::seconds(seconds));
    }
  }
  return std::nullopt;
}

bool is_json(std::string_view content_type) {
  return equal_ignoring_case(trim(content_type.substr(0, content_type.find(';'))),
                             "application/json");
}

bool valid_request_id(std::string_view text) { return valid_id(text); }

}  // namespace payonce::http
