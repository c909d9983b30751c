// observe/logger.h: structured logs, one JSON object a line on standard error.
//
// Every line has "ts", "level" and "event" (a stable snake_case name), then the fields given.
// Values are escaped; nothing is interpolated. Levels can be changed while running. Thread-safe.
#pragma once

#include <atomic>
#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <variant>

namespace spdlog {
class logger;
}

namespace payonce::observe {

enum class Level : std::uint8_t { kDebug, kInfo, kWarn, kError };
[[nodiscard]] std::string_view name(Level level);

struct Field {
  Field(std::string_view n, std::string_view v) : name(n), value(v) {}
  Field(std::string_view n, const char* v) : name(n), value(std::string_view(v)) {}
  Field(std::string_view n, const std::string& v) : name(n), value(std::string_view(v)) {}
  Field(std::string_view n, bool v) : name(n), value(v) {}
  Field(std::string_view n, std::integral auto v) : name(n), value(static_cast<std::int64_t>(v)) {}

  std::string_view name;
  std::variant<std::string_view, std::int64_t, bool> value;
};

class Logger {
 public:
  explicit Logger(Level level);
  ~Logger();
  Logger(const Logger&) = delete;
  Logger& operator=(const Logger&) = delete;

  void set_level(Level level) { level_.store(level, std::memory_order_relaxed); }
  [[nodiscard]] bool enabled(Level level) const {
    return level >= level_.load(std::memory_order_relaxed);
  }
  void write(Level level, std::string_view event, std::initializer_list<Field> fields);
  void debug(std::string_view event, std::initializer_list<Field> fields) {
    write(Level::kDebug, event, fields);
  }
  void info(std::string_view event, std::initializer_list<Field> fields) {
    write(Level::kInfo, event, fields);
  }
  void warn(std::string_view event, std::initializer_list<Field> fields) {
    write(Level::kWarn, event, fields);
  }
  void error(std::string_view event, std::initializer_list<Field> fields) {
    write(Level::kError, event, fields);
  }

 private:
  std::atomic<Level> level_;
  std::shared_ptr<spdlog::logger> out_;
};

}  // namespace payonce::observe
