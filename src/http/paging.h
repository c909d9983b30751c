// http/paging.h: query parameters of lists, and cursors.
//
// A cursor is the position (created_at, seq) of the last entry of a page, as hex: it stays valid
// while new entries arrive, since lists run from the newest to the oldest.
#pragma once

#include <cstddef>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

#include "base/time.h"
#include "http/exchange.h"

namespace payonce::http {

inline constexpr std::size_t kPageDefault = 20;
inline constexpr std::size_t kPageMax = 100;
// Most entries looked at for one page of a filtered list; then the page ends early with a cursor.
inline constexpr std::size_t kScanMax = 5000;

class Query {
 public:
  // `known` are the parameters that the route has, besides limit and cursor.
  Query(const Call& call, std::initializer_list<std::string_view> known);

  [[nodiscard]] std::string_view text(std::string_view name) const;  // empty when absent
  [[nodiscard]] std::optional<Timestamp> time(std::string_view name);
  [[nodiscard]] std::size_t limit();
  // Decoded cursor of exactly `size` bytes; empty when absent.
  [[nodiscard]] std::string cursor(std::size_t size);
  [[nodiscard]] std::string cursor_text();  // of any size
  void complain(Code code, std::string_view name, std::string detail);

  [[nodiscard]] const std::optional<Problem>& problem() const { return problem_; }

 private:
  const Call* call_;
  std::optional<Problem> problem_;  // the first thing that was wrong
};

[[nodiscard]] std::string encode_cursor(std::string_view position);

}  // namespace payonce::http
