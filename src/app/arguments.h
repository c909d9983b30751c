// app/arguments.h: checks of command line arguments that CLI11 does not make. Pure.
#pragma once

#include <cmath>
#include <cstdlib>
#include <string>

namespace payonce::app {

// For CLI11's check(): empty, or what is wrong. Its ranges let "nan" through.
[[nodiscard]] inline std::string finite(const std::string& text) {
  return std::isfinite(std::strtod(text.c_str(), nullptr)) ? std::string() : "not a finite number";
}

}  // namespace payonce::app
