// adapters/mock_methods.h: what the mocks read out of a payment method.
//
// A method may carry several behaviours separated by '.': "pm_manual.pm_void_fail". The mocks look
// only at the names that they know, so any other method is an ordinary one. Pure functions.
#pragma once

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <string_view>
#include <system_error>

namespace payonce::adapters {

// Calls `visit` with each part of the method until it answers true; whether one did.
template <class Visit>
[[nodiscard]] bool any_behaviour(std::string_view method, Visit visit) {
  while (true) {
    const std::size_t end = std::min(method.find('.'), method.size());
    if (visit(method.substr(0, end))) {
      return true;
    }
    if (end == method.size()) {
      return false;
    }
    method.remove_prefix(end + 1);
  }
}

[[nodiscard]] inline bool has(std::string_view method, std::string_view behaviour) {
  return any_behaviour(method, [&](std::string_view part) { return part == behaviour; });
}

// The N of pm_flaky_N; 0 for methods without it.
[[nodiscard]] inline std::uint32_t flaky_failures(std::string_view method) {
  constexpr std::string_view kFlaky = "pm_flaky_";
  std::uint32_t failures = 0;
  const bool found = any_behaviour(method, [&](std::string_view part) {
    if (!part.starts_with(kFlaky)) {
      return false;
    }
    part.remove_prefix(kFlaky.size());
    const char* end = part.data() + part.size();
    const auto [stop, error] = std::from_chars(part.data(), end, failures);
    return error == std::errc() && stop == end;
  });
  return found ? failures : 0;
}

}  // namespace payonce::adapters
