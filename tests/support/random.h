// Random test data from a seed, the same on every platform. A failure prints the seed; with
// PAYONCE_SEED=n in the environment only that one is run.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "base/ids.h"

namespace payonce::testing_support {

class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(mix64(seed)) {}

  std::uint64_t next() { return mix64(state_++); }
  // 0 to bound - 1.
  std::uint64_t below(std::uint64_t bound) { return next() % bound; }
  bool chance(unsigned percent) { return below(100) < percent; }
  // Of every magnitude alike, so that small and huge numbers are both common.
  std::uint64_t number() { return next() >> below(64); }
  std::string text(std::size_t size_max) {
    std::string out;
    for (std::size_t left = below(size_max + 1); left > 0; --left) {
      out += static_cast<char>(below(256));
    }
    return out;
  }
  std::string id(std::size_t size_max = kIdLengthMax) {
    constexpr std::string_view kLetters =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:-";
    std::string out;
    for (std::size_t left = 1 + below(size_max); left > 0; --left) {
      out += kLetters[below(kLetters.size())];
    }
    return out;
  }
  template <class Container>
  const auto& pick(const Container& from) {
    return from[below(std::size(from))];
  }

 private:
  std::uint64_t state_;
};

// Calls check(random) once for each of `runs` seeds; stops at the first that fails.
template <class Check>
void for_each_seed(std::uint64_t runs, Check&& check) {
  const char* only = std::getenv("PAYONCE_SEED");
  const std::uint64_t first = only == nullptr ? 1 : std::strtoull(only, nullptr, 10);
  const std::uint64_t end = only == nullptr ? first + runs : first + 1;
  for (std::uint64_t seed = first; seed < end && !testing::Test::HasFailure(); ++seed) {
    SCOPED_TRACE("PAYONCE_SEED=" + std::to_string(seed));
    Random random(seed);
    check(random);
  }
}

}  // namespace payonce::testing_support
