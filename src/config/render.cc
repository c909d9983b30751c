#include "config/render.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "config/toml_reader.h"
#include "config/units.h"

namespace payonce::config {
namespace {

constexpr std::string_view kReferenceHead =
    R"(
# Configuration of payonce: every key with its default. A server without any file runs like this.
#
#   payonce serve --config config.toml      reads this file (none is read unless it is named)
#   payonce check-config --config FILE      checks a file and prints what would be in force
#
# Stronger than the file, in this order: the environment (PAYONCE_SERVER_LISTEN=127.0.0.1:9000),
# --set server.listen=127.0.0.1:9000, and the flags --listen and --data.
#
# Durations are whole numbers with us, ms, s, m, h or d ("250ms", "1m30s"); sizes are bytes or whole
# numbers with KiB, MiB, GiB or TiB ("64MiB"). Outside a file a list may come without brackets and
# quotes: 5s,1m. SIGHUP applies new values of the keys marked "reloads"; all others are read once,
# at start.
)";

constexpr std::size_t kColumns = 100;

template <class Element, class Write>
std::string write_list(const std::vector<Element>& elements, Write write) {
  std::string out = "[";
  for (const Element& element : elements) {
    out += (out.size() == 1 ? "" : ", ") + quote(write(element));
  }
  return out += ']';
}

// The value of a key as TOML.
struct Writer {
  Options& options;

  std::string operator()(const Flag& type) const { return type.ref(options) ? "true" : "false"; }
  std::string operator()(const Count& type) const { return std::to_string(type.ref(options)); }
  std::string operator()(const Size& type) const { return quote(render_size(type.ref(options))); }
  std::string operator()(const Duration& type) const {
    return quote(render_duration(type.ref(options)));
  }
  std::string operator()(const Decimal& type) const { return render_permille(type.ref(options)); }
  std::string operator()(const Address& type) const { return quote(to_string(type.ref(options))); }
  std::string operator()(const Text& type) const { return quote(type.ref(options)); }
  std::string operator()(const TextList& type) const {
    return write_list(type.ref(options), [](const std::string& text) { return text; });
  }
  std::string operator()(const DurationList& type) const {
    return write_list(type.ref(options), render_duration);
  }
  std::string operator()(const Choice& type) const { return quote(type.words[type.get(options)]); }
};

std::string between(const std::string& min, const std::string& max) {
  return min == max ? "only " + min : min + " to " + max;
}

std::string render_range(const Range& milliseconds) {
  const auto text = [](std::int64_t ms) { return render_duration(std::chrono::milliseconds{ms}); };
  return between(text(milliseconds.min), text(milliseconds.max)) +
         (milliseconds.step == 1 ? "" : " in steps of " + text(milliseconds.step));
}

struct Expectation {
  std::string operator()(const Flag&) const { return "true or false"; }
  std::string operator()(const Count& type) const {
    return std::string(type.unit) + ", " +
           between(std::to_string(type.range.min), std::to_string(type.range.max));
  }
  std::string operator()(const Size& type) const {
    const auto text = [](std::int64_t bytes) {
      return render_size(static_cast<std::uint64_t>(bytes));
    };
    return "size, " + between(text(type.range.min), text(type.range.max)) +
           (type.range.step == 1 ? "" : " in steps of " + text(type.range.step));
  }
  std::string operator()(const Duration& type) const {
    return "duration, " + render_range(type.range);
  }
  std::string operator()(const Decimal& type) const {
    return std::string(type.unit) + ", " +
           between(render_permille(type.range.min), render_permille(type.range.max));
  }
  std::string operator()(const Address&) const { return "address and port"; }
  std::string operator()(const Text& type) const { return std::string(type.unit); }
  std::string operator()(const TextList& type) const {
    return "list of up to " + std::to_string(type.size_max) + " " + std::string(type.unit);
  }
  std::string operator()(const DurationList& type) const {
    return "list of up to " + std::to_string(type.size_max) + " durations, each " +
           render_range(type.range);
  }
  std::string operator()(const Choice& type) const {
    std::string words;
    for (const std::string_view word : type.words) {
      words.append(words.empty() ? "" : ", ").append(word);
    }
    return type.words.size() == 1 ? words + " is the only choice" : "one of " + words;
  }
};

// Whether the value of a secret key, as TOML, has nothing to hide.
bool is_nothing(std::string_view toml) { return toml == "\"\"" || toml == "[]"; }

// `name = value`, or for a secret that is set a comment in its place.
std::string assignment(const Key& key, const Options& options) {
  const std::string leaf(leaf_of(key.name));
  const std::string value = render_value(key, options);
  if (key.secret && !is_nothing(value)) return "# " + leaf + ": " + value;
  return leaf + " = " + value;
}

// The assignment and what the key takes: behind it, or where that is too long on a line above.
std::string documented(const Key& key, const Options& options) {
  std::string line = assignment(key, options);
  std::string note = "# " + render_expected(key) + (key.tunable ? "; reloads" : "");
  const bool fits = line.size() + 2 + note.size() <= kColumns;
  if (fits) return line.append("  ").append(note).append("\n");
  return note.append("\n").append(line).append("\n");
}

}  // namespace

std::string render_value(const Key& key, const Options& options) {
  // Rows find members in a mutable Options, for assigning; reading goes through a copy.
  Options copy = options;
  std::string text = std::visit(Writer{copy}, key.type);
  return key.secret && !is_nothing(text) ? "set, not shown" : text;
}

std::string render_expected(const Key& key) { return std::visit(Expectation{}, key.type); }

std::string render(const Loaded& loaded) {
  std::string out;
  for (const Section& section : sections()) {
    out += (out.empty() ? "[" : "\n[") + std::string(section.name) + "]\n";
    for (const Key& key : keys()) {
      if (section_of(key.name) != section.name) continue;
      out += assignment(key, loaded.options);
      const auto origin = loaded.origins.find(key.name);
      if (origin != loaded.origins.end()) out += "  # " + to_string(origin->second);
      out += '\n';
    }
  }
  return out;
}

std::string render(const Options& options) { return render(Loaded{options, {}}); }

std::string render_reference() {
  const Options defaults;
  std::string out(kReferenceHead.substr(1));  // the line break that keeps the source straight
  for (const Section& section : sections()) {
    out += "\n# " + std::string(section.why) + "\n[" + std::string(section.name) + "]\n";
    bool first = true;
    for (const Key& key : keys()) {
      if (section_of(key.name) != section.name) continue;
      out += (first ? "# " : "\n# ") + std::string(key.why) + '\n';
      out += documented(key, defaults);
      first = false;
    }
  }
  return out;
}

}  // namespace payonce::config
