// tests/mutation/mutant.h: which mutant is on. Included before everything else of the build that
// holds all mutants (schemata.py); part of no other build.
#pragma once

#include <type_traits>

namespace payonce::mutation {

inline constexpr unsigned kMutantsMax = 1U << 17;
inline unsigned active = 0;                 // none
inline unsigned char reached[kMutantsMax];  // by the test that runs

// Never in what the compiler computes.
[[nodiscard]] constexpr bool on(unsigned id) {
  if
    consteval { return false; }
  else {
    reached[id] = 1;
    return id == active;
  }
}

}  // namespace payonce::mutation

#define MUTANT(id) (::payonce::mutation::on(id##U))
