#include "core/payment/alter.h"

#include <algorithm>

#include "core/index_keys.h"

namespace payonce::core {

PaymentMarks marks_of(const Payment& payment) {
  PaymentMarks marks{.status = payment.status, .dues = dues_of(payment)};
  marks.stuck = payment.compensation == CompensationState::kFailed;
  for (const Delivery& delivery : payment.deliveries) {
    if (delivery.state == NotifyState::kExhausted) {
      marks.exhausted |= channel_bit(delivery.channel);
    }
  }
  return marks;
}

void index_status(IndexSink& indexes, const Payment& payment, PaymentStatus before) {
  const std::string place = position(payment.created_at, payment.created_seq);
  if (before != payment.status) {
    indexes.erase(Index::kPaymentsByStatus, status_prefix(before) + place);
  }
  indexes.put(Index::kPaymentsByStatus, status_prefix(payment.status) + place, payment.id);
}

void update_indexes(IndexSink& indexes, const Payment& payment, const PaymentMarks& before) {
  const PaymentMarks now = marks_of(payment);
  if (before.status != now.status) {
    index_status(indexes, payment, before.status);
  }
  update_dues(indexes, StreamKind::kPayment, payment.id, before.dues, now.dues);
  if (before.stuck != now.stuck) {
    set_mark(indexes, Index::kExhausted, before.stuck, now.stuck, compensation_task(payment.id));
  }
  if (before.exhausted != now.exhausted) {
    for (const NotifyChannel channel : kNotifyChannels) {
      const std::uint32_t bit = channel_bit(channel);
      set_mark(indexes, Index::kExhausted, (before.exhausted & bit) != 0,
               (now.exhausted & bit) != 0, notify_task(channel, payment.id));
    }
  }
}

PaymentStep step_after_end(const Payment& payment) {
  if (compensating(payment)) {
    return PaymentStep::kCompensate;
  }
  const bool notifying = std::ranges::any_of(payment.deliveries, [](const Delivery& delivery) {
    return delivery.state == NotifyState::kPending;
  });
  return notifying ? PaymentStep::kNotify : PaymentStep::kDone;
}

void end_payment(Payment& payment, PaymentStatus status, Timestamp at) {
  payment.status = status;
  payment.ended_at = at;
  for (const NotifyChannel channel : kNotifyChannels) {
    if ((payment.rules.channels & channel_bit(channel)) != 0) {
      payment.deliveries.push_back(
          {.channel = channel, .state = NotifyState::kPending, .not_before = at, .error = {}});
    }
  }
}

}  // namespace payonce::core
