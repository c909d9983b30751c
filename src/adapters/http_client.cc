#include "adapters/http_client.h"

#include <curl/curl.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <utility>

#include "adapters/curl_call.h"

namespace payonce::adapters {
namespace {

// An idle connection is used again for this long: shorter than what servers usually allow, so that
// a request seldom meets a connection that is just being closed.
constexpr long kIdleMaxS = 20;
constexpr int kPollMs = 1'000;  // stop() ends it early

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

}  // namespace

struct HttpClient::Line {
  Line() : multi(curl_ready() ? curl_multi_init() : nullptr), easy(curl_easy_init()) {}
  ~Line() {
    curl_easy_cleanup(easy);
    curl_multi_cleanup(multi);
  }
  Line(const Line&) = delete;
  Line& operator=(const Line&) = delete;

  template <class T>
  void set(CURLoption option, T value) {
    good = good && curl_easy_setopt(easy, option, value) == CURLE_OK;
  }
  void prepare(const Options& options);
  // False when some option does not take; nothing has been sent then.
  [[nodiscard]] bool prepare(const Options& options, const Request& request, CurlList& headers);

  CURLM* multi;
  CURL* easy;
  bool good = true;
  std::array<char, CURL_ERROR_SIZE> error{};
  Progress progress;
};

void HttpClient::Line::prepare(const Options& options) {
  set(CURLOPT_ERRORBUFFER, error.data());
  set(CURLOPT_NOSIGNAL, 1L);
  set(CURLOPT_PROTOCOLS_STR, "http,https");
  set(CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  set(CURLOPT_FOLLOWLOCATION, 0L);
  set(CURLOPT_PATH_AS_IS, 1L);
  set(CURLOPT_MAXCONNECTS, 1L);
  set(CURLOPT_MAXAGE_CONN, kIdleMaxS);
  set(CURLOPT_TCP_NODELAY, 1L);
  set(CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(options.connect_timeout.count()));
  set(CURLOPT_TIMEOUT_MS, static_cast<long>(options.timeout.count()));
  set(CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  if (!options.ca_file.empty()) {
    set(CURLOPT_CAINFO, options.ca_file.c_str());
  }
  set(CURLOPT_WRITEFUNCTION, &on_body);
  set(CURLOPT_WRITEDATA, static_cast<void*>(&progress));
  set(CURLOPT_PREREQFUNCTION, &on_connected);
  set(CURLOPT_PREREQDATA, static_cast<void*>(&progress));
}

bool HttpClient::Line::prepare(const Options& options, const Request& request, CurlList& headers) {
  if (multi == nullptr || easy == nullptr) {
    return false;
  }
  good = true;
  progress = {};
  error.front() = '\0';
  curl_easy_reset(easy);  // the connection stays, in `multi`
  prepare(options);
  set(CURLOPT_URL, (options.url + *request.path).c_str());
  // Without it libcurl would wait for leave to send a longer body.
  good = good && append(headers, "Expect:") && append(headers, "Accept: application/json");
  if (!options.api_key.empty()) {
    good = good && append(headers, "Authorization: Bearer " + options.api_key);
  }
  for (const std::string& header : request.headers) {
    good = good && append(headers, header);
  }
  if (request.body != nullptr) {
    good = good && append(headers, "Content-Type: application/json");
    set(CURLOPT_POST, 1L);
    set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.body->size()));
    set(CURLOPT_POSTFIELDS, request.body->c_str());
  }
  set(CURLOPT_HTTPHEADER, headers.get());
  return good;
}

HttpClient::HttpClient(Options options) : options_(std::move(options)) {}

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
  return std::unique_ptr<HttpClient>(new HttpClient(std::move(options)));
}

HttpClient::~HttpClient() = default;

HttpClient::Answer HttpClient::post(const std::string& path, const std::string& idempotency_key,
                                    const std::string& body, std::vector<std::string> headers) {
  if (!idempotency_key.empty()) {
    headers.push_back("Idempotency-Key: " + idempotency_key);
  }
  return call({.path = &path, .body = &body, .headers = std::move(headers)});
}

HttpClient::Answer HttpClient::get(const std::string& path) {
  return call({.path = &path, .body = nullptr, .headers = {}});
}

HttpClient::Answer HttpClient::call(const Request& request) {
  Answer answer;
  Line* line = take_line();
  if (line == nullptr) {
    answer.error = "stopping";
    return answer;
  }
  CurlList headers;
  CURLcode code = CURLE_FAILED_INIT;
  if (line->prepare(options_, request, headers) &&
      curl_multi_add_handle(line->multi, line->easy) == CURLM_OK) {
    code = CURLE_ABORTED_BY_CALLBACK;  // unless it comes to its end
    for (int running = 1; running > 0 && !stopping();) {
      if (curl_multi_perform(line->multi, &running) != CURLM_OK ||
          (running > 0 && curl_multi_poll(line->multi, nullptr, 0, kPollMs, nullptr) != CURLM_OK)) {
        break;
      }
    }
    int left = 0;
    while (const CURLMsg* message = curl_multi_info_read(line->multi, &left)) {
      if (message->msg == CURLMSG_DONE) {
        code = message->data.result;
      }
    }
    long status = 0;
    curl_easy_getinfo(line->easy, CURLINFO_RESPONSE_CODE, &status);
    answer.status = code == CURLE_OK ? static_cast<int>(status) : 0;
    curl_multi_remove_handle(line->multi, line->easy);
  }
  answer.sent = line->progress.sent;
  if (code == CURLE_OK) {
    answer.body = std::move(line->progress.body);
  } else if (line->progress.too_long) {
    answer.error = "the answer is too long";
  } else if (stopping()) {
    answer.error = "stopping";
  } else if (code == CURLE_ABORTED_BY_CALLBACK) {
    answer.error = "the connection ended without an answer";
  } else {
    answer.error = line->error.front() != '\0' ? line->error.data() : curl_easy_strerror(code);
  }
  give_back(line);
  return answer;
}

HttpClient::Line* HttpClient::take_line() {
  const std::lock_guard lock(mutex_);
  if (stopping_) {
    return nullptr;
  }
  if (idle_.empty()) {
    return lines_.emplace_back(std::make_unique<Line>()).get();
  }
  Line* line = idle_.back();  // the last one used: the others grow cold and are closed
  idle_.pop_back();
  return line;
}

void HttpClient::give_back(Line* line) {
  line->progress = {};
  const std::lock_guard lock(mutex_);
  idle_.push_back(line);
}

bool HttpClient::stopping() const {
  const std::lock_guard lock(mutex_);
  return stopping_;
}

void HttpClient::stop() {
  const std::lock_guard lock(mutex_);
  stopping_ = true;
  for (const auto& line : lines_) {
    if (line->multi != nullptr) {
      curl_multi_wakeup(line->multi);
    }
  }
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
