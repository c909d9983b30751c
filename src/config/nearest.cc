#include "config/nearest.h"

#include <algorithm>
#include <array>
#include <limits>
#include <tuple>
#include <utility>
#include <vector>

#include "config/keys.h"

namespace payonce::config {
namespace {

// Distance by which two names are ranked: first how near they could be, then how near they are.
using Rank = std::tuple<std::size_t, std::size_t>;

Rank rank_key(std::string_view name, std::string_view key) {
  const std::size_t whole = edit_distance(name, key);
  const std::size_t leaf = 1 + edit_distance(leaf_of(name), leaf_of(key));
  return {std::min(whole, leaf), whole};
}

std::string phrase(bool close, std::string_view nearest) {
  const std::string quoted = "\"" + std::string(nearest) + "\"";
  return close ? "; did you mean " + quoted + "?" : "; the nearest key is " + quoted;
}

}  // namespace

std::size_t edit_distance(std::string_view a, std::string_view b) {
  a = a.substr(0, kComparedMax);
  b = b.substr(0, kComparedMax);
  // Three rows of the usual table; a swap of neighbours looks two rows back.
  using Row = std::array<std::size_t, kComparedMax + 1>;
  std::array<Row, 3> rows{};
  Row* before = &rows[0];
  Row* above = &rows[1];
  Row* row = &rows[2];
  for (std::size_t j = 0; j <= b.size(); ++j) (*above)[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    (*row)[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replace = (*above)[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      std::size_t least = std::min({replace, (*above)[j] + 1, (*row)[j - 1] + 1});
      const bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
      if (swapped) least = std::min(least, (*before)[j - 2] + 1);
      (*row)[j] = least;
    }
    std::swap(before, above);
    std::swap(above, row);
  }
  return (*above)[b.size()];
}

bool is_close(std::size_t distance, std::string_view text) {
  return distance <= std::max<std::size_t>(2, text.size() / 4);
}

std::string_view nearest_key(std::string_view name) {
  // A guess from another section would mislead more than the neighbours of what was written.
  const std::string_view section = section_of(name);
  const Key* nearest = nullptr;
  const Key* neighbour = nullptr;
  Rank least;
  Rank least_of_section;
  for (const Key& key : keys()) {
    const Rank rank = rank_key(name, key.name);
    if (nearest == nullptr || rank < least) {
      nearest = &key;
      least = rank;
    }
    if (section_of(key.name) != section) continue;
    if (neighbour == nullptr || rank < least_of_section) {
      neighbour = &key;
      least_of_section = rank;
    }
  }
  const bool close = is_close(std::get<0>(least), name);
  return close || neighbour == nullptr ? nearest->name : neighbour->name;
}

std::string suggest_key(std::string_view name) {
  const std::string_view key = nearest_key(name);
  return phrase(is_close(std::get<0>(rank_key(name, key)), name), key);
}

std::string suggest_table(std::string_view name) {
  const auto distance = [&](std::string_view table) { return edit_distance(name, table); };
  const std::vector<std::string_view> tables = table_names();
  const auto nearest = std::ranges::min_element(tables, {}, distance);
  if (is_close(distance(*nearest), name)) return phrase(true, *nearest);
  return suggest_key(name);
}

std::string suggest_word(std::string_view text, std::span<const std::string_view> words) {
  const auto distance = [&](std::string_view word) { return edit_distance(text, word); };
  const auto nearest = std::ranges::min_element(words, {}, distance);
  if (nearest == words.end() || !is_close(distance(*nearest), text)) return "";
  return "; did you mean \"" + std::string(*nearest) + "\"?";
}

}  // namespace payonce::config
