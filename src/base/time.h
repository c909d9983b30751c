// base/time.h: points in time and lengths of time as plain values.
//
// Nothing here reads a clock. A Timestamp is microseconds since 1970-01-01T00:00:00Z without leap
// seconds, in the range of years 0000 to 9999 that RFC 3339 can write.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace payonce {

struct Duration {
  std::int64_t us = 0;
  constexpr auto operator<=>(const Duration&) const = default;
  static constexpr Duration ms(std::int64_t value) { return Duration{value * 1000}; }
  static constexpr Duration seconds(std::int64_t value) { return Duration{value * 1'000'000}; }
};

struct Timestamp {
  std::int64_t us = 0;
  constexpr auto operator<=>(const Timestamp&) const = default;
};

constexpr Timestamp operator+(Timestamp t, Duration d) { return Timestamp{t.us + d.us}; }
constexpr Timestamp operator-(Timestamp t, Duration d) { return Timestamp{t.us - d.us}; }
constexpr Duration operator-(Timestamp a, Timestamp b) { return Duration{a.us - b.us}; }

// The times that format_rfc3339 can write: 0000-01-01T00:00:00.000000Z to
// 9999-12-31T23:59:59.999999Z.
inline constexpr Timestamp kTimestampMin{-62167219200'000'000};
inline constexpr Timestamp kTimestampMax{253402300799'999'999};

// "2026-11-21T09:30:00.123456Z": RFC 3339 section 5.6, UTC, always six fractional digits.
[[nodiscard]] std::string format_rfc3339(Timestamp t);
void append_rfc3339(std::string& out, Timestamp t);

// Reads an RFC 3339 date-time with any offset and 0 to 9 fractional digits (finer than a
// microsecond is cut). Returns nothing when the text is not one, or names a time that lies outside
// the years 0000 to 9999 in UTC. A leap second (":60") is read as the first second of the next
// minute.
[[nodiscard]] std::optional<Timestamp> parse_rfc3339(std::string_view text);

}  // namespace payonce
