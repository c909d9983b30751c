// http/json_writer.h: writes JSON text; RapidJSON does the escaping. One thread, one text.
#pragma once

#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "base/money.h"
#include "base/time.h"

namespace payonce::http {

class JsonWriter {
 public:
  JsonWriter() : json_(buffer_) {}

  void begin_object() { json_.StartObject(); }
  void end_object() { json_.EndObject(); }
  void begin_array() { json_.StartArray(); }
  void end_array() { json_.EndArray(); }
  void key(std::string_view name) {
    json_.Key(name.data(), static_cast<rapidjson::SizeType>(name.size()));
  }

  void value(std::string_view text) {
    json_.String(text.data(), static_cast<rapidjson::SizeType>(text.size()));
  }
  void value(const std::string& text) { value(std::string_view(text)); }
  void value(const char* text) { value(std::string_view(text)); }
  void value(std::int64_t number) { json_.Int64(number); }
  void value(std::uint64_t number) { json_.Uint64(number); }
  void value(std::uint32_t number) { json_.Uint(number); }
  void value(bool flag) { json_.Bool(flag); }
  void value(Timestamp time) { value(format_rfc3339(time)); }
  void null() { json_.Null(); }
  // Text that is JSON already, such as stored metadata.
  void raw(std::string_view text) {
    json_.RawValue(text.data(), text.size(), rapidjson::kObjectType);
  }

  template <class T>
  void member(std::string_view name, const T& v) {
    key(name);
    value(v);
  }
  void member_or_null(std::string_view name, std::string_view text) {
    key(name);
    if (text.empty()) {
      null();
    } else {
      value(text);
    }
  }
  void member_amount(std::string_view name, WideAmount minor, Currency currency) {
    key(name);
    value(format_amount(minor, currency));
  }

  [[nodiscard]] std::string take() { return {buffer_.GetString(), buffer_.GetSize()}; }

 private:
  rapidjson::StringBuffer buffer_;
  rapidjson::Writer<rapidjson::StringBuffer> json_;
};

}  // namespace payonce::http
