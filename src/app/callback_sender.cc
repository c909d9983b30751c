#include "app/callback_sender.h"

#include <cstdio>
#include <optional>
#include <utility>

#include "adapters/answer_json.h"
#include "app/clock.h"
#include "base/digits.h"

namespace payonce::app {
namespace {

constexpr std::uint32_t kAttemptsMax = 10;

// The same for each callback about one charge; webhook ids have no '.', which keys may have.
std::string webhook_id(std::string_view payment_id) { return "cb_" + to_hex(payment_id); }

}  // namespace

CallbackSender::CallbackSender(std::unique_ptr<adapters::HttpClient> caller,
                               std::vector<webhook::Secret> secrets, Taken taken)
    : caller_(std::move(caller)),
      secrets_(std::move(secrets)),
      taken_(std::move(taken)),
      thread_([this] { run(); }) {}

CallbackSender::~CallbackSender() { stop(); }

void CallbackSender::stop() {
  caller_->stop();
  due_.stop();
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
  if (waiting_.fetch_add(1) >= kWaitingMax) {
    waiting_.fetch_sub(1);
    std::fprintf(stderr, "payonce: a callback is dropped, too many wait\n");
    return;
  }
  due_.push(Due::Clock::now(), std::move(message));
}

void CallbackSender::run() {
  while (std::optional<Message> message = due_.pop()) {
    if (deliver(*message)) {
      taken_(message->payment_id);
    } else if (++message->attempts < kAttemptsMax) {
      const auto pause = std::chrono::seconds(1) * (1U << (message->attempts - 1));
      due_.push(Due::Clock::now() + pause, *std::move(message));
      continue;  // it goes on waiting
    }
    waiting_.fetch_sub(1);
  }
}

bool CallbackSender::deliver(const Message& message) {
  const std::int64_t now = unix_seconds();
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
