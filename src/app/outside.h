// app/outside.h: the adapters that the configuration chooses, behind the calls that queues make.
//
// Owner: the serving process; outlives the scheduler. Threads: the calls from any worker; what
// waits is carried out by threads of the adapters, which hand its result to Done.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "adapters/http_fraud.h"
#include "adapters/http_gateway.h"
#include "adapters/log_notifier.h"
#include "adapters/mock_fraud.h"
#include "adapters/mock_gateway.h"
#include "adapters/smtp_notifier.h"
#include "adapters/webhook_notifier.h"
#include "config/options.h"
#include "engine/ports.h"
#include "observe/logger.h"

namespace payonce::app {

class Outside {
 public:
  // Errors name the key whose value is not acceptable, or the file that cannot be opened.
  [[nodiscard]] static payonce::Result<std::unique_ptr<Outside>> open(
      const config::Options& options, observe::Logger& log);

  // Nothing when the call may have been cut short by stop().
  using Result = std::optional<core::Command>;
  using Done = std::function<void(Result)>;  // as tasks/scheduler.h has it
  void gateway(const core::Effect& task, Done done);
  void fraud(const core::CheckFraud& task, Done done);
  // Only where they answer at once.
  [[nodiscard]] core::Command gateway_now(const core::Effect& task);
  [[nodiscard]] core::Command fraud_now(const core::CheckFraud& task);
  // May wait.
  [[nodiscard]] Result notify(const core::SendNotification& task);

  // Whether no call ever waits: for a network, or by the configured latency.
  [[nodiscard]] bool gateway_answers_at_once() const;
  [[nodiscard]] bool fraud_answers_at_once() const { return http_fraud_ == nullptr; }
  [[nodiscard]] bool notifier_answers_at_once(core::NotifyChannel channel) const;

  // Whether the gateway is inside this process, and has to be told who waits for it.
  [[nodiscard]] bool calls_back() const { return http_gateway_ == nullptr; }
  // The mock gateway inside this process calls back through this.
  void set_callback(std::function<void(core::RecordCallback)> callback);
  // A payment has begun to wait for its callback, or waits for it again after a restart.
  void expect_callback(const core::StartTimer& timer);

  void stop();  // ends calls that only wait; those in flight have been told when it returns

 private:
  Outside(const config::Options& options, observe::Logger& log);
  [[nodiscard]] payonce::Result<void> open_notifiers(const config::Options& options,
                                                     observe::Logger& log);

  // A result over the network that comes after stop() may be one that the stop has made.
  [[nodiscard]] Result unless_stopped(core::Command result) const;
  [[nodiscard]] std::function<void(core::Command)> unless_stopped(Done done) const;

  std::atomic<bool> stopping_{false};
  // The mocks are always there; a real one takes its place when the configuration names it.
  adapters::MockGateway mock_gateway_;
  std::unique_ptr<adapters::HttpGateway> http_gateway_;
  adapters::MockFraud mock_fraud_;
  std::unique_ptr<adapters::HttpFraud> http_fraud_;
  adapters::LogNotifier log_notifier_;
  std::unique_ptr<adapters::WebhookNotifier> webhook_notifier_;
  std::unique_ptr<adapters::SmtpNotifier> smtp_notifier_;
};

// The scheduler as the engine sees it, with an ear for payments that wait for a callback.
class CallbackWatch final : public engine::TaskSink {
 public:
  CallbackWatch(engine::TaskSink& scheduler, Outside& outside)
      : scheduler_(&scheduler), outside_(&outside) {}

  void release(core::Effect effect) override {
    listen(effect);
    scheduler_->release(std::move(effect));
  }
  void release_all(std::vector<core::Effect>& effects) override {
    for (const core::Effect& effect : effects) {
      listen(effect);
    }
    scheduler_->release_all(effects);
  }
  void later(const core::Effect& effect) override { listen(effect); }
  [[nodiscard]] bool wants_later() const override { return outside_->calls_back(); }
  [[nodiscard]] std::size_t room(core::TaskClass task) const override {
    return scheduler_->room(task);
  }
  [[nodiscard]] bool saturated() const override { return scheduler_->saturated(); }

 private:
  void listen(const core::Effect& effect) {
    const auto* timer = std::get_if<core::StartTimer>(&effect);
    if (timer != nullptr && timer->kind == core::StreamKind::kPayment) {
      outside_->expect_callback(*timer);
    }
  }

  engine::TaskSink* scheduler_;
  Outside* outside_;
};

}  // namespace payonce::app
