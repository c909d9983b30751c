#include "app/outside.h"

#include <type_traits>
#include <utility>
#include <variant>

#include "app/clock.h"
#include "base/assert.h"

namespace payonce::app {
namespace {

template <class... Functions>
struct Overloaded : Functions... {
  using Functions::operator()...;
};
template <class... Functions>
Overloaded(Functions...) -> Overloaded<Functions...>;

// The call that a task asks a gateway for: of the mock, which answers, or of another, which takes a
// Done.
template <class Gateway, class... Done>
auto call(Gateway& gateway, const core::Effect& task, Done... done) {
  using Answer = std::conditional_t<sizeof...(Done) == 0, core::Command, void>;
  return std::visit(Overloaded{[&](const core::CallGateway& charge) -> Answer {
                                 return gateway.charge(charge, std::move(done)...);
                               },
                               [&](const core::InquireGateway& inquiry) -> Answer {
                                 return gateway.inquire(inquiry, std::move(done)...);
                               },
                               [&](const core::UndoAtGateway& undo) -> Answer {
                                 return gateway.undo(undo, std::move(done)...);
                               },
                               [&](const core::RefundAtGateway& refund) -> Answer {
                                 return gateway.refund(refund, std::move(done)...);
                               },
                               [](const auto& /*other*/) -> Answer {
                                 PAYONCE_ASSERT(false);  // the gateway's queue takes no other tasks
                                 return Answer();
                               }},
                    task);
}

}  // namespace

Outside::Outside(const config::Options& options, observe::Logger& log)
    : mock_gateway_(
          {.latency = options.gateway.latency,
           .failure_rate = static_cast<double>(options.gateway.failure_rate_permille) / 1000.0,
           .callback_delay = options.gateway.callback_delay,
           .journal = options.gateway.journal}),
      mock_fraud_({.delay = options.fraud.delay,
                   .slow_delay = options.fraud.slow_delay,
                   .approve = options.fraud.verdict == config::FraudVerdict::kApprove}),
      log_notifier_(log, options.gateway.kind == config::GatewayKind::kMock) {}

payonce::Result<std::unique_ptr<Outside>> Outside::open(const config::Options& options,
                                                        observe::Logger& log) {
  std::unique_ptr<Outside> outside(new Outside(options, log));
  if (auto opened = outside->mock_gateway_.open(); !opened) {
    return std::unexpected(opened.error());
  }
  if (options.gateway.kind == config::GatewayKind::kHttp) {
    auto gateway = adapters::HttpGateway::make({.url = options.gateway.url,
                                                .connect_timeout = options.gateway.connect_timeout,
                                                .timeout = options.gateway.timeout,
                                                .api_key = options.gateway.api_key,
                                                .ca_file = options.gateway.ca_file,
                                                .refused_errors = options.gateway.refused_errors,
                                                .calls_max = options.gateway.calls_max});
    if (!gateway) {
      return std::unexpected(gateway.error());
    }
    outside->http_gateway_ = std::move(*gateway);
  }
  if (options.fraud.mode == config::FraudMode::kHttp) {
    auto fraud = adapters::HttpFraud::make({.url = options.fraud.url,
                                            .timeout = options.fraud.request_timeout,
                                            .calls_max = options.fraud.calls_max});
    if (!fraud) {
      return std::unexpected(fraud.error());
    }
    outside->http_fraud_ = std::move(*fraud);
  }
  if (auto opened = outside->open_notifiers(options, log); !opened) {
    return std::unexpected(opened.error());
  }
  return outside;
}

payonce::Result<void> Outside::open_notifiers(const config::Options& options,
                                              observe::Logger& log) {
  const bool mock = options.gateway.kind == config::GatewayKind::kMock;
  const config::Webhook& hook = options.notify.webhook;
  if (!hook.url.empty()) {
    auto secret = webhook::Secret::parse(hook.secret);
    if (!secret) {
      return fail(Errc::kInvalid, "notify.webhook.secret: " + secret.error().message);
    }
    auto notifier = adapters::WebhookNotifier::make({.url = hook.url,
                                                     .secrets = {std::move(*secret)},
                                                     .timeout = hook.timeout,
                                                     .allow_private = hook.allow_private,
                                                     .ca_file = hook.ca_file,
                                                     .honour_mock_methods = mock},
                                                    unix_seconds, log);
    if (!notifier) {
      return fail(Errc::kInvalid, "notify.webhook.url: " + notifier.error().message);
    }
    webhook_notifier_ = std::move(*notifier);
  }
  const config::Smtp& smtp = options.notify.smtp;
  if (!smtp.host.empty()) {
    auto notifier = adapters::SmtpNotifier::make({.host = smtp.host,
                                                  .port = smtp.port,
                                                  .from = smtp.from,
                                                  .to = smtp.to,
                                                  .username = smtp.username,
                                                  .password = smtp.password,
                                                  .tls = smtp.tls,
                                                  .timeout = smtp.timeout,
                                                  .ca_file = smtp.ca_file,
                                                  .honour_mock_methods = mock});
    if (!notifier) {
      return fail(Errc::kInvalid, "notify.smtp: " + notifier.error().message);
    }
    smtp_notifier_ = std::move(*notifier);
  }
  return {};
}

Outside::Result Outside::unless_stopped(core::Command result) const {
  return stopping_.load(std::memory_order_acquire) ? std::nullopt : Result(std::move(result));
}

std::function<void(core::Command)> Outside::unless_stopped(Done done) const {
  return [this, done = std::move(done)](core::Command result) {
    done(unless_stopped(std::move(result)));
  };
}

void Outside::gateway(const core::Effect& task, Done done) {
  if (http_gateway_ != nullptr) {
    call(*http_gateway_, task, unless_stopped(std::move(done)));
  } else {
    // At stop() it is only carried out earlier: its result is the truth.
    mock_gateway_.after_latency([this, task, done = std::move(done)] { done(gateway_now(task)); });
  }
}

void Outside::fraud(const core::CheckFraud& task, Done done) {
  if (http_fraud_ != nullptr) {
    http_fraud_->check(task, unless_stopped(std::move(done)));
  } else {
    done(fraud_now(task));
  }
}

core::Command Outside::gateway_now(const core::Effect& task) { return call(mock_gateway_, task); }

core::Command Outside::fraud_now(const core::CheckFraud& task) { return mock_fraud_.check(task); }

Outside::Result Outside::notify(const core::SendNotification& task) {
  const bool webhook = task.channel == core::NotifyChannel::kWebhook;
  const bool smtp = task.channel == core::NotifyChannel::kSmtp;
  if (webhook && webhook_notifier_ != nullptr) {
    return unless_stopped(webhook_notifier_->send(task));
  }
  if (smtp && smtp_notifier_ != nullptr) {
    return unless_stopped(smtp_notifier_->send(task));
  }
  if (webhook || smtp) {
    // The payment was born when the channel was configured; it is listed and may be tried again.
    return core::RecordNotification{.payment_id = task.payment_id,
                                    .channel = task.channel,
                                    .attempt = task.attempt,
                                    .reply = core::NotifyReply::kGone,
                                    .error = "this channel is not configured any more"};
  }
  return log_notifier_.send(task);
}

bool Outside::gateway_answers_at_once() const {
  return http_gateway_ == nullptr && mock_gateway_.answers_at_once();
}

bool Outside::notifier_answers_at_once(core::NotifyChannel channel) const {
  switch (channel) {
    case core::NotifyChannel::kLog:
      return true;
    case core::NotifyChannel::kWebhook:
      return webhook_notifier_ == nullptr;
    case core::NotifyChannel::kSmtp:
      return smtp_notifier_ == nullptr;
  }
  return false;
}

void Outside::set_callback(std::function<void(core::RecordCallback)> callback) {
  mock_gateway_.set_callback(std::move(callback));
}

void Outside::expect_callback(const core::StartTimer& timer) {
  if (http_gateway_ == nullptr) {
    mock_gateway_.expect_callback(timer);
  }
}

void Outside::stop() {
  stopping_.store(true, std::memory_order_release);

  mock_gateway_.stop();
  if (http_gateway_ != nullptr) {
    http_gateway_->stop();
  }
  if (http_fraud_ != nullptr) {
    http_fraud_->stop();
  }
  if (webhook_notifier_ != nullptr) {
    webhook_notifier_->stop();
  }
  if (smtp_notifier_ != nullptr) {
    smtp_notifier_->stop();
  }
}

}  // namespace payonce::app
