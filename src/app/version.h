// What this binary was built from. Defined in a source that the build generates
// (cmake/version.cmake). Constant data: any thread, any time, no failure.
#pragma once

#include <string_view>

namespace payonce::app {

struct BuildInfo {
  std::string_view version;       // "0.1.0"
  std::string_view git_revision;  // `git describe`, or "unknown" outside a checkout
  std::string_view build_type;    // "release", "debug", "debug+address", "debug+thread"
  std::string_view compiler;      // "GNU 12.2.0"
};

const BuildInfo& build_info();

}  // namespace payonce::app
