// adapters/http_gateway.h: a payment gateway behind HTTP.
//
// Wants of the gateway (docs/gateway.md): the same Idempotency-Key is the same charge; a void under
// it takes back whatever was or is being taken, and an unknown key may be voided.
//   POST {url}/charges              {"id","amount","currency","payment_method"}
//   POST {url}/charges/{key}/void   POST {url}/charges/{key}/refund   GET {url}/charges/{key}
// What an answer means is data: the tables in http_gateway.cc. Whatever leaves open whether money
// was taken is "no answer", never a decline.
// Threads: calls from any, and none waits for an answer: it goes to the call's Done, which the
// thread of http_client.h calls once.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
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
    std::size_t calls_max = 64;               // as in http_client.h
  };
  // Must neither throw nor block.
  template <class Reply>
  using Done = std::function<void(Reply)>;

  // kInvalid: the URL is none.
  [[nodiscard]] static Result<std::unique_ptr<HttpGateway>> make(Options options);
  ~HttpGateway() { stop(); }  // a call that ends may begin another, and judges it by what is here
  HttpGateway(const HttpGateway&) = delete;
  HttpGateway& operator=(const HttpGateway&) = delete;

  void charge(const core::CallGateway& call, Done<core::RecordGatewayReply> done);
  void inquire(const core::InquireGateway& call, Done<core::RecordInquiryReply> done);
  void undo(const core::UndoAtGateway& call, Done<core::RecordUndoReply> done);
  void refund(const core::RefundAtGateway& call, Done<core::RecordRefundReply> done);

  void stop() { caller_->stop(); }

 private:
  HttpGateway(std::unique_ptr<HttpClient> caller, std::vector<std::string> refused_errors)
      : refused_errors_(std::move(refused_errors)), caller_(std::move(caller)) {}
  [[nodiscard]] core::RecordGatewayReply judge_charge(const core::CallGateway& call,
                                                      const HttpClient::Answer& answer) const;
  void post_refund(const std::string& payment_id, const std::string& key, Money amount,
                   HttpClient::Done done);
  void undo_by_refund(const core::UndoAtGateway& call, Done<core::RecordUndoReply> done);

  std::vector<std::string> refused_errors_;
  std::unique_ptr<HttpClient> caller_;
};

}  // namespace payonce::adapters
