#include "sim/setup.h"

namespace payonce::sim {
namespace {

core::RetryPolicy policy(Random& random) {
  return {.initial_interval_ms = static_cast<std::uint32_t>(random.between(100, 2'000)),
          .backoff_coefficient_permille = static_cast<std::uint32_t>(random.between(1'000, 3'000)),
          .maximum_interval_ms = static_cast<std::uint32_t>(random.between(1'000, 60'000)),
          .maximum_attempts = static_cast<std::uint32_t>(random.between(1, 8))};
}

core::PaymentRules draw_rules(Random& random) {
  core::PaymentRules rules;
  rules.gateway_retry = policy(random);
  rules.notify_retry = policy(random);
  rules.inquiry_retry = policy(random);
  rules.inquiry_retry.maximum_attempts = 0;
  rules.compensation_retry = policy(random);
  rules.callback_timeout = Duration::seconds(random.between(10, 300));
  rules.fraud.timeout = Duration::seconds(random.between(30, 600));
  rules.fraud.retry = policy(random);
  rules.fraud.parent_close =
      random.chance(50) ? core::ParentClose::kTerminate : core::ParentClose::kAbandon;
  rules.gate_minor = random.between(0, 20'000);
  rules.void_when_given_up = true;
  rules.channels = 0;
  for (const core::NotifyChannel channel : core::kNotifyChannels) {
    rules.channels |= random.chance(50) ? core::channel_bit(channel) : 0;
  }
  for (std::int64_t delays = random.between(0, 4); delays > 0; --delays) {
    rules.webhook_delays_ms.push_back(static_cast<std::uint32_t>(random.between(500, 60'000)));
  }
  return rules;
}

}  // namespace

Setup Setup::draw(Random& random) {
  Setup setup;
  setup.limits.inbox_max = static_cast<std::size_t>(random.between(4, 256));
  setup.limits.batch_max = static_cast<std::size_t>(random.between(1, 64));
  setup.limits.patience = std::chrono::microseconds(500);
  setup.limits.open_max = static_cast<std::size_t>(random.between(4, 256));
  setup.limits.backlog.ahead = Duration::seconds(random.between(1, 60));
  setup.limits.backlog.slice = static_cast<std::size_t>(random.between(1, 64));
  setup.checkpoint.events = static_cast<std::size_t>(random.between(1, 500));
  setup.checkpoint.interval = std::chrono::milliseconds(random.between(50, 10'000));
  setup.checkpoint.rows_max = static_cast<std::size_t>(random.between(1, 500));
  setup.checkpoint.slice_events = static_cast<std::size_t>(random.between(1, 200));
  setup.retention = std::chrono::minutes(random.chance(30) ? random.between(1, 720) : 0);
  setup.at_once = random.chance(25);
  setup.calls_max = static_cast<std::size_t>(random.between(1, 64));
  setup.notify_max = static_cast<std::size_t>(random.between(1, 100));
  setup.timers_max = static_cast<std::size_t>(random.between(1, 100));
  setup.accounts = static_cast<std::uint32_t>(random.between(1, 20));
  setup.payment_every = Duration::ms(random.between(500, 120'000));
  setup.burst = static_cast<std::uint32_t>(random.between(1, 20));
  setup.fraud_manual = random.chance(50);
  setup.rules = draw_rules(random);
  return setup;
}

}  // namespace payonce::sim
