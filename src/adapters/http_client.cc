#include "adapters/http_client.h"

#include <curl/curl.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <future>
#include <optional>
#include <utility>

#include "adapters/curl_call.h"

namespace payonce::adapters {
namespace {

// An idle connection is used again for this long: shorter than what servers usually allow, so that
// a request seldom meets a connection that is just being closed.
constexpr long kIdleMaxS = 20;
// For what does not fit into the socket; the least that libcurl takes.
constexpr long kSendBuffer = 16'384;

struct Progress {
  bool sent = false;  // whether a request may have left
  bool too_long = false;
  std::string body;
};

std::size_t on_body(const char* data, std::size_t /*one*/, std::size_t size, void* to) {
  auto& progress = *static_cast<Progress*>(to);
  if (progress.body.size() + size > HttpClient::kBodyMax) {
    progress.too_long = true;
    return CURL_WRITEFUNC_ERROR;
  }
  progress.body.append(data, size);
  return size;
}

// Connected, and about to send. libcurl would send once more by itself when a connection that it
// uses again ends without an answer; but then the first request may have been carried out, and what
// to do about that is not for a library to say.
int on_connected(void* to, char* /*remote*/, char* /*local*/, int /*port*/, int /*local_port*/) {
  auto& progress = *static_cast<Progress*>(to);
  const bool again = std::exchange(progress.sent, true);
  return again ? CURL_PREREQFUNC_ABORT : CURL_PREREQFUNC_OK;
}

// Starts a call and waits for its answer.
template <class Start>
HttpClient::Answer answer_of(Start start) {
  const auto promise = std::make_shared<std::promise<HttpClient::Answer>>();
  auto answer = promise->get_future();
  start([promise](HttpClient::Answer given) { promise->set_value(std::move(given)); });
  return answer.get();
}

}  // namespace

class HttpClient::Call final : public Transfer {
 public:
  Call(const Options& options, const std::string& path, std::optional<std::string> body,
       const std::vector<std::string>& headers, Done done);

  [[nodiscard]] CURL* handle() override { return good_ ? easy_.get() : nullptr; }
  void finished(std::optional<CURLcode> result) override;

 private:
  struct Free {
    void operator()(CURL* easy) const { curl_easy_cleanup(easy); }
  };

  template <class T>
  void set(CURLoption option, T value) {
    good_ = good_ && curl_easy_setopt(easy_.get(), option, value) == CURLE_OK;
  }
  void add(const std::string& header) { good_ = good_ && append(headers_, header); }
  void set_limits(const Options& options);
  [[nodiscard]] std::string why(std::optional<CURLcode> result) const;

  // libcurl writes and reads these until the handle is gone: they stand before it.
  std::array<char, CURL_ERROR_SIZE> error_{};
  Progress progress_;
  std::optional<std::string> body_;  // nothing: GET
  CurlList headers_;
  Done done_;
  std::unique_ptr<CURL, Free> easy_;
  bool good_;  // all options have been taken
};

HttpClient::Call::Call(const Options& options, const std::string& path,
                       std::optional<std::string> body, const std::vector<std::string>& headers,
                       Done done)
    : body_(std::move(body)),
      done_(std::move(done)),
      easy_(curl_ready() ? curl_easy_init() : nullptr),
      good_(easy_ != nullptr) {
  set_limits(options);
  set(CURLOPT_URL, (options.url + path).c_str());
  // Without it libcurl would wait for leave to send a longer body.
  add("Expect:");
  add("Accept: application/json");
  if (!options.api_key.empty()) {
    add("Authorization: Bearer " + options.api_key);
  }
  for (const std::string& header : headers) {
    add(header);
  }
  if (body_) {
    add("Content-Type: application/json");
    set(CURLOPT_POST, 1L);
    set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(body_->size()));
    set(CURLOPT_POSTFIELDS, body_->c_str());
  }
  set(CURLOPT_HTTPHEADER, headers_.get());
}

void HttpClient::Call::set_limits(const Options& options) {
  set(CURLOPT_ERRORBUFFER, error_.data());
  set(CURLOPT_NOSIGNAL, 1L);
  set(CURLOPT_PROTOCOLS_STR, "http,https");
  set(CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  set(CURLOPT_FOLLOWLOCATION, 0L);
  set(CURLOPT_PATH_AS_IS, 1L);
  set(CURLOPT_UPLOAD_BUFFERSIZE, kSendBuffer);
  set(CURLOPT_MAXAGE_CONN, kIdleMaxS);
  set(CURLOPT_TCP_NODELAY, 1L);
  set(CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(options.connect_timeout.count()));
  set(CURLOPT_TIMEOUT_MS, static_cast<long>(options.timeout.count()));
  set(CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  if (!options.ca_file.empty()) {
    set(CURLOPT_CAINFO, options.ca_file.c_str());
  }
  set(CURLOPT_WRITEFUNCTION, &on_body);
  set(CURLOPT_WRITEDATA, static_cast<void*>(&progress_));
  set(CURLOPT_PREREQFUNCTION, &on_connected);
  set(CURLOPT_PREREQDATA, static_cast<void*>(&progress_));
}

void HttpClient::Call::finished(std::optional<CURLcode> result) {
  Answer answer;
  answer.sent = progress_.sent;
  if (result == CURLE_OK) {
    long status = 0;
    curl_easy_getinfo(easy_.get(), CURLINFO_RESPONSE_CODE, &status);
    answer.status = static_cast<int>(status);
    answer.body = std::move(progress_.body);
  } else {
    answer.error = why(result);
  }
  done_(std::move(answer));
}

std::string HttpClient::Call::why(std::optional<CURLcode> result) const {
  if (progress_.too_long) {
    return "the answer is too long";
  }
  if (!result) {
    return "stopping";
  }
  if (*result == CURLE_ABORTED_BY_CALLBACK) {
    return "the connection ended without an answer";
  }
  return error_.front() != '\0' ? error_.data() : curl_easy_strerror(*result);
}

Result<std::unique_ptr<HttpClient>> HttpClient::make(Options options) {
  while (options.url.ends_with('/')) {
    options.url.pop_back();
  }
  struct FreeUrl {
    void operator()(CURLU* url) const { curl_url_cleanup(url); }
  };
  const std::unique_ptr<CURLU, FreeUrl> url(curl_ready() ? curl_url() : nullptr);
  const auto has_part = [&](CURLUPart part) {
    char* text = nullptr;
    const bool there = curl_url_get(url.get(), part, &text, 0) == CURLUE_OK;
    curl_free(text);
    return there;
  };
  const bool web = options.url.starts_with("http://") || options.url.starts_with("https://");
  if (url == nullptr || !web ||
      curl_url_set(url.get(), CURLUPART_URL, options.url.c_str(), 0) != CURLUE_OK ||
      has_part(CURLUPART_QUERY) || has_part(CURLUPART_FRAGMENT)) {
    return fail(Errc::kInvalid, "a URL with http or https and without a query is needed");
  }
  const auto breaks_line = [](char c) { return c == '\r' || c == '\n' || c == '\0'; };
  if (std::ranges::any_of(options.api_key, breaks_line)) {
    return fail(Errc::kInvalid, "the API key may not hold a line break");
  }
  if (!options.ca_file.empty() && !std::ifstream(options.ca_file).good()) {
    return fail(Errc::kIo, "cannot read " + options.ca_file);
  }
  auto transfers = Transfers::make(options.calls_max);
  if (!transfers) {
    return std::unexpected(transfers.error());
  }
  return std::unique_ptr<HttpClient>(new HttpClient(std::move(options), std::move(*transfers)));
}

void HttpClient::post(const std::string& path, const std::string& idempotency_key, std::string body,
                      Done done, std::vector<std::string> headers) {
  if (!idempotency_key.empty()) {
    headers.push_back("Idempotency-Key: " + idempotency_key);
  }
  transfers_->start(
      std::make_unique<Call>(options_, path, std::move(body), headers, std::move(done)));
}

void HttpClient::get(const std::string& path, Done done) {
  transfers_->start(std::make_unique<Call>(options_, path, std::nullopt, std::vector<std::string>(),
                                           std::move(done)));
}

HttpClient::Answer HttpClient::post(const std::string& path, const std::string& idempotency_key,
                                    std::string body, std::vector<std::string> headers) {
  return answer_of([&](Done done) {
    post(path, idempotency_key, std::move(body), std::move(done), std::move(headers));
  });
}

HttpClient::Answer HttpClient::get(const std::string& path) {
  return answer_of([&](Done done) { get(path, std::move(done)); });
}

std::string percent_encode(std::string_view text) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  constexpr std::string_view kUnreserved =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_~";
  // A segment of dots alone would mean another place.
  const bool dots = text.find_first_not_of('.') == std::string_view::npos;
  std::string out;
  for (const char c : text) {
    if (kUnreserved.find(c) != std::string_view::npos || (c == '.' && !dots)) {
      out += c;
    } else {
      const auto byte = static_cast<unsigned char>(c);
      out += {'%', kDigits[byte >> 4], kDigits[byte & 15]};
    }
  }
  return out;
}

}  // namespace payonce::adapters
