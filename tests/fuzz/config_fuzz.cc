// The configuration: any file, environment and flags give options within their ranges, or errors
// that say where they are.
//
// The input is the file; behind a line "---" follow one per line: NAME=value for the environment,
// --set, --data and --listen with their values behind a space. What loads is rendered as
// check-config does it, and loads again to the same options; secrets, which are not rendered, are
// given again.
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "config/keys.h"
#include "config/load.h"
#include "config/render.h"
#include "config/toml_reader.h"
#include "fuzz/fuzz.h"

namespace payonce::config {
namespace {

using fuzz::require;

// A file that is there as long as the object is, and on no disk.
class MemoryFile {
 public:
  explicit MemoryFile(std::string_view text) : fd_(::memfd_create("config", MFD_CLOEXEC)) {
    require(fd_ >= 0 && ::write(fd_, text.data(), text.size()) == static_cast<ssize_t>(text.size()),
            "a file can be made");
  }
  ~MemoryFile() { ::close(fd_); }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;
  [[nodiscard]] std::string path() const { return "/proc/self/fd/" + std::to_string(fd_); }

 private:
  int fd_;
};

bool inside(std::int64_t value, const Range& range) {
  return value >= range.min && value <= range.max && value % range.step == 0;
}

bool in_range(const Key& key, Options& options) {
  return std::visit(
      Overloaded{
          [&](const Count& type) { return inside(type.ref(options), type.range); },
          [&](const Size& type) {
            return inside(static_cast<std::int64_t>(type.ref(options)), type.range);
          },
          [&](const Duration& type) { return inside(type.ref(options).count(), type.range); },
          [&](const Decimal& type) { return inside(type.ref(options), type.range); },
          [&](const Text& type) {
            return type.rule != Text::Rule::kNotEmpty || !type.ref(options).empty();
          },
          [&](const TextList& type) {
            const auto& list = type.ref(options);
            return list.size() <= type.size_max && std::ranges::none_of(list, &std::string::empty);
          },
          [&](const DurationList& type) {
            const auto& list = type.ref(options);
            return list.size() <= type.size_max && std::ranges::all_of(list, [&](auto wait) {
                     return inside(wait.count(), type.range);
                   });
          },
          [&](const Choice& type) { return type.get(options) < type.words.size(); },
          [](const auto& /*flag or address*/) { return true; }},
      key.type);
}

Sources sources_of(std::string_view rest, const std::string& path) {
  Sources sources;
  sources.file = path;
  while (!rest.empty()) {
    const std::string_view line = fuzz::take_until(rest, "\n");
    const auto value_of = [&](std::string_view flag) {
      return std::string(line.substr(flag.size()));
    };
    if (line.starts_with("--set ")) {
      sources.sets.push_back(value_of("--set "));
    } else if (line.starts_with("--data ")) {
      sources.data = value_of("--data ");
    } else if (line.starts_with("--listen ")) {
      sources.listen = value_of("--listen ");
    } else {
      const std::size_t equals = std::min(line.find('='), line.size());
      sources.environment.emplace_back(line.substr(0, equals),
                                       line.substr(std::min(equals + 1, line.size())));
    }
  }
  return sources;
}

// The secrets of `options` as --set has them.
std::vector<std::string> secrets_of(Options& options) {
  std::vector<std::string> sets;
  for (const Key& key : keys()) {
    std::string value;
    if (const auto* text = std::get_if<Text>(&key.type); key.secret && text != nullptr) {
      value = quote(text->ref(options));
    } else if (const auto* list = std::get_if<TextList>(&key.type); key.secret && list != nullptr) {
      for (const std::string& element : list->ref(options)) {
        value.append(value.empty() ? "[" : ",").append(quote(element));
      }
      value += value.empty() ? "[]" : "]";
    } else {
      continue;
    }
    sets.push_back(std::string(key.name) + "=" + value);
  }
  return sets;
}

void check_errors(const std::vector<Error>& errors) {
  require(!errors.empty(), "what does not load has an error");
  for (const Error& error : errors) {
    require(!error.message.empty(), "an error has words");
    require(error.message.size() < 16'384, "an error is bounded", error.message);
    require(error.message.find('\n') == std::string::npos, "an error is one line", error.message);
  }
}

void check_loaded(Loaded& loaded) {
  for (const Key& key : keys()) {
    require(in_range(key, loaded.options), "no option is out of its range", key.name);
  }
  for (const auto& [name, origin] : loaded.origins) {
    require(find_key(name) != nullptr && !to_string(origin).empty(), "origins are of keys", name);
  }
  const std::string rendered = render(loaded);
  const MemoryFile file(rendered);
  const auto again = load({.file = file.path(), .sets = secrets_of(loaded.options)});
  require(again.has_value(), "what is rendered loads",
          rendered + (again ? "" : again.error().front().message));
  require(again->options == loaded.options, "what is rendered loads to the same", rendered);
  static_cast<void>(check_listen(loaded.options));
  require(reload(loaded.options, again->options).ignored.empty(),
          "the same options need no restart");
}

void config(std::string_view input) {
  const std::string_view text = fuzz::take_until(input, "\n---\n");
  const MemoryFile file(text);
  auto loaded = load(sources_of(input, file.path()));
  if (loaded) {
    check_loaded(*loaded);
  } else {
    check_errors(loaded.error());
  }
}

}  // namespace
}  // namespace payonce::config

PAYONCE_FUZZ_TARGET(payonce::config::config)
