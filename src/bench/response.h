// bench/response.h: one HTTP/1.1 answer, put together from the bytes of a connection.
//
// http-parser reads it; this keeps what the load generator looks at. One thread, one connection.
// Whatever a server sends is an answer, more to read, or an error; nothing throws but bad_alloc.
#pragma once

#include <http_parser.h>

#include <cstdint>
#include <string>
#include <string_view>

namespace payonce::bench {

struct Response {
  int status = 0;
  bool retry_after = false;  // there is a Retry-After
  std::int64_t retry_after_s = 0;
  bool replayed = false;    // Idempotent-Replayed: true
  bool keep_alive = false;  // the connection takes another request
  std::string body;
};

class ResponseParser {
 public:
  static constexpr std::size_t kBodyMax = 16 << 20;

  enum class State : std::uint8_t { kMore, kDone, kBroken };

  ResponseParser() { reset(); }
  // The library's parser points back here.
  ResponseParser(const ResponseParser&) = delete;
  ResponseParser& operator=(const ResponseParser&) = delete;

  // Before each answer.
  void reset();
  // The next bytes; none at all mean that the connection has ended. Bytes behind the end of the
  // answer are an error: nothing was asked yet that they could answer.
  State feed(std::string_view bytes);
  [[nodiscard]] const Response& response() const { return response_; }

 private:
  struct Callbacks;
  void take_header();

  http_parser parser_{};
  Response response_;
  std::string field_;
  std::string value_;
  bool in_value_ = false;
  bool done_ = false;
};

}  // namespace payonce::bench
