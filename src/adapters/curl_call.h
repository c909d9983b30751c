// adapters/curl_call.h: one transfer by libcurl, with what every transfer of ours has in common.
//
// No proxies, no redirects, no signals, TLS 1.2 or newer with the peer verified, a limit on the
// whole of it. Options that do not take are remembered, and perform() then fails.
// Threads: one object belongs to one thread. Lifetime: what pointers point to outlives perform().
#pragma once

#include <curl/curl.h>

#include <array>
#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <vector>

namespace payonce::adapters {

// Makes the library ready, once, before the first handle; false when it cannot be used.
[[nodiscard]] bool curl_ready();

struct FreeCurlList {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};
using CurlList = std::unique_ptr<curl_slist, FreeCurlList>;

// Adds a copy of the text; false, with the list as it was, when memory is exhausted.
[[nodiscard]] bool append(CurlList& list, const std::string& text);

class CurlCall {
 public:
  struct Limits {
    std::chrono::milliseconds timeout;
    std::string ca_file;            // empty: the system's certificates
    const std::atomic<bool>* stop;  // true ends the transfer within a second
  };

  CurlCall(const char* protocols, const std::string& url, const Limits& limits);
  CurlCall(const CurlCall&) = delete;
  CurlCall& operator=(const CurlCall&) = delete;

  template <class T>
  void set(CURLoption option, T value) {
    if (failed_ == CURLE_OK) {
      failed_ =
          handle_ == nullptr ? CURLE_FAILED_INIT : curl_easy_setopt(handle_.get(), option, value);
    }
  }
  // A list option; `items` are copied.
  template <class Items>
  void set_list(CURLoption option, const Items& items) {
    CurlList& list = lists_.emplace_back();
    for (const std::string& item : items) {
      if (!append(list, item)) {
        failed_ = CURLE_OUT_OF_MEMORY;
        break;
      }
    }
    set(option, list.get());
  }

  [[nodiscard]] CURLcode perform();

  // After perform().
  [[nodiscard]] long status() const;       // the last one of HTTP or SMTP, 0 if there was none
  [[nodiscard]] long retry_after() const;  // seconds, 0 if the answer did not say
  [[nodiscard]] std::string error(CURLcode code) const;

 private:
  struct Free {
    void operator()(CURL* handle) const { curl_easy_cleanup(handle); }
  };

  // curl writes into it until the handle is gone: stands first, so that it goes last.
  std::array<char, CURL_ERROR_SIZE> error_{};
  std::vector<CurlList> lists_;
  std::unique_ptr<CURL, Free> handle_;
  CURLcode failed_ = CURLE_OK;
};

}  // namespace payonce::adapters
