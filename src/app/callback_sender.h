// app/callback_sender.h: sends the mock gateway's callbacks, signed, until they are taken.
//
// One thread; up to ten attempts each, one second apart at first and twice as far each time. At
// most kWaitingMax callbacks wait; further ones are dropped, as a gateway in trouble would do.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "adapters/due_queue.h"
#include "adapters/http_client.h"
#include "core/commands.h"
#include "webhook/standard_webhooks.h"

namespace payonce::app {

class CallbackSender {
 public:
  static constexpr std::size_t kWaitingMax = 100'000;

  // Told about each payment whose callback has been taken, by the sender's thread.
  using Taken = std::function<void(const std::string& payment_id)>;

  CallbackSender(std::unique_ptr<adapters::HttpClient> caller, std::vector<webhook::Secret> secrets,
                 Taken taken);
  ~CallbackSender();
  CallbackSender(const CallbackSender&) = delete;
  CallbackSender& operator=(const CallbackSender&) = delete;

  void send(const core::RecordCallback& callback);
  void stop();

 private:
  struct Message {
    std::string payment_id;
    std::string id;
    std::string body;
    std::uint32_t attempts = 0;
  };

  using Due = adapters::DueQueue<Message>;

  void run();
  [[nodiscard]] bool deliver(const Message& message);

  std::unique_ptr<adapters::HttpClient> caller_;
  std::vector<webhook::Secret> secrets_;
  Taken taken_;
  Due due_;
  std::atomic<std::size_t> waiting_{0};  // in due_, or being delivered
  std::thread thread_;
};

}  // namespace payonce::app
