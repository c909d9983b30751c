#include "app/callback_sender.h"

#include <cstdio>
#include <utility>

#include "adapters/answer_json.h"

namespace payonce::app {
namespace {

constexpr std::uint32_t kAttemptsMax = 10;

// The same for each callback about one charge; webhook ids have no '.', which keys may have.
std::string webhook_id(std::string_view payment_id) {
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string id = "cb_";
  for (const char c : payment_id) {
    const auto byte = static_cast<unsigned char>(c);
    id.append(1, kHex[byte >> 4]).append(1, kHex[byte & 15U]);
  }
  return id;
}

}  // namespace

CallbackSender::CallbackSender(std::unique_ptr<adapters::HttpClient> caller,
                               std::vector<webhook::Secret> secrets, Taken taken)
    : caller_(std::move(caller)),
      secrets_(std::move(secrets)),
      taken_(std::move(taken)),
      thread_([this] { run(); }) {}

CallbackSender::~CallbackSender() { stop(); }

void CallbackSender::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  caller_->stop();
  changed_.notify_all();
  if (thread_.joinable()) {
    thread_.join();
  }
}

void CallbackSender::send(const core::RecordCallback& callback) {
  Message message{.payment_id = callback.payment_id,
                  .id = webhook_id(callback.payment_id),
                  .body = adapters::json_object({{"payment_id", callback.payment_id},
                                                 {"gateway_reference", callback.reference},
                                                 {"outcome", name(callback.outcome)}})};
  {
    const std::lock_guard lock(mutex_);
    if (waiting_.size() >= kWaitingMax) {
      std::fprintf(stderr, "payonce: a callback is dropped, too many wait\n");
      return;
    }
    waiting_.emplace(std::chrono::steady_clock::now(), std::move(message));
  }
  changed_.notify_all();
}

void CallbackSender::run() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    if (waiting_.empty()) {
      changed_.wait(lock);
      continue;
    }
    const SteadyTime next = waiting_.begin()->first;
    if (std::chrono::steady_clock::now() < next) {
      changed_.wait_until(lock, next);
      continue;
    }
    Message message = std::move(waiting_.begin()->second);
    waiting_.erase(waiting_.begin());
    lock.unlock();
    const bool taken = deliver(message);
    if (taken) {
      taken_(message.payment_id);
    }
    lock.lock();
    if (!taken && ++message.attempts < kAttemptsMax) {
      const auto pause = std::chrono::seconds(1) * (1U << (message.attempts - 1));
      waiting_.emplace(std::chrono::steady_clock::now() + pause, std::move(message));
    }
  }
}

bool CallbackSender::deliver(const Message& message) {
  const auto now = std::chrono::duration_cast<std::chrono::seconds>(
                       std::chrono::system_clock::now().time_since_epoch())
                       .count();
  std::vector<std::string> headers{"webhook-id: " + message.id,
                                   "webhook-timestamp: " + std::to_string(now)};
  if (!secrets_.empty()) {
    headers.push_back("webhook-signature: " +
                      webhook::sign(secrets_, message.id, now, message.body));
  }
  const auto answer = caller_->post("", {}, message.body, std::move(headers));
  return answer.status >= 200 && answer.status < 300;
}

}  // namespace payonce::app
