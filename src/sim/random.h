// sim/random.h: everything that happens by chance in a simulation, from one seed.
//
// The same seed gives the same numbers on every platform. Owner: one simulation.
#pragma once

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <utility>

#include "base/ids.h"

namespace payonce::sim {

class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(mix64(seed)) {}

  [[nodiscard]] std::uint64_t next() { return mix64(state_++); }
  // 0 to bound - 1; bound is at least 1.
  [[nodiscard]] std::uint64_t below(std::uint64_t bound) { return next() % bound; }
  // low to high, both included.
  [[nodiscard]] std::int64_t between(std::int64_t low, std::int64_t high) {
    return low + static_cast<std::int64_t>(below(static_cast<std::uint64_t>(high - low) + 1));
  }
  // True this many times in a million.
  [[nodiscard]] bool chance_ppm(std::uint32_t ppm) { return below(1'000'000) < ppm; }
  [[nodiscard]] bool chance(unsigned percent) { return below(100) < percent; }
  // Of every magnitude up to `high` alike: short times and long ones are both common.
  [[nodiscard]] std::int64_t magnitude(std::int64_t high) {
    std::int64_t top = high;
    for (std::uint64_t halvings = below(16); halvings > 0 && top > 1; --halvings) {
      top /= 2;
    }
    return between(0, top);
  }
  template <class Container>
  [[nodiscard]] const auto& pick(const Container& from) {
    return *std::next(std::begin(from), static_cast<std::ptrdiff_t>(below(std::size(from))));
  }
  // A stream of its own, so that drawing more here changes nothing there.
  [[nodiscard]] Random fork() { return Random(next()); }

 private:
  std::uint64_t state_;
};

}  // namespace payonce::sim
