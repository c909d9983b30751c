// One value into its place: types, ranges and the rules of single keys.
//
// Threads: pure functions on the caller's Options. Lifetime: nothing is kept.
// Errors: a sentence that begins with the key; the Options stay as they were. The value of a secret
// key is in no message.
#pragma once

#include <expected>
#include <string>
#include <string_view>

#include "config/keys.h"
#include "config/options.h"
#include "config/toml_reader.h"

namespace payonce::config {

[[nodiscard]] std::expected<void, std::string> assign(const Key& key, const Value& value,
                                                      Options& options);

// The same from text outside a file, where strings may come without their quotes.
[[nodiscard]] std::expected<void, std::string> assign_text(const Key& key, std::string_view text,
                                                           Options& options);
// Text taken letter by letter, quotes included: what a flag of its own such as --data carries.
[[nodiscard]] std::expected<void, std::string> assign_literal(const Key& key, std::string_view text,
                                                              Options& options);

// What a value is, for messages: `the integer 3`, `the string "abc"`, `a table`.
[[nodiscard]] std::string describe(const Value& value, bool secret);

}  // namespace payonce::config
