// adapters/webhook_notifier.h: notifies by a signed HTTP request, as Standard Webhooks 1.0.0 says.
//
// POST of {"type","timestamp","data"} with the headers webhook-id, webhook-timestamp and
// webhook-signature; the id and the body are the same on every attempt. A 2xx answer is a delivery
// and nothing else is: redirects are not followed, and 410 ends all deliveries until the next
// start. Only addresses of the public internet are called unless allowed otherwise
// (address_guard.h). Threads: send() from any number of workers. Errors: in the answer, as text.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "adapters/address_guard.h"
#include "base/result.h"
#include "core/commands.h"
#include "core/outcome.h"
#include "observe/logger.h"
#include "webhook/standard_webhooks.h"

namespace payonce::adapters {

class WebhookNotifier {
 public:
  struct Options {
    std::string url;  // http or https, without a user name
    std::vector<webhook::Secret> secrets;
    std::chrono::milliseconds timeout{20'000};
    bool allow_private = false;
    std::string ca_file;               // empty: the system's certificates
    bool honour_mock_methods = false;  // see notification.h
  };
  // Unix seconds, for the attempt's timestamp.
  using Clock = std::function<std::int64_t()>;

  // An error if the URL is not acceptable or there is no secret; its text does not repeat them.
  // `log` outlives the notifier, `clock` and `resolver` are called by workers.
  [[nodiscard]] static Result<std::unique_ptr<WebhookNotifier>> make(Options options, Clock clock,
                                                                     observe::Logger& log,
                                                                     Resolver resolver = resolve);

  [[nodiscard]] core::RecordNotification send(const core::SendNotification& message);

  void stop() { stopping_.store(true, std::memory_order_relaxed); }  // ends calls within a second

 private:
  struct Target {
    std::string host;  // without brackets
    std::string port;
  };
  struct Answer {
    long status = 0;  // 0: there was none, `error` says why
    long retry_after_s = 0;
    std::string error;
  };

  WebhookNotifier(Options options, Target target, Clock clock, observe::Logger& log,
                  Resolver resolver);
  [[nodiscard]] static Result<Target> parse_url(const std::string& url);
  [[nodiscard]] Answer post(const std::string& id, const std::string& body);
  [[nodiscard]] std::vector<std::string> headers(const std::string& id, const std::string& body);
  [[nodiscard]] core::RecordNotification judge(const core::SendNotification& message,
                                               const Answer& answer);

  Options options_;
  Target target_;
  Clock clock_;
  observe::Logger* log_;
  Resolver resolver_;
  std::atomic<bool> gone_{false};  // 410 was answered
  std::atomic<bool> stopping_{false};
};

}  // namespace payonce::adapters
