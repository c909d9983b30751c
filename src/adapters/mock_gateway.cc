#include "adapters/mock_gateway.h"

#include <utility>
#include <vector>

#include "adapters/mock_methods.h"
#include "observe/thread_name.h"

namespace payonce::adapters {

MockGateway::MockGateway(Options options)
    : options_(std::move(options)), charges_(options_.failure_rate, options_.remember) {}

MockGateway::~MockGateway() { stop(); }

Result<void> MockGateway::open() {
  return options_.journal.empty() ? Result<void>{} : charges_.open(options_.journal);
}

core::RecordGatewayReply MockGateway::charge(const core::CallGateway& call) {
  return charges_.charge(call);
}

core::RecordInquiryReply MockGateway::inquire(const core::InquireGateway& call) {
  return charges_.inquire(call);
}

core::RecordUndoReply MockGateway::undo(const core::UndoAtGateway& call) {
  core::RecordUndoReply result = charges_.undo(call);
  if (result.reply == core::UndoReply::kDone) {
    const std::lock_guard lock(mutex_);
    pending_.erase(call.payment_id);
  }
  return result;
}

core::RecordRefundReply MockGateway::refund(const core::RefundAtGateway& call) {
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
  push(options_.callback_delay, [this, id = timer.id] { call_back(id); });
}

void MockGateway::call_back(const std::string& id) {
  bool still_pending = false;
  {
    const std::lock_guard lock(mutex_);
    still_pending = pending_.erase(id) > 0;
  }
  if (still_pending && charges_.capture(id)) {
    callback_({.payment_id = id,
               .outcome = core::CallbackOutcome::kConfirmed,
               .reference = "mock_" + id,
               .reason = {},
               .webhook_id = {}});
  }
}

void MockGateway::after_latency(std::function<void()> work) {
  {
    const std::lock_guard lock(mutex_);
    if (!stopping_) {
      push(options_.latency, std::move(work));
      return;
    }
  }
  work();
}

void MockGateway::push(std::chrono::milliseconds delay, Work work) {
  if (!later_.joinable()) {
    later_ = std::thread([this] { run_later(); });
  }
  due_.push(Later::Clock::now() + delay, std::move(work));
}

void MockGateway::run_later() {
  observe::name_thread("mock gateway");
  while (const std::optional<Work> work = due_.pop()) {
    (*work)();
  }
}

MockGateway& MockGateway::waited() {
  if (options_.latency.count() > 0) {
    std::unique_lock lock(mutex_);
    stopped_.wait_for(lock, options_.latency, [&] { return stopping_; });
  }
  return *this;
}

void MockGateway::stop() {
  std::thread later;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    pending_.clear();  // what is left of the callbacks does nothing any more
    later = std::move(later_);
  }
  stopped_.notify_all();
  const std::vector<Work> left = due_.stop();
  if (later.joinable()) {
    later.join();
  }
  for (const Work& work : left) {
    work();
  }
}

}  // namespace payonce::adapters
