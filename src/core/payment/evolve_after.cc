// Events after a payment's end: its outbox and its refunds.
#include "core/payment/alter.h"
#include "core/payment/evolve.h"

namespace payonce::core {
namespace {

// Applies `change` to the channel's delivery, counting the call, if `attempt` is what it waits for.
template <class Event, class Change>
bool deliver(Rows& rows, const Record& record, const Event& event, Change&& change) {
  return alter(rows, record, [&](Payment& payment) {
    for (Delivery& delivery : payment.deliveries) {
      const auto call = pending_notification(delivery);
      if (delivery.channel == event.channel && call && call->attempt == event.attempt) {
        delivery.calls = event.attempt;
        ++delivery.attempts;
        change(delivery);
        return true;
      }
    }
    return false;
  });
}

}  // namespace

bool evolve(Rows& rows, const Record& record, const NotificationSent& event) {
  return deliver(rows, record, event, [](Delivery& delivery) {
    delivery.state = NotifyState::kSent;
    delivery.error.clear();
  });
}

bool evolve(Rows& rows, const Record& record, const NotificationRetryScheduled& event) {
  return deliver(rows, record, event, [&](Delivery& delivery) {
    delivery.not_before = event.not_before;
    delivery.error = event.error;
  });
}

bool evolve(Rows& rows, const Record& record, const NotificationExhausted& event) {
  return deliver(rows, record, event, [&](Delivery& delivery) {
    delivery.state = NotifyState::kExhausted;
    delivery.error = event.error;
  });
}

bool evolve(Rows& rows, const Record& record, const NotificationResumed& event) {
  return alter(rows, record, [&](Payment& payment) {
    for (Delivery& delivery : payment.deliveries) {
      if (delivery.channel == event.channel && delivery.state == NotifyState::kExhausted) {
        delivery.state = NotifyState::kPending;
        delivery.attempts = 0;
        delivery.not_before = record.at;
        return true;
      }
    }
    return false;
  });
}

bool evolve(Rows& rows, const Record& record, const RefundRequested& event) {
  return alter(rows, record, [&](Payment& payment) {
    const std::int64_t left =
        payment.content.amount.minor - payment.refunded_minor - payment.refunding_minor;
    if (payment.status != PaymentStatus::kSuccess || event.amount.minor <= 0 ||
        event.amount.minor > left) {
      return false;
    }
    payment.refunding_minor += event.amount.minor;
    ++payment.refunds;
    return true;
  });
}

bool evolve(Rows& rows, const Record& record, const RefundEnded& event) {
  return alter(rows, record, [&](Payment& payment) {
    if (event.amount.minor <= 0 || event.amount.minor > payment.refunding_minor) {
      return false;
    }
    payment.refunding_minor -= event.amount.minor;
    payment.refunded_minor += event.success ? event.amount.minor : 0;
    return true;
  });
}

}  // namespace payonce::core
