#include "http/paging.h"

#include <algorithm>
#include <charconv>
#include <limits>

#include "base/digits.h"

namespace payonce::http {
namespace {

constexpr std::size_t kAnySize = std::numeric_limits<std::size_t>::max();

constexpr std::string_view kHex = "0123456789abcdef";

std::optional<std::string> decode_hex(std::string_view text) {
  if (text.size() % 2 != 0) {
    return std::nullopt;
  }
  std::string bytes;
  for (std::size_t i = 0; i < text.size(); i += 2) {
    const std::size_t high = kHex.find(text[i]);
    const std::size_t low = kHex.find(text[i + 1]);
    if (high == std::string_view::npos || low == std::string_view::npos) {
      return std::nullopt;
    }
    bytes += static_cast<char>(high * 16 + low);
  }
  return bytes;
}

}  // namespace

std::string encode_cursor(std::string_view position) { return to_hex(position); }

Query::Query(const Call& call, std::initializer_list<std::string_view> known) : call_(&call) {
  for (const auto& [name, value] : call.query) {
    const bool paging = name == "limit" || name == "cursor";
    if (!paging && std::ranges::find(known, name) == known.end()) {
      complain(Code::kUnknownParameter, name, "there is no parameter " + uri_text(name));
    }
  }
}

void Query::complain(Code code, std::string_view name, std::string detail) {
  if (!problem_) {
    problem_ = Problem{.code = code,
                       .detail = detail,
                       .errors = {FieldError{std::move(detail), "?" + uri_text(name)}},
                       .payment_id = {}};
  }
}

std::string_view Query::text(std::string_view name) const {
  for (const auto& [key, value] : call_->query) {
    if (key == name) {
      return value;
    }
  }
  return {};
}

std::optional<Timestamp> Query::time(std::string_view name) {
  const std::string_view value = text(name);
  if (value.empty()) {
    return std::nullopt;
  }
  const auto parsed = parse_rfc3339(value);
  if (!parsed || parsed->us < 0) {
    complain(Code::kInvalidTime, name,
             std::string(name) + " must be an RFC 3339 time such as 2026-01-31T12:00:00Z");
    return std::nullopt;
  }
  return parsed;
}

std::size_t Query::limit() {
  const std::string_view value = text("limit");
  if (value.empty()) {
    return kPageDefault;
  }
  std::size_t limit = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), limit);
  if (error != std::errc() || end != value.data() + value.size() || limit < 1 || limit > kPageMax) {
    complain(Code::kInvalidLimit, "limit", "limit must be a whole number from 1 to 100");
    return kPageDefault;
  }
  return limit;
}

std::string Query::cursor(std::size_t size) {
  const std::string_view value = text("cursor");
  if (value.empty()) {
    return {};
  }
  auto bytes = decode_hex(value);
  if (!bytes || (size != kAnySize && bytes->size() != size)) {
    complain(Code::kInvalidCursor, "cursor", "cursor must be one that a list has given");
    return {};
  }
  return *std::move(bytes);
}

std::string Query::cursor_text() { return cursor(kAnySize); }

}  // namespace payonce::http
