// adapters/http_fraud.h: a fraud check by an HTTP service.
//
//   POST {url}  {"id","payment_id","user_id","amount","currency","payment_method"}
//   200 {"result":"approved"|"rejected","reason"?}; anything else is a failure, and asked again.
// Threads: calls from any, and none waits for an answer: it goes to the call's Done, which the
// thread of http_client.h calls once.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "adapters/http_client.h"
#include "core/commands.h"
#include "core/outcome.h"

namespace payonce::adapters {

class HttpFraud {
 public:
  struct Options {
    std::string url;
    std::chrono::milliseconds timeout{10'000};
    std::size_t calls_max = 64;  // as in http_client.h
  };
  // Must neither throw nor block.
  using Done = std::function<void(core::RecordFraudReply)>;

  // kInvalid: the URL is none.
  [[nodiscard]] static Result<std::unique_ptr<HttpFraud>> make(Options options);

  void check(const core::CheckFraud& call, Done done);
  void stop() { caller_->stop(); }

 private:
  explicit HttpFraud(std::unique_ptr<HttpClient> caller) : caller_(std::move(caller)) {}

  std::unique_ptr<HttpClient> caller_;
};

}  // namespace payonce::adapters
