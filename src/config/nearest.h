// Which known name did a misspelled one mean?
//
// Limits: names are compared by their first kComparedMax characters; the cost is their product.
// Threads: pure functions. Lifetime: answers point into the table of keys. Errors: none.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace payonce::config {

constexpr std::size_t kComparedMax = 128;

// Insertions, deletions, replacements and swaps of neighbours that turn one text into the other.
[[nodiscard]] std::size_t edit_distance(std::string_view a, std::string_view b);

// Whether a name at this distance is a likely typing error rather than a different word.
[[nodiscard]] bool is_close(std::size_t distance, std::string_view text);

// The key nearest to `name`. A name that is right but in the wrong section ("storage.listen", or
// just "listen") is as near as a small typing error; a name near to none gets one of its section.
[[nodiscard]] std::string_view nearest_key(std::string_view name);

// `; did you mean "server.listen"?` or, where nothing is close, `; the nearest key is "…"`.
[[nodiscard]] std::string suggest_key(std::string_view name);
// The same for the name of a table, which may also have meant one of ours.
[[nodiscard]] std::string suggest_table(std::string_view name);
// `; did you mean "info"?`, or nothing: the words themselves stand in the message already.
[[nodiscard]] std::string suggest_word(std::string_view text,
                                       std::span<const std::string_view> words);

}  // namespace payonce::config
