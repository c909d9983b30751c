#include "adapters/mock_gateway.h"

#include <utility>

#include "adapters/mock_methods.h"

namespace payonce::adapters {

MockGateway::MockGateway(Options options)
    : options_(std::move(options)), charges_(options_.failure_rate, options_.remember) {}

MockGateway::~MockGateway() { stop(); }

Result<void> MockGateway::open() {
  return options_.journal.empty() ? Result<void>{} : charges_.open(options_.journal);
}

core::RecordGatewayReply MockGateway::charge(const core::CallGateway& call) {
  pause();
  return charges_.charge(call);
}

core::RecordInquiryReply MockGateway::inquire(const core::InquireGateway& call) {
  pause();
  return charges_.inquire(call);
}

core::RecordUndoReply MockGateway::undo(const core::UndoAtGateway& call) {
  pause();
  core::RecordUndoReply result = charges_.undo(call);
  if (result.reply == core::UndoReply::kDone) {
    const std::lock_guard lock(mutex_);
    pending_.erase(call.payment_id);
  }
  return result;
}

core::RecordRefundReply MockGateway::refund(const core::RefundAtGateway& call) {
  pause();
  return charges_.refund(call);
}

void MockGateway::expect_callback(const core::StartTimer& timer) {
  if (timer.kind != core::StreamKind::kPayment || !has(timer.payment_method, "pm_async") ||
      has(timer.payment_method, "pm_manual")) {
    return;
  }
  const std::lock_guard lock(mutex_);
  if (stopping_ || callback_ == nullptr || !pending_.insert(timer.id).second) {
    return;
  }
  if (!caller_.joinable()) {
    caller_ = std::thread([this] { run_callbacks(); });
  }
  due_.push(DueQueue<std::string>::Clock::now() + options_.callback_delay, timer.id);
}

void MockGateway::run_callbacks() {
  while (const std::optional<std::string> id = due_.pop()) {
    bool still_pending = false;
    {
      const std::lock_guard lock(mutex_);
      still_pending = pending_.erase(*id) > 0;
    }
    if (still_pending && charges_.capture(*id)) {
      callback_({.payment_id = *id,
                 .outcome = core::CallbackOutcome::kConfirmed,
                 .reference = "mock_" + *id,
                 .reason = {},
                 .webhook_id = {}});
    }
  }
}

void MockGateway::pause() {
  if (options_.latency.count() > 0) {
    std::unique_lock lock(mutex_);
    stopped_.wait_for(lock, options_.latency, [&] { return stopping_; });
  }
}

void MockGateway::stop() {
  std::thread caller;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    caller = std::move(caller_);
  }
  stopped_.notify_all();
  due_.stop();
  if (caller.joinable()) {
    caller.join();
  }
}

}  // namespace payonce::adapters
