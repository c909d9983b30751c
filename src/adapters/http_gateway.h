// adapters/http_gateway.h: a payment gateway behind HTTP.
//
// Wants of the gateway (docs/gateway.md): the same Idempotency-Key is the same charge; a void under
// it takes back whatever was or is being taken, and an unknown key may be voided.
//   POST {url}/charges              {"id","amount","currency","payment_method"}
//   POST {url}/charges/{key}/void   POST {url}/charges/{key}/refund   GET {url}/charges/{key}
// What an answer means is data: the tables in http_gateway.cc. Whatever leaves open whether money
// was taken is "no answer", never a decline. Threads: any.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "adapters/http_client.h"
#include "core/commands.h"
#include "core/outcome.h"

namespace payonce::adapters {

class HttpGateway {
 public:
  struct Options {
    std::string url;
    std::chrono::milliseconds connect_timeout{3'000};
    std::chrono::milliseconds timeout{15'000};
    std::string api_key;
    std::string ca_file;
    std::vector<std::string> refused_errors;  // `code`s that are not worth another attempt
  };

  // kInvalid: the URL is none.
  [[nodiscard]] static Result<std::unique_ptr<HttpGateway>> make(Options options);

  [[nodiscard]] core::RecordGatewayReply charge(const core::CallGateway& call);
  [[nodiscard]] core::RecordInquiryReply inquire(const core::InquireGateway& call);
  [[nodiscard]] core::RecordUndoReply undo(const core::UndoAtGateway& call);
  [[nodiscard]] core::RecordRefundReply refund(const core::RefundAtGateway& call);

  void stop() { caller_->stop(); }

 private:
  HttpGateway(std::unique_ptr<HttpClient> caller, std::vector<std::string> refused_errors)
      : caller_(std::move(caller)), refused_errors_(std::move(refused_errors)) {}
  [[nodiscard]] HttpClient::Answer post_refund(const std::string& payment_id,
                                               const std::string& key, Money amount);

  std::unique_ptr<HttpClient> caller_;
  std::vector<std::string> refused_errors_;
};

}  // namespace payonce::adapters
