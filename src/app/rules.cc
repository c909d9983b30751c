#include "app/rules.h"

#include <limits>

#include "adapters/mock_fraud.h"
#include "base/money.h"

namespace payonce::app {
namespace {

std::uint32_t millis(std::chrono::milliseconds value) {
  return static_cast<std::uint32_t>(value.count());
}

std::uint32_t channels(const config::Notify& notify) {
  std::uint32_t bits = notify.log ? core::channel_bit(core::NotifyChannel::kLog) : 0;
  bits |= notify.webhook.url.empty() ? 0 : core::channel_bit(core::NotifyChannel::kWebhook);
  bits |= notify.smtp.host.empty() ? 0 : core::channel_bit(core::NotifyChannel::kSmtp);
  return bits;
}

// In minor units of `currency`. A threshold that the currency cannot write is rounded to the next
// amount that it can: no amount of it lies between.
std::int64_t gate_amount(const std::string& text, Currency currency) {
  std::string digits = text;
  bool cut = false;  // something that was not zero
  while (true) {
    const ParsedAmount parsed = parse_amount(digits, currency, Zero::kAllow);
    if (!parsed.error) {
      return cut ? parsed.minor + 1 : parsed.minor;
    }
    if (parsed.error != AmountError::kTooPrecise) {
      return std::numeric_limits<std::int64_t>::max();
    }
    cut = cut || digits.back() != '0';
    digits.pop_back();
    if (digits.back() == '.') {
      digits.pop_back();
    }
  }
}

core::FraudMode fraud_mode(const config::Fraud& fraud, const adapters::MockFraud& mock,
                           const std::string& method) {
  switch (fraud.mode) {
    case config::FraudMode::kManual:
      return core::FraudMode::kManual;
    case config::FraudMode::kHttp:
      return core::FraudMode::kTask;
    case config::FraudMode::kAutomatic:
      break;
  }
  return mock.immediate(method) ? core::FraudMode::kInline : core::FraudMode::kTask;
}

}  // namespace

core::RetryPolicy to_policy(const config::RetryPolicy& policy) {
  return {.initial_interval_ms = millis(policy.initial_interval),
          .backoff_coefficient_permille =
              static_cast<std::uint32_t>(policy.backoff_coefficient_permille),
          .maximum_interval_ms = millis(policy.maximum_interval),
          .maximum_attempts = policy.maximum_attempts};
}

Result<PaymentRulesOf> payment_rules(const config::Options& options) {
  const auto currency = Currency::find(options.payments.currency);
  const std::string gate = options.saga.fraud_gate_amount;
  if (!currency || parse_amount(gate, *currency, Zero::kAllow).error) {
    return fail(Errc::kInvalid, "saga.payment.fraud_gate_amount: " + gate + " is no amount of " +
                                    options.payments.currency);
  }
  core::PaymentRules rules;
  rules.version = options.saga.payment_version;
  rules.gateway_retry = to_policy(options.gateway.retry);
  rules.notify_retry = to_policy(options.notify.retry);
  rules.inquiry_retry = {.initial_interval_ms = millis(options.gateway.inquiry_initial_interval),
                         .backoff_coefficient_permille = 2000,
                         .maximum_interval_ms = millis(options.gateway.inquiry_maximum_interval),
                         .maximum_attempts = 0};
  rules.compensation_retry = to_policy(options.saga.compensation);
  rules.callback_timeout = Duration::ms(options.gateway.callback_timeout.count());
  rules.fraud.timeout = Duration::ms(options.fraud.timeout.count());
  rules.fraud.retry = to_policy(options.fraud.retry);
  rules.fraud.parent_close = options.fraud.parent_close == config::FraudClose::kAbandon
                                 ? core::ParentClose::kAbandon
                                 : core::ParentClose::kTerminate;
  rules.channels = channels(options.notify);
  rules.void_when_given_up = true;
  if (!options.notify.webhook.url.empty()) {
    for (const auto delay : options.notify.webhook.schedule) {
      rules.webhook_delays_ms.push_back(millis(delay));
    }
  }
  const config::Fraud fraud = options.fraud;
  const adapters::MockFraud mock({.delay = fraud.delay,
                                  .slow_delay = fraud.slow_delay,
                                  .approve = fraud.verdict == config::FraudVerdict::kApprove});
  return [rules, fraud, mock, gate](const core::PaymentContent& content) {
    core::PaymentRules born = rules;
    born.fraud.mode = fraud_mode(fraud, mock, content.payment_method);
    if (fraud.mode == config::FraudMode::kAutomatic && born.fraud.mode == core::FraudMode::kTask) {
      born.fraud.delay = Duration::ms(mock.delay(content.payment_method).count());
    }
    if (born.version >= core::kPaymentVersion2) {
      born.gate_minor = gate_amount(gate, content.amount.currency);
    }
    return born;
  };
}

}  // namespace payonce::app
