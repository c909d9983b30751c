// config.toml, environment and flags into Options: the room's front door.
//
// Order, strongest first: --listen and --data, --set (the last one of a key wins), environment,
// file, defaults. A file is read only where --config names it: a server must not change its
// behaviour with the directory it was started in.
//
//   auto loaded = config::load({.file = "config.toml", .environment =
//   config::environment(environ)}); if (!loaded) { for (const auto& error : loaded.error())
//   print(error.message); return 2; } serve(loaded->options);
//
// Threads: pure functions; load() reads the file and nothing else of the process.
// Lifetime: results own everything.
// Errors: every mistake in every source is reported, not only the first; each message names file
// and line, variable or flag, and the nearest valid key where one was misspelled. Rules between two
// keys are checked once all single values are right. Nothing throws but bad_alloc.
#pragma once

#include <expected>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/options.h"

namespace payonce::config {

using Variables = std::vector<std::pair<std::string, std::string>>;

struct Sources {
  std::optional<std::string> file{};    // --config FILE
  Variables environment{};              // all or only the PAYONCE_* ones, in any order
  std::vector<std::string> sets{};      // --set section.key=value, as ordered on the command line
  std::optional<std::string> data{};    // --data DIR
  std::optional<std::string> listen{};  // --listen HOST:PORT
};

// Where a value was given.
struct Origin {
  std::string source;  // the file's path, "environment PAYONCE_…", "--set", "--data"
  int line = 0;        // 1 is the first; 0 outside a file
};
// "config.toml:12", "environment PAYONCE_LOG_LEVEL", "--data".
[[nodiscard]] std::string to_string(const Origin& origin);

struct Loaded {
  Options options;
  std::map<std::string, Origin, std::less<>> origins;  // by key name; absent: default
};

struct Error {
  std::string message;  // config.toml:12: unknown key "server.lisen"; did you mean "server.listen"?
};

[[nodiscard]] std::expected<Loaded, std::vector<Error>> load(const Sources& sources);

// The PAYONCE_* variables of a block such as POSIX's `environ`.
[[nodiscard]] Variables environment(const char* const* block);

// Refuses to serve beyond loopback without knowing the caller. Apart from load(), because `verify`
// and `backup` read the same file and serve nobody.
[[nodiscard]] std::optional<Error> check_listen(const Options& options);

// What SIGHUP does: `fresh` where a key is tunable, `running` elsewhere.
struct Reloaded {
  Options options;
  std::vector<std::string> ignored;  // keys that differ but need a restart
};
[[nodiscard]] Reloaded reload(const Options& running, const Options& fresh);

}  // namespace payonce::config
