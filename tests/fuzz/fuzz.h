// What all fuzzers share: the form of a target, and how it says that a rule is broken.
//
// A target is a function of the input's bytes alone: no state is left behind, so that one file is
// enough to show a fault again. A broken rule ends the process; libFuzzer, or the test that runs
// the corpus, then names the input.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

namespace payonce::fuzz {

// Ends the process, with the rule and what was seen instead on standard error.
[[noreturn]] inline void broken(std::string_view rule, std::string_view seen = {}) {
  std::fprintf(stderr, "broken: %.*s\n%.*s\n", static_cast<int>(rule.size()), rule.data(),
               static_cast<int>(seen.size()), seen.data());
  std::abort();
}

inline void require(bool holds, std::string_view rule, std::string_view seen = {}) {
  if (!holds) {
    broken(rule, seen);
  }
}

// Takes everything up to `mark` off the front of `rest`, and the mark with it.
inline std::string_view take_until(std::string_view& rest, std::string_view mark) {
  const std::size_t end = rest.find(mark);
  const std::string_view part = rest.substr(0, end);
  rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + mark.size());
  return part;
}

}  // namespace payonce::fuzz

// The entry that libFuzzer and corpus_main.cc call.
// NOLINTNEXTLINE(readability-identifier-naming)
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

#define PAYONCE_FUZZ_TARGET(function)                                                       \
  extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {       \
    function(std::string_view(size == 0 ? "" : reinterpret_cast<const char*>(data), size)); \
    return 0;                                                                               \
  }
