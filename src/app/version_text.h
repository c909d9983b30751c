// app/version_text.h: the build's identity as clients and people read it. Pure functions.
#pragma once

#include <string>

namespace payonce::app {

[[nodiscard]] std::string version_json();  // body of GET /version and of `version --json`
[[nodiscard]] std::string version_line();  // "payonce 0.1.0 (…)"

}  // namespace payonce::app
