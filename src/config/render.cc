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
# numbers with KiB, MiB, GiB or TiB ("64MiB"). SIGHUP applies new values of the keys marked
# "reloads"; all others are read once, at start.
)";

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
  std::string operator()(const Choice& type) const { return quote(type.words[type.get(options)]); }
};

std::string between(const std::string& min, const std::string& max) {
  return min == max ? "only " + min : min + " to " + max;
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
    const auto text = [](std::int64_t ms) {
      return render_duration(std::chrono::milliseconds{ms});
    };
    return "duration, " + between(text(type.range.min), text(type.range.max)) +
           (type.range.step == 1 ? "" : " in steps of " + text(type.range.step));
  }
  std::string operator()(const Decimal& type) const {
    return std::string(type.unit) + ", " +
           between(render_permille(type.range.min), render_permille(type.range.max));
  }
  std::string operator()(const Address&) const { return "address and port"; }
  std::string operator()(const Text& type) const { return std::string(type.unit); }
  std::string operator()(const Choice& type) const {
    std::string words;
    for (const std::string_view word : type.words) {
      words.append(words.empty() ? "" : ", ").append(word);
    }
    return type.words.size() == 1 ? words + " is the only choice" : "one of " + words;
  }
};

// `name = value`, or for a secret a comment in its place.
std::string assignment(const Key& key, const Options& options) {
  const std::string leaf(leaf_of(key.name));
  if (key.secret) return "# " + leaf + ": " + render_value(key, options);
  return leaf + " = " + render_value(key, options);
}

}  // namespace

std::string render_value(const Key& key, const Options& options) {
  // Rows find members in a mutable Options, for assigning; reading goes through a copy.
  Options copy = options;
  std::string text = std::visit(Writer{copy}, key.type);
  if (key.secret) return text == "\"\"" ? "not set" : "set, not shown";
  return text;
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
      out += assignment(key, defaults) + "  # " + render_expected(key);
      out += key.tunable ? "; reloads\n" : "\n";
      first = false;
    }
  }
  return out;
}

}  // namespace payonce::config
