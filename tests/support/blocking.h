// The asynchronous calls of an adapter for tests that wait for each answer.
#pragma once

#include <future>
#include <memory>
#include <utility>

#include "adapters/http_fraud.h"
#include "adapters/http_gateway.h"

namespace payonce::testing_support {

// Starts a call with its Done, and returns what that is told.
template <class Reply, class Start>
Reply answer_of(Start start) {
  const auto promise = std::make_shared<std::promise<Reply>>();
  auto answer = promise->get_future();
  start([promise](Reply reply) { promise->set_value(std::move(reply)); });
  return answer.get();
}

class BlockingGateway {
 public:
  explicit BlockingGateway(std::unique_ptr<adapters::HttpGateway> gateway)
      : gateway_(std::move(gateway)) {}

  [[nodiscard]] core::RecordGatewayReply charge(const core::CallGateway& call) {
    return answer_of<core::RecordGatewayReply>(
        [&](auto done) { gateway_->charge(call, std::move(done)); });
  }
  [[nodiscard]] core::RecordInquiryReply inquire(const core::InquireGateway& call) {
    return answer_of<core::RecordInquiryReply>(
        [&](auto done) { gateway_->inquire(call, std::move(done)); });
  }
  [[nodiscard]] core::RecordUndoReply undo(const core::UndoAtGateway& call) {
    return answer_of<core::RecordUndoReply>(
        [&](auto done) { gateway_->undo(call, std::move(done)); });
  }
  [[nodiscard]] core::RecordRefundReply refund(const core::RefundAtGateway& call) {
    return answer_of<core::RecordRefundReply>(
        [&](auto done) { gateway_->refund(call, std::move(done)); });
  }
  void stop() { gateway_->stop(); }

 private:
  std::unique_ptr<adapters::HttpGateway> gateway_;
};

[[nodiscard]] inline core::RecordFraudReply check_and_wait(adapters::HttpFraud& fraud,
                                                           const core::CheckFraud& call) {
  return answer_of<core::RecordFraudReply>([&](auto done) { fraud.check(call, std::move(done)); });
}

}  // namespace payonce::testing_support
