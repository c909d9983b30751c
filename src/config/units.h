// Durations and sizes as people write them: "250ms", "1m30s", "64MiB".
//
// Limits: whole numbers only. "1.5s" would need rounding rules that nobody reads; "1500ms" says it.
// Decimal units ("MB") are refused, because half of their readers take them for MiB.
// Threads: pure functions. Lifetime: nothing is kept. Errors: one sentence for people.
#pragma once

#include <chrono>
#include <cstdint>
#include <expected>
#include <string>
#include <string_view>

namespace payonce::config {

// Whole numbers with us, ms, s, m, h or d, each unit at most once and the largest first.
[[nodiscard]] std::expected<std::chrono::microseconds, std::string> parse_duration(
    std::string_view text);

// One whole number with B, KiB, MiB, GiB or TiB; without a unit it counts bytes.
[[nodiscard]] std::expected<std::uint64_t, std::string> parse_size(std::string_view text);

// The largest unit, up to hours, that writes the value as one whole number: 90 s is "90s".
[[nodiscard]] std::string render_duration(std::chrono::milliseconds value);

// The largest unit that writes the value as one whole number: 1536 is "1536B", 2048 is "2KiB".
[[nodiscard]] std::string render_size(std::uint64_t bytes);

// Thousandths as a decimal with at least one place: 2000 is "2.0", 125 is "0.125".
[[nodiscard]] std::string render_permille(std::int64_t permille);

// The text without the white space around it.
[[nodiscard]] std::string_view trim(std::string_view text);

}  // namespace payonce::config
