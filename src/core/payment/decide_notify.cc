// The outbox: whatever becomes of a notification never touches the payment.
#include <utility>

#include "core/payment/decide.h"

#include "base/planted.h"

namespace payonce::core {
namespace {

// The delay before the attempt that follows `failed`, or none when there is none. Webhooks follow
// the standard's schedule, the other channels a retry policy.
std::optional<Duration> next_delay(const Payment& payment, NotifyChannel channel,
                                   std::uint32_t failed) {
  std::string seed = std::string(payment.id).append("/notify");
  if (channel != NotifyChannel::kLog) {  // once the only channel: its times are in old histories
    seed.append("-").append(name(channel));
  }
  if (channel != NotifyChannel::kWebhook) {
    const RetryPolicy& policy = payment.rules.notify_retry;
    return exhausted(policy, failed) ? std::nullopt
                                     : std::optional(retry_delay(policy, failed, seed));
  }
  const auto& delays = payment.rules.webhook_delays_ms;
  if (failed > delays.size()) {
    return std::nullopt;
  }
  const std::uint32_t delay = delays[failed - 1];
  const RetryPolicy fixed{.initial_interval_ms = delay,
                          .backoff_coefficient_permille = 1000,
                          .maximum_interval_ms = delay,
                          .maximum_attempts = 0};
  return retry_delay(fixed, failed, seed);
}

}  // namespace

OutcomeKind decide_notification(const RecordNotification& command, const Payment* payment,
                                const Context& context, Decision& out) {
  const Delivery* delivery =
      payment == nullptr ? nullptr : find_delivery(*payment, command.channel);
  const auto awaited = delivery == nullptr ? std::nullopt : pending_notification(*delivery);
  if (!awaited || awaited->attempt != command.attempt) {
    return OutcomeKind::kResultStale;
  }
  const auto delay = next_delay(*payment, command.channel, delivery->attempts + 1);
  Event event;
  if (command.reply == NotifyReply::kDelivered || planted(Bug::kNotificationAssumed)) {
    event = NotificationSent{.attempt = command.attempt, .channel = command.channel};
  } else if (command.reply == NotifyReply::kGone || !delay) {
    event = NotificationExhausted{
        .attempt = command.attempt, .error = command.error, .channel = command.channel};
  } else {
    event = NotificationRetryScheduled{.attempt = command.attempt,
                                       .error = command.error,
                                       .not_before = context.now + *delay,
                                       .channel = command.channel};
  }
  out.push_back({StreamKind::kPayment, payment->id, std::move(event)});
  return OutcomeKind::kResultApplied;
}

OutcomeKind decide_retry_notification(const RetryNotification& command, const Payment* payment,
                                      Decision& out) {
  const Delivery* delivery =
      payment == nullptr ? nullptr : find_delivery(*payment, command.channel);
  if (delivery == nullptr) {
    return OutcomeKind::kTaskNotFound;
  }
  if (delivery->state != NotifyState::kExhausted) {
    return OutcomeKind::kTaskNotExhausted;
  }
  out.push_back(
      {StreamKind::kPayment, payment->id, NotificationResumed{.channel = command.channel}});
  return OutcomeKind::kTaskRetried;
}

}  // namespace payonce::core
