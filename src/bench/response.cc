#include "bench/response.h"

#include <strings.h>

#include <charconv>

namespace payonce::bench {
namespace {

constexpr std::int64_t kRetryAfterMax = 3600;

bool is(const std::string& field, const char* name) {
  return ::strcasecmp(field.c_str(), name) == 0;
}

}  // namespace

// What the library calls; a value other than 0 stops it.
struct ResponseParser::Callbacks {
  static ResponseParser& self(http_parser* parser) {
    return *static_cast<ResponseParser*>(parser->data);
  }
  static int field(http_parser* parser, const char* at, std::size_t length) {
    ResponseParser& me = self(parser);
    if (me.in_value_) {
      me.take_header();
    }
    me.field_.append(at, length);
    return 0;
  }
  static int value(http_parser* parser, const char* at, std::size_t length) {
    ResponseParser& me = self(parser);
    me.in_value_ = true;
    me.value_.append(at, length);
    return 0;
  }
  static int headers_complete(http_parser* parser) {
    ResponseParser& me = self(parser);
    me.take_header();
    me.response_.status = static_cast<int>(parser->status_code);
    return 0;
  }
  static int body(http_parser* parser, const char* at, std::size_t length) {
    ResponseParser& me = self(parser);
    if (me.response_.body.size() + length > kBodyMax) {
      return 1;
    }
    me.response_.body.append(at, length);
    return 0;
  }
  static int message_complete(http_parser* parser) {
    ResponseParser& me = self(parser);
    me.done_ = true;
    me.response_.keep_alive = http_should_keep_alive(parser) != 0;
    http_parser_pause(parser, 1);  // what follows is not this answer's
    return 0;
  }
  static http_parser_settings settings() {
    http_parser_settings settings;
    http_parser_settings_init(&settings);
    settings.on_header_field = field;
    settings.on_header_value = value;
    settings.on_headers_complete = headers_complete;
    settings.on_body = body;
    settings.on_message_complete = message_complete;
    return settings;
  }
};

void ResponseParser::reset() {
  http_parser_init(&parser_, HTTP_RESPONSE);
  parser_.data = this;
  std::string body = std::move(response_.body);  // keeps its memory
  body.clear();
  response_ = Response{};
  response_.body = std::move(body);
  field_.clear();
  value_.clear();
  in_value_ = false;
  done_ = false;
}

void ResponseParser::take_header() {
  if (is(field_, "Retry-After")) {
    std::int64_t seconds = 0;
    const char* end = value_.data() + value_.size();
    const auto read = std::from_chars(value_.data(), end, seconds);
    response_.retry_after = read.ec == std::errc() && read.ptr == end && seconds >= 0;
    response_.retry_after_s = std::min(seconds, kRetryAfterMax);
  } else if (is(field_, "Idempotent-Replayed")) {
    response_.replayed = value_ == "true";
  }
  field_.clear();
  value_.clear();
  in_value_ = false;
}

ResponseParser::State ResponseParser::feed(std::string_view bytes) {
  static const http_parser_settings settings = Callbacks::settings();
  if (done_) {
    return State::kBroken;
  }
  const std::size_t read = http_parser_execute(&parser_, &settings, bytes.data(), bytes.size());
  if (done_) {
    return read == bytes.size() ? State::kDone : State::kBroken;
  }
  return HTTP_PARSER_ERRNO(&parser_) == HPE_OK && read == bytes.size() && !bytes.empty()
             ? State::kMore
             : State::kBroken;
}

}  // namespace payonce::bench
