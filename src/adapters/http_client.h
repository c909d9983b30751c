// adapters/http_client.h: HTTP calls to one base URL, and how far each of them got.
//
// What a payment may conclude from a failure hangs on one question: can the other side have seen
// the request? So libcurl tells us when it has a connection (with TLS: a verified one) and begins
// to send; only a failure before that says `sent` = false. No request is ever sent twice.
// No redirects, no proxies; an answer's body is at most kBodyMax.
// Threads: calls from any number of threads, each on a connection that goes back to a pool.
// Lifetime: stop() ends calls at once, and refuses further ones. Errors: in the answer, as text.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace payonce::adapters {

class HttpClient {
 public:
  static constexpr std::size_t kBodyMax = std::size_t{64} << 10;

  struct Options {
    std::string url;  // http or https, without query; paths are appended to it
    std::chrono::milliseconds connect_timeout{3'000};
    std::chrono::milliseconds timeout{15'000};  // of a call as a whole
    std::string api_key;                        // sent as a bearer token, if any
    std::string ca_file;                        // empty: the system's certificates
  };
  struct Answer {
    int status = 0;     // 0: there was no (whole) answer
    bool sent = false;  // false: the other side has certainly not seen the request
    std::string body;   // of an answer
    std::string error;  // without one: what happened
  };

  // kInvalid: the URL or the API key is not acceptable; kIo: the certificates cannot be read.
  [[nodiscard]] static Result<std::unique_ptr<HttpClient>> make(Options options);
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  // `path` is "", or starts with a slash and is percent-encoded. `body` is JSON, `idempotency_key`
  // may be empty, `headers` are further ones as "Name: value".
  [[nodiscard]] Answer post(const std::string& path, const std::string& idempotency_key,
                            const std::string& body, std::vector<std::string> headers = {});
  [[nodiscard]] Answer get(const std::string& path);

  void stop();

 private:
  struct Request {
    const std::string* path;
    const std::string* body;  // null: GET
    std::vector<std::string> headers;
  };
  struct Line;  // one connection; keeps curl.h out of this header

  explicit HttpClient(Options options);
  [[nodiscard]] Answer call(const Request& request);
  [[nodiscard]] Line* take_line();
  void give_back(Line* line);
  [[nodiscard]] bool stopping() const;

  Options options_;
  mutable std::mutex mutex_;
  bool stopping_ = false;                     // guarded by mutex_
  std::vector<std::unique_ptr<Line>> lines_;  // all of them; guarded by mutex_
  std::vector<Line*> idle_;                   // guarded by mutex_
};

// Everything but the unreserved characters of RFC 3986 as %XX, for one segment of a path.
[[nodiscard]] std::string percent_encode(std::string_view text);

}  // namespace payonce::adapters
