// adapters/http_client.h: HTTP calls to one base URL, and how far each of them got.
//
// What a payment may conclude from a failure hangs on one question: can the other side have seen
// the request? So libcurl tells us when it has a connection (with TLS: a verified one) and begins
// to send; only a failure before that says `sent` = false. No request is ever sent twice.
// No redirects, no proxies; an answer's body is at most kBodyMax.
// Threads: calls from any; all of them are made by one thread of the client's (transfers.h), which
// hands out the answers, so that a call which waits holds none. Connections are used again.
// Lifetime: stop() ends calls at once, and refuses further ones. Errors: in the answer, as text.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "adapters/transfers.h"
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
    std::size_t calls_max = 64;  // at a time, or about so; as many connections stay open
  };
  struct Answer {
    int status = 0;     // 0: there was no (whole) answer
    bool sent = false;  // false: the other side has certainly not seen the request
    std::string body;   // of an answer
    std::string error;  // without one: what happened
  };

  // Called exactly once for each call: by the client's thread, or, when nothing was started, by
  // the call itself. Must neither throw nor block; may make further calls.
  using Done = std::function<void(Answer)>;

  // kInvalid: the URL or the API key is not acceptable; kIo: the certificates cannot be read;
  // kFull: the system has no descriptors left.
  [[nodiscard]] static Result<std::unique_ptr<HttpClient>> make(Options options);
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  // `path` is "", or starts with a slash and is percent-encoded. `body` is JSON, `idempotency_key`
  // may be empty, `headers` are further ones as "Name: value".
  void post(const std::string& path, const std::string& idempotency_key, std::string body,
            Done done, std::vector<std::string> headers = {});
  void get(const std::string& path, Done done);

  // The same for who has a thread to wait with. Never from within a Done.
  [[nodiscard]] Answer post(const std::string& path, const std::string& idempotency_key,
                            std::string body, std::vector<std::string> headers = {});
  [[nodiscard]] Answer get(const std::string& path);

  void stop() { transfers_->stop(); }

 private:
  class Call;  // one of them; keeps what libcurl needs

  HttpClient(Options options, std::unique_ptr<Transfers> transfers)
      : options_(std::move(options)), transfers_(std::move(transfers)) {}

  Options options_;
  std::unique_ptr<Transfers> transfers_;
};

// Everything but the unreserved characters of RFC 3986 as %XX, for one segment of a path.
[[nodiscard]] std::string percent_encode(std::string_view text);

}  // namespace payonce::adapters
