#include "config/units.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <optional>

namespace payonce::config {
namespace {

struct Unit {
  std::string_view name;
  std::int64_t scale;
};

// Largest first: parsing demands this order, rendering takes the first that divides the value.
constexpr std::array kDurationUnits{
    Unit{"d", 86'400'000'000}, Unit{"h", 3'600'000'000}, Unit{"m", 60'000'000},
    Unit{"s", 1'000'000},      Unit{"ms", 1'000},        Unit{"us", 1},
};
constexpr std::array kSizeUnits{
    Unit{"TiB", std::int64_t{1} << 40},
    Unit{"GiB", std::int64_t{1} << 30},
    Unit{"MiB", std::int64_t{1} << 20},
    Unit{"KiB", std::int64_t{1} << 10},
    Unit{"B", 1},
};

constexpr std::string_view kDurationForm =
    "write whole numbers with us, ms, s, m, h or d, such as \"250ms\" or \"1m30s\"";
constexpr std::string_view kSizeForm =
    "write a whole number with B, KiB, MiB, GiB or TiB, such as \"64MiB\"";

constexpr std::string_view kDigits = "0123456789";

// Takes the digits at the front of `text` off it.
std::optional<std::int64_t> take_number(std::string_view& text) {
  const std::size_t length = std::min(text.find_first_not_of(kDigits), text.size());
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + length, number);
  if (error != std::errc{}) return std::nullopt;
  text.remove_prefix(length);
  return number;
}

// sum + number * scale, or nothing where that leaves the 64-bit range.
std::optional<std::int64_t> add_scaled(std::int64_t sum, std::int64_t number, std::int64_t scale) {
  std::int64_t product = 0;
  std::int64_t total = 0;
  if (__builtin_mul_overflow(number, scale, &product)) return std::nullopt;
  if (__builtin_add_overflow(sum, product, &total)) return std::nullopt;
  return total;
}

}  // namespace

std::expected<std::chrono::microseconds, std::string> parse_duration(std::string_view text) {
  const auto refuse = [] { return std::unexpected(std::string(kDurationForm)); };
  if (text.empty()) return refuse();
  std::int64_t total = 0;
  auto allowed = kDurationUnits.begin();
  while (!text.empty()) {
    const auto number = take_number(text);
    if (!number) return refuse();
    const std::string_view name = text.substr(0, text.find_first_of(kDigits));
    text.remove_prefix(name.size());
    // Searching only behind the last unit keeps "30s1m" and "1s1s" out.
    const auto unit = std::find_if(allowed, kDurationUnits.end(),
                                   [&](const Unit& candidate) { return candidate.name == name; });
    if (unit == kDurationUnits.end()) return refuse();
    allowed = unit + 1;
    const auto sum = add_scaled(total, *number, unit->scale);
    if (!sum) return std::unexpected(std::string("it is longer than any duration we can hold"));
    total = *sum;
  }
  return std::chrono::microseconds{total};
}

std::expected<std::uint64_t, std::string> parse_size(std::string_view text) {
  const auto number = take_number(text);
  if (!number) return std::unexpected(std::string(kSizeForm));
  const std::string_view name = text.empty() ? std::string_view("B") : text;
  const auto* unit = std::ranges::find_if(
      kSizeUnits, [&](const Unit& candidate) { return candidate.name == name; });
  if (unit == kSizeUnits.end()) return std::unexpected(std::string(kSizeForm));
  const auto bytes = add_scaled(0, *number, unit->scale);
  if (!bytes) return std::unexpected(std::string("it is larger than any size we can hold"));
  return static_cast<std::uint64_t>(*bytes);
}

std::string render_duration(std::chrono::milliseconds value) {
  const std::int64_t total = value.count();
  if (total == 0) return "0ms";
  // Days are read but never written: "24h" is how retention and time-outs are spoken of.
  for (const Unit& unit : kDurationUnits) {
    const std::int64_t scale = unit.scale / 1'000;
    if (unit.name == "d" || scale == 0 || total % scale != 0) continue;
    return std::to_string(total / scale).append(unit.name);
  }
  return std::to_string(total) + "ms";
}

std::string render_size(std::uint64_t bytes) {
  for (const Unit& unit : kSizeUnits) {
    const auto scale = static_cast<std::uint64_t>(unit.scale);
    if (bytes >= scale && bytes % scale == 0) {
      return std::to_string(bytes / scale).append(unit.name);
    }
  }
  return "0B";
}

std::string render_permille(std::int64_t permille) {
  std::string places = std::to_string(permille % 1'000 + 1'000).substr(1);
  while (places.size() > 1 && places.ends_with('0')) places.pop_back();
  return std::to_string(permille / 1'000) + "." + places;
}

std::string_view trim(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n";
  const std::size_t begin = text.find_first_not_of(kSpace);
  if (begin == text.npos) return {};
  return text.substr(begin, text.find_last_not_of(kSpace) - begin + 1);
}

}  // namespace payonce::config
