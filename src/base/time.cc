#include "base/time.h"

#include <array>
#include <chrono>

namespace payonce {
namespace {

constexpr std::int64_t kMicrosPerDay = 86'400'000'000;

void put_digits(std::string& out, std::int64_t value, int width) {
  std::array<char, 8> digits{};
  for (int i = width - 1; i >= 0; --i) {
    digits[static_cast<std::size_t>(i)] = static_cast<char>('0' + value % 10);
    value /= 10;
  }
  out.append(digits.data(), static_cast<std::size_t>(width));
}

// Reads exactly `width` digits at `pos`; nothing when there are fewer.
std::optional<int> digits_at(std::string_view text, std::size_t pos, std::size_t width) {
  if (pos + width > text.size()) {
    return std::nullopt;
  }
  int value = 0;
  for (std::size_t i = pos; i < pos + width; ++i) {
    if (text[i] < '0' || text[i] > '9') {
      return std::nullopt;
    }
    value = value * 10 + (text[i] - '0');
  }
  return value;
}

bool char_at(std::string_view text, std::size_t pos, char wanted) {
  return pos < text.size() && text[pos] == wanted;
}

// "Z", "z", "+hh:mm" or "-hh:mm" at `pos`, which must be the rest of the text; minutes east.
std::optional<int> offset_minutes(std::string_view text, std::size_t pos) {
  if (pos + 1 == text.size() && (text[pos] == 'Z' || text[pos] == 'z')) {
    return 0;
  }
  if (pos + 6 != text.size() || (text[pos] != '+' && text[pos] != '-') || text[pos + 3] != ':') {
    return std::nullopt;
  }
  const auto hours = digits_at(text, pos + 1, 2);
  const auto minutes = digits_at(text, pos + 4, 2);
  if (!hours || !minutes || *hours > 23 || *minutes > 59) {
    return std::nullopt;
  }
  const int total = *hours * 60 + *minutes;
  return text[pos] == '-' ? -total : total;
}

// An optional ".ddd" at `pos`: microseconds, and `pos` moved behind it.
std::optional<int> fraction_us(std::string_view text, std::size_t& pos) {
  if (!char_at(text, pos, '.')) {
    return 0;
  }
  ++pos;
  int us = 0;
  int count = 0;
  for (; pos < text.size() && text[pos] >= '0' && text[pos] <= '9'; ++pos, ++count) {
    if (count < 6) {
      us = us * 10 + (text[pos] - '0');
    }
  }
  if (count == 0 || count > 9) {
    return std::nullopt;
  }
  for (; count < 6; ++count) {
    us *= 10;
  }
  return us;
}

}  // namespace

void append_rfc3339(std::string& out, Timestamp t) {
  std::int64_t days = t.us / kMicrosPerDay;
  std::int64_t rest = t.us % kMicrosPerDay;
  if (rest < 0) {
    rest += kMicrosPerDay;
    --days;
  }
  const std::chrono::year_month_day date{std::chrono::sys_days{std::chrono::days{days}}};
  const std::int64_t seconds = rest / 1'000'000;
  put_digits(out, static_cast<int>(date.year()), 4);
  out += '-';
  put_digits(out, static_cast<unsigned>(date.month()), 2);
  out += '-';
  put_digits(out, static_cast<unsigned>(date.day()), 2);
  out += 'T';
  put_digits(out, seconds / 3600, 2);
  out += ':';
  put_digits(out, seconds / 60 % 60, 2);
  out += ':';
  put_digits(out, seconds % 60, 2);
  out += '.';
  put_digits(out, rest % 1'000'000, 6);
  out += 'Z';
}

std::string format_rfc3339(Timestamp t) {
  std::string out;
  append_rfc3339(out, t);
  return out;
}

std::optional<Timestamp> parse_rfc3339(std::string_view text) {
  const auto year = digits_at(text, 0, 4);
  const auto month = digits_at(text, 5, 2);
  const auto day = digits_at(text, 8, 2);
  const auto hour = digits_at(text, 11, 2);
  const auto minute = digits_at(text, 14, 2);
  const auto second = digits_at(text, 17, 2);
  if (!year || !month || !day || !hour || !minute || !second) {
    return std::nullopt;
  }
  const bool separators = char_at(text, 4, '-') && char_at(text, 7, '-') &&
                          (text[10] == 'T' || text[10] == 't' || text[10] == ' ') &&
                          char_at(text, 13, ':') && char_at(text, 16, ':');
  if (!separators || *hour > 23 || *minute > 59 || *second > 60) {
    return std::nullopt;
  }
  const std::chrono::year_month_day date{std::chrono::year{*year},
                                         std::chrono::month{static_cast<unsigned>(*month)},
                                         std::chrono::day{static_cast<unsigned>(*day)}};
  if (!date.ok()) {
    return std::nullopt;
  }
  std::size_t pos = 19;
  const auto us = fraction_us(text, pos);
  const auto east = us ? offset_minutes(text, pos) : std::nullopt;
  if (!east) {
    return std::nullopt;
  }
  const std::int64_t days = std::chrono::sys_days{date}.time_since_epoch().count();
  const std::int64_t seconds =
      std::int64_t{*hour} * 3600 + std::int64_t{*minute} * 60 + *second - std::int64_t{*east} * 60;
  const Timestamp t{days * kMicrosPerDay + seconds * 1'000'000 + *us};
  // The offset may have led out of the years that can be written.
  return t < kTimestampMin || t > kTimestampMax ? std::nullopt : std::optional(t);
}

}  // namespace payonce
