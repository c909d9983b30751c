// adapters/http_fraud.h: a fraud check by an HTTP service.
//
//   POST {url}  {"id","payment_id","user_id","amount","currency","payment_method"}
//   200 {"result":"approved"|"rejected","reason"?}; anything else is a failure, and asked again.
// Threads: any.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "adapters/http_client.h"
#include "core/commands.h"
#include "core/outcome.h"

namespace payonce::adapters {

class HttpFraud {
 public:
  struct Options {
    std::string url;
    std::chrono::milliseconds timeout{10'000};
  };

  // kInvalid: the URL is none.
  [[nodiscard]] static Result<std::unique_ptr<HttpFraud>> make(Options options);

  [[nodiscard]] core::RecordFraudReply check(const core::CheckFraud& call);
  void stop() { caller_->stop(); }

 private:
  explicit HttpFraud(std::unique_ptr<HttpClient> caller) : caller_(std::move(caller)) {}

  std::unique_ptr<HttpClient> caller_;
};

}  // namespace payonce::adapters
