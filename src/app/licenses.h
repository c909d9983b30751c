// The notices of everything third-party that is linked into this binary, as plain text for
// `payonce version --licenses`. Defined in a source that the build generates
// (cmake/generated.cmake). Constant data: any thread, any time, no failure.
#pragma once

#include <string_view>

namespace payonce::app {

std::string_view third_party_licenses();

}  // namespace payonce::app
