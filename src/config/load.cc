#include "config/load.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <system_error>

#include "config/assign.h"
#include "config/keys.h"
#include "config/nearest.h"
#include "config/render.h"
#include "config/toml_reader.h"
#include "config/units.h"

namespace payonce::config {
namespace {

constexpr std::string_view kPrefix = "PAYONCE_";

std::string upper(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  return out;
}

std::expected<std::string, std::string> read_file(const std::string& path) {
  std::error_code error;
  if (std::filesystem::is_directory(path, error)) return std::unexpected("it is a directory");
  errno = 0;
  std::ifstream in(path, std::ios::binary);
  if (!in) return std::unexpected(std::generic_category().message(errno));
  // One byte more than allowed is enough for the reader to refuse an endless device or pipe.
  std::string text(kTextBytesMax + 1, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (in.bad()) return std::unexpected("it cannot be read");
  text.resize(static_cast<std::size_t>(in.gcount()));
  return text;
}

// The path of the key or table whose variable this is; empty for none.
std::string path_of_variable(std::string_view name) {
  for (const Key& key : keys()) {
    if (env_name(key.name) == name) return std::string(key.name);
  }
  for (const std::string_view table : table_names()) {
    if (env_name(table) == name) return std::string(table);
  }
  return "";
}

struct NearVariable {
  std::string name;
  std::size_t distance;
};

NearVariable nearest_variable(std::string_view name) {
  NearVariable nearest{"", kComparedMax + 1};
  const auto consider = [&](std::string_view path) {
    std::string candidate = env_name(path);
    const std::size_t distance = edit_distance(name, candidate);
    if (distance < nearest.distance) nearest = {std::move(candidate), distance};
  };
  for (const Key& key : keys()) consider(key.name);
  for (const std::string_view table : table_names()) {
    // PAYONCE_LOG alone is near to every other short name, and such names are for scripts.
    if (table.find('.') != table.npos) consider(table);
  }
  return nearest;
}

// PAYONCE_SERVER_LISTN is ours, PAYONCE_BIN is some script's own. A misspelled section is told by
// its nearness to a whole name: PAYONCE_SERVR_LISTEN.
bool is_meant_for_us(std::string_view name, std::size_t nearest_distance) {
  const std::string rest = upper(name.substr(kPrefix.size()));
  const std::string_view word = std::string_view(rest).substr(0, rest.find('_'));
  const bool known = std::ranges::any_of(
      table_names(), [&](std::string_view table) { return upper(table) == word; });
  return known || nearest_distance <= 2;
}

// Two keys whose values must go together. Which of them is wrong is for the reader to say.
struct Rule {
  std::string_view low;
  std::string_view relation;
  std::string_view high;
  std::string_view reason;
  bool (*holds)(const Options&);
};

// Stands in a rule about a key that another one makes necessary.
constexpr std::string_view kNeeded = "must not be empty with";

bool in_order(const RetryPolicy& retry) { return retry.initial_interval <= retry.maximum_interval; }

constexpr std::array kRules{
    Rule{"gateway.retry.initial_interval", "must not be above", "gateway.retry.maximum_interval",
         "", [](const Options& o) { return in_order(o.gateway.retry); }},
    Rule{"gateway.inquiry_initial_interval", "must not be above",
         "gateway.inquiry_maximum_interval", "",
         [](const Options& o) {
           return o.gateway.inquiry_initial_interval <= o.gateway.inquiry_maximum_interval;
         }},
    Rule{"gateway.url", kNeeded, "gateway.kind", "",
         [](const Options& o) {
           return o.gateway.kind != GatewayKind::kHttp || !o.gateway.url.empty();
         }},
    Rule{"fraud.url", kNeeded, "fraud.mode", "",
         [](const Options& o) { return o.fraud.mode != FraudMode::kHttp || !o.fraud.url.empty(); }},
    Rule{"fraud.retry.initial_interval", "must not be above", "fraud.retry.maximum_interval", "",
         [](const Options& o) { return in_order(o.fraud.retry); }},
    Rule{"notify.webhook.secret", kNeeded, "notify.webhook.url", "",
         [](const Options& o) {
           return o.notify.webhook.url.empty() || !o.notify.webhook.secret.empty();
         }},
    Rule{
        "notify.smtp.from", kNeeded, "notify.smtp.host", "",
        [](const Options& o) { return o.notify.smtp.host.empty() || !o.notify.smtp.from.empty(); }},
    Rule{"notify.retry.initial_interval", "must not be above", "notify.retry.maximum_interval", "",
         [](const Options& o) { return in_order(o.notify.retry); }},
    Rule{"saga.payment.compensation.initial_interval", "must not be above",
         "saga.payment.compensation.maximum_interval", "",
         [](const Options& o) { return in_order(o.saga.compensation); }},
};

// Whether a value in the place of this table could have been meant for a secret key in it.
bool holds_secret(const std::string& table) {
  return std::ranges::any_of(
      keys(), [&](const Key& key) { return key.secret && key.name.starts_with(table + "."); });
}

// Gathers values and mistakes from the sources, weakest source first.
class Loader {
 public:
  void read_config(const std::string& path);
  void read_environment(const Variables& variables);
  void read_set(const std::string& argument);
  void read_flag(std::string_view key_name, const std::string& flag, const std::string& text);
  void check_rules();
  std::expected<Loaded, std::vector<Error>> finish();

 private:
  void fail(const Origin& origin, const std::string& what) {
    mistakes_.push_back({origin.line, to_string(origin) + ": " + what});
  }
  void take(const std::vector<Entry>& entries, const std::string& source);
  bool take_table(const Entry& entry, const Origin& origin);
  void take_text(const std::string& path, std::string_view text, const Origin& origin);
  void record(const Key& key, const std::expected<void, std::string>& outcome,
              const Origin& origin);
  std::string value_and_origin(std::string_view name) const;

  struct Mistake {
    int line;
    std::string message;
  };
  Loaded loaded_;
  std::vector<Mistake> mistakes_;
};

void Loader::record(const Key& key, const std::expected<void, std::string>& outcome,
                    const Origin& origin) {
  if (!outcome) return fail(origin, outcome.error());
  loaded_.origins.insert_or_assign(std::string(key.name), origin);
}

// Whether the table is one of ours, so that its contents are worth looking at.
bool Loader::take_table(const Entry& entry, const Origin& origin) {
  if (is_table(entry.path)) return true;
  if (const Key* key = find_key(entry.path)) {
    record(*key, assign(*key, entry.value, loaded_.options), origin);
  } else {
    fail(origin, "unknown section \"" + entry.path + "\"" + suggest_table(entry.path));
  }
  return false;
}

void Loader::take(const std::vector<Entry>& entries, const std::string& source) {
  std::string skipped;  // below a table that is no section: one error for it is enough
  for (const Entry& entry : entries) {
    if (!skipped.empty() && entry.path.starts_with(skipped)) continue;
    const Origin origin{source, entry.line};
    if (std::holds_alternative<TableValue>(entry.value)) {
      if (!take_table(entry, origin)) skipped = entry.path + ".";
    } else if (const Key* key = find_key(entry.path)) {
      record(*key, assign(*key, entry.value, loaded_.options), origin);
    } else if (is_table(entry.path)) {
      const bool secret = holds_secret(entry.path);
      fail(origin, entry.path + ": expected a table; found " + describe(entry.value, secret));
    } else {
      fail(origin, "unknown key \"" + entry.path + "\"" + suggest_key(entry.path));
    }
  }
}

void Loader::read_config(const std::string& path) {
  const auto text = read_file(path);
  if (!text) return fail({path}, "cannot read the configuration: " + text.error());
  const auto entries = read_toml(*text);
  if (!entries) {
    const SyntaxError& error = entries.error();
    return fail({to_string(Origin{path, error.line}) + ":" + std::to_string(error.column)},
                error.message);
  }
  take(*entries, path);
  // The reader lists tables by name; people read their file from top to bottom.
  std::ranges::stable_sort(mistakes_, {}, &Mistake::line);
}

void Loader::take_text(const std::string& path, std::string_view text, const Origin& origin) {
  if (const Key* key = find_key(path)) {
    return record(*key, assign_text(*key, text, loaded_.options), origin);
  }
  if (!is_table(path)) {
    return fail(origin, "unknown key \"" + path + "\"" + suggest_key(path));
  }
  const auto entries = text.starts_with('{')
                           ? read_toml_value(path, text)
                           : std::unexpected(SyntaxError{1, 1, "no '{' in front"});
  if (!entries) {
    return fail(origin,
                path + ": expected a table such as { name = value }: " + entries.error().message);
  }
  take(*entries, origin.source);
}

void Loader::read_environment(const Variables& variables) {
  Variables ours;
  std::ranges::copy_if(variables, std::back_inserter(ours),
                       [](const auto& variable) { return variable.first.starts_with(kPrefix); });
  // A table's variable sorts before those of its keys, so the more specific one wins.
  std::ranges::sort(ours);
  for (const auto& [name, text] : ours) {
    const std::string path = path_of_variable(name);
    if (!path.empty()) {
      take_text(path, trim(text), {"environment " + name});
      continue;
    }
    const NearVariable near = nearest_variable(upper(name));
    if (!is_meant_for_us(name, near.distance)) continue;
    const bool close = is_close(near.distance, name.substr(kPrefix.size()));
    fail({"environment " + name}, "unknown variable; " + (close ? "did you mean " + near.name + "?"
                                                                : "the nearest is " + near.name));
  }
}

void Loader::read_set(const std::string& argument) {
  const std::size_t equals = argument.find('=');
  const std::string path(trim(argument.substr(0, equals)));
  // Behind another sign than '=' may stand what was meant for the value of a secret.
  const std::size_t sign = path.find_first_of(": ");
  if (equals == argument.npos || path.empty() || sign != path.npos) {
    return fail({"--set " + (path.empty() ? argument : path.substr(0, sign))},
                "expected section.key=value");
  }
  take_text(path, trim(std::string_view(argument).substr(equals + 1)), {"--set"});
}

void Loader::read_flag(std::string_view key_name, const std::string& flag,
                       const std::string& text) {
  const Key& key = *find_key(key_name);
  record(key, assign_literal(key, text, loaded_.options), {flag});
}

std::string Loader::value_and_origin(std::string_view name) const {
  const auto origin = loaded_.origins.find(name);
  return std::string(name) + " = " + render_value(*find_key(name), loaded_.options) + " (" +
         (origin == loaded_.origins.end() ? "default" : to_string(origin->second)) + ")";
}

void Loader::check_rules() {
  // A key that was refused still holds its default; an error about that would only confuse.
  if (!mistakes_.empty()) return;
  for (const Rule& rule : kRules) {
    if (rule.holds(loaded_.options)) continue;
    mistakes_.push_back({0, value_and_origin(rule.low) + " " + std::string(rule.relation) + " " +
                                value_and_origin(rule.high) + std::string(rule.reason)});
  }
}

std::expected<Loaded, std::vector<Error>> Loader::finish() {
  if (mistakes_.empty()) return std::move(loaded_);
  std::vector<Error> errors;
  errors.reserve(mistakes_.size());
  for (Mistake& mistake : mistakes_) errors.push_back({std::move(mistake.message)});
  return std::unexpected(std::move(errors));
}

}  // namespace

std::string to_string(const Origin& origin) {
  return origin.line == 0 ? origin.source : origin.source + ":" + std::to_string(origin.line);
}

std::expected<Loaded, std::vector<Error>> load(const Sources& sources) {
  Loader loader;
  if (sources.file) loader.read_config(*sources.file);
  loader.read_environment(sources.environment);
  for (const std::string& argument : sources.sets) loader.read_set(argument);
  if (sources.data) loader.read_flag("storage.data", "--data", *sources.data);
  if (sources.listen) loader.read_flag("server.listen", "--listen", *sources.listen);
  loader.check_rules();
  return loader.finish();
}

Variables environment(const char* const* block) {
  Variables variables;
  for (; block != nullptr && *block != nullptr; ++block) {
    const std::string_view entry(*block);
    const std::size_t equals = entry.find('=');
    if (!entry.starts_with(kPrefix) || equals == entry.npos) continue;
    variables.emplace_back(entry.substr(0, equals), entry.substr(equals + 1));
  }
  return variables;
}

std::optional<Error> check_listen(const Options& options) {
  if (options.auth.allow_anonymous || is_loopback(options.server.listen)) return std::nullopt;
  return Error{"server.listen = " + quote(to_string(options.server.listen)) +
               " can be reached from other machines, and no API keys are configured: anyone there "
               "could move money. Listen on 127.0.0.1, or accept that with "
               "auth.allow_anonymous = true"};
}

Reloaded reload(const Options& running, const Options& fresh) {
  Reloaded result{running, {}};
  Options source = fresh;
  for (const Key& key : keys()) {
    const bool same = std::visit(
        Overloaded{
            [&](const auto& type) { return type.ref(result.options) == type.ref(source); },
            [&](const Choice& type) { return type.get(result.options) == type.get(source); },
        },
        key.type);
    if (same) continue;
    if (!key.tunable) {
      result.ignored.emplace_back(key.name);
      continue;
    }
    std::visit(Overloaded{
                   [&](const auto& type) { type.ref(result.options) = type.ref(source); },
                   [&](const Choice& type) { type.set(result.options, type.get(source)); },
               },
               key.type);
  }
  return result;
}

}  // namespace payonce::config
