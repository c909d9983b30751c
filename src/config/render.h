// The configuration as TOML: what is in force (check-config), and the commented config.toml.
//
// Threads: pure functions. Lifetime: results own their text. Errors: none.
// A secret is never written: where it is set, its line is a comment that says so.
#pragma once

#include <string>

#include "config/keys.h"
#include "config/load.h"
#include "config/options.h"

namespace payonce::config {

// Every key with its value, and where that came from unless it is the default. Loading the text
// gives the same Options, but for secrets.
[[nodiscard]] std::string render(const Loaded& loaded);
[[nodiscard]] std::string render(const Options& options);

// The text of config.toml: every key with its default, its unit and range, and why it is there.
[[nodiscard]] std::string render_reference();

// The value of one key as TOML: `"1m"`, `8`, `true`; `set, not shown` for a secret that is set.
[[nodiscard]] std::string render_value(const Key& key, const Options& options);
// What the key takes: `threads, 1 to 4096` or `one of: debug, info, warn, error`.
[[nodiscard]] std::string render_expected(const Key& key);

}  // namespace payonce::config
