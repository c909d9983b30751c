#include "observe/logger.h"

#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <chrono>

#include "base/time.h"

namespace payonce::observe {
namespace {

using JsonWriter = rapidjson::Writer<rapidjson::StringBuffer>;

void put(JsonWriter& json, std::string_view text) {
  json.String(text.data(), static_cast<rapidjson::SizeType>(text.size()));
}

std::string now_text() {
  const auto since = std::chrono::system_clock::now().time_since_epoch();
  return format_rfc3339(
      Timestamp{std::chrono::duration_cast<std::chrono::microseconds>(since).count()});
}

}  // namespace

std::string_view name(Level level) {
  switch (level) {
    case Level::kDebug:
      return "debug";
    case Level::kInfo:
      return "info";
    case Level::kWarn:
      return "warn";
    case Level::kError:
      return "error";
  }
  return "";
}

Logger::Logger(Level level)
    : level_(level),
      out_(std::make_shared<spdlog::logger>("payonce",
                                            std::make_shared<spdlog::sinks::stderr_sink_mt>())) {
  out_->set_pattern("%v");
  out_->set_level(spdlog::level::trace);  // level_ decides
}

Logger::~Logger() = default;

void Logger::write(Level level, std::string_view event, std::initializer_list<Field> fields) {
  if (!enabled(level)) {
    return;
  }
  rapidjson::StringBuffer buffer;
  JsonWriter json(buffer);
  json.StartObject();
  put(json, "ts");
  put(json, now_text());
  put(json, "level");
  put(json, name(level));
  put(json, "event");
  put(json, event);
  for (const Field& field : fields) {
    put(json, field.name);
    if (const auto* text = std::get_if<std::string_view>(&field.value)) {
      put(json, *text);
    } else if (const auto* number = std::get_if<std::int64_t>(&field.value)) {
      json.Int64(*number);
    } else {
      json.Bool(std::get<bool>(field.value));
    }
  }
  json.EndObject();
  out_->log(spdlog::level::info, spdlog::string_view_t(buffer.GetString(), buffer.GetSize()));
}

}  // namespace payonce::observe
