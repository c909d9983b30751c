#include "adapters/curl_call.h"

namespace payonce::adapters {
namespace {

int on_progress(void* stop, curl_off_t /*down_total*/, curl_off_t /*down*/, curl_off_t /*up_total*/,
                curl_off_t /*up*/) {
  return static_cast<const std::atomic<bool>*>(stop)->load(std::memory_order_relaxed) ? 1 : 0;
}

}  // namespace

// Once, before the first handle; the threads that come at the same time wait. Never undone: OpenSSL
// cleans up after itself when the process ends.
bool curl_ready() {
  static const bool ready = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
  return ready;
}

bool append(CurlList& list, const std::string& text) {
  curl_slist* longer = curl_slist_append(list.get(), text.c_str());
  if (longer == nullptr) {
    return false;
  }
  static_cast<void>(list.release());
  list.reset(longer);
  return true;
}

CurlCall::CurlCall(const char* protocols, const std::string& url, const Limits& limits)
    : handle_(curl_ready() ? curl_easy_init() : nullptr) {
  set(CURLOPT_ERRORBUFFER, error_.data());
  set(CURLOPT_NOSIGNAL, 1L);
  set(CURLOPT_PROTOCOLS_STR, protocols);
  set(CURLOPT_URL, url.c_str());
  set(CURLOPT_FOLLOWLOCATION, 0L);
  set(CURLOPT_TIMEOUT_MS, static_cast<long>(limits.timeout.count()));
  set(CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(limits.timeout.count()));
  set(CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  if (!limits.ca_file.empty()) {
    set(CURLOPT_CAINFO, limits.ca_file.c_str());
  }
  set(CURLOPT_XFERINFOFUNCTION, &on_progress);
  set(CURLOPT_XFERINFODATA, static_cast<const void*>(limits.stop));
  set(CURLOPT_NOPROGRESS, 0L);
}

CURLcode CurlCall::perform() {
  return failed_ == CURLE_OK ? curl_easy_perform(handle_.get()) : failed_;
}

long CurlCall::status() const {
  long status = 0;
  if (handle_ != nullptr) {
    curl_easy_getinfo(handle_.get(), CURLINFO_RESPONSE_CODE, &status);
  }
  return status;
}

long CurlCall::retry_after() const {
  curl_off_t seconds = 0;
  if (handle_ != nullptr) {
    curl_easy_getinfo(handle_.get(), CURLINFO_RETRY_AFTER, &seconds);
  }
  return seconds;
}

std::string CurlCall::error(CURLcode code) const {
  return error_.front() != '\0' ? error_.data() : curl_easy_strerror(code);
}

}  // namespace payonce::adapters
