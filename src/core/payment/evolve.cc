#include "core/payment/evolve.h"

#include <utility>
#include <variant>

#include "core/index_keys.h"

namespace payonce::core {
namespace {

bool waits_for_task(const Payment& payment) {
  return pending_gateway_call(payment).has_value() || pending_notification(payment).has_value();
}

void index_status(IndexSink& indexes, const Payment& payment, PaymentStatus before) {
  const std::string place = position(payment.created_at, payment.created_seq);
  if (before != payment.status) {
    indexes.erase(Index::kPaymentsByStatus, status_prefix(before) + place);
  }
  indexes.put(Index::kPaymentsByStatus, status_prefix(payment.status) + place, payment.id);
}

// Loads the record's payment, lets `change` alter it (false: the event does not fit), and keeps
// history and secondary keys in step.
template <class Change>
bool alter(Rows& rows, const Record& record, Change&& change) {
  Payment* payment = rows.payments.change(record.stream, record.seq);
  if (payment == nullptr) {
    return false;
  }
  const PaymentStatus status_before = payment->status;
  const bool waited = waits_for_task(*payment);
  if (!change(*payment)) {
    return false;
  }
  payment->updated_at = record.at;
  payment->stream_last = record.seq;
  if (rows.indexes != nullptr) {
    if (status_before != payment->status) {
      index_status(*rows.indexes, *payment, status_before);
    }
    if (waited && !waits_for_task(*payment)) {
      rows.indexes->erase(Index::kWakeups, payment->id);
    } else if (!waited && waits_for_task(*payment)) {
      rows.indexes->put(Index::kWakeups, payment->id, {});
    }
  }
  return true;
}

bool awaits_attempt(const Payment& payment, std::uint32_t attempt) {
  const auto call = pending_gateway_call(payment);
  return call && call->attempt == attempt;
}

bool awaits_notification(const Payment& payment, std::uint32_t attempt) {
  const auto call = pending_notification(payment);
  return call && call->attempt == attempt;
}

void end(Payment& payment, PaymentStatus status, Timestamp at) {
  payment.status = status;
  payment.step = PaymentStep::kNotify;
  payment.notify = NotifyState::kPending;
  payment.notify_not_before = at;
}

}  // namespace

bool evolve(Rows& rows, const Record& record, const PaymentCreated& event) {
  if (rows.payments.find(record.stream) != nullptr) {
    return false;
  }
  Payment created;
  created.id = record.stream;
  created.content = event.content;
  created.rules = event.rules;
  created.created_at = record.at;
  created.updated_at = record.at;
  created.created_seq = record.seq;
  created.stream_last = record.seq;
  const Payment& payment = rows.payments.put(record.stream, std::move(created), record.seq);
  if (rows.indexes != nullptr) {
    const std::string place = position(payment.created_at, payment.created_seq);
    rows.indexes->put(Index::kPaymentsByTime, place, payment.id);
    rows.indexes->put(Index::kPaymentsByUser, text_prefix(payment.content.user_id) + place,
                      payment.id);
    index_status(*rows.indexes, payment, payment.status);
  }
  return true;
}

bool evolve(Rows& rows, const Record& record, const PaymentRefused& event) {
  return alter(rows, record, [&](Payment& payment) {
    if (payment.step != PaymentStep::kValidate) {
      return false;
    }
    payment.status = PaymentStatus::kFail;
    payment.step = PaymentStep::kDone;
    payment.failure = event.code;
    payment.failure_message = event.message;
    return true;
  });
}

bool evolve(Rows& rows, const Record& record, const GatewayRetryScheduled& event) {
  return alter(rows, record, [&](Payment& payment) {
    if (!awaits_attempt(payment, event.attempt)) {
      return false;
    }
    payment.status = PaymentStatus::kProcessing;
    payment.gateway = GatewayState::kRetrying;
    payment.gateway_attempts = event.attempt;
    payment.gateway_not_before = event.not_before;
    payment.gateway_error = event.error;
    return true;
  });
}

bool evolve(Rows& rows, const Record& record, const GatewayConfirmed& event) {
  return alter(rows, record, [&](Payment& payment) {
    if (!awaits_attempt(payment, event.attempt)) {
      return false;
    }
    payment.status = PaymentStatus::kProcessing;
    payment.step = PaymentStep::kPost;
    payment.gateway = GatewayState::kConfirmed;
    payment.gateway_attempts = event.attempt;
    payment.gateway_reference = event.reference;
    payment.gateway_error.clear();
    return true;
  });
}

bool evolve(Rows& rows, const Record& record, const GatewayDeclined& event) {
  return alter(rows, record, [&](Payment& payment) {
    if (!awaits_attempt(payment, event.attempt)) {
      return false;
    }
    payment.status = PaymentStatus::kProcessing;
    payment.step = PaymentStep::kCompensate;
    payment.gateway = GatewayState::kDeclined;
    payment.gateway_attempts = event.attempt;
    payment.gateway_error = event.reason;
    return true;
  });
}

bool evolve(Rows& rows, const Record& record, const GatewayExhausted& event) {
  return alter(rows, record, [&](Payment& payment) {
    if (!awaits_attempt(payment, event.attempt)) {
      return false;
    }
    payment.status = PaymentStatus::kProcessing;
    payment.step = PaymentStep::kCompensate;
    payment.gateway = GatewayState::kUnavailable;
    payment.gateway_attempts = event.attempt;
    payment.gateway_error = event.error;
    return true;
  });
}

bool evolve(Rows& rows, const Record& record, const PaymentSucceeded& /*event*/) {
  return alter(rows, record, [&](Payment& payment) {
    if (payment.step != PaymentStep::kPost) {
      return false;
    }
    end(payment, PaymentStatus::kSuccess, record.at);
    return true;
  });
}

bool evolve(Rows& rows, const Record& record, const PaymentFailed& event) {
  return alter(rows, record, [&](Payment& payment) {
    if (payment.step != PaymentStep::kCompensate) {
      return false;
    }
    payment.failure = event.code;
    payment.failure_message = event.message;
    end(payment, PaymentStatus::kFail, record.at);
    return true;
  });
}

bool evolve(Rows& rows, const Record& record, const NotificationSent& event) {
  return alter(rows, record, [&](Payment& payment) {
    if (!awaits_notification(payment, event.attempt)) {
      return false;
    }
    payment.step = PaymentStep::kDone;
    payment.notify = NotifyState::kSent;
    payment.notify_attempts = event.attempt;
    return true;
  });
}

bool evolve(Rows& rows, const Record& record, const NotificationRetryScheduled& event) {
  return alter(rows, record, [&](Payment& payment) {
    if (!awaits_notification(payment, event.attempt)) {
      return false;
    }
    payment.notify_attempts = event.attempt;
    payment.notify_not_before = event.not_before;
    return true;
  });
}

bool evolve(Rows& rows, const Record& record, const NotificationExhausted& event) {
  return alter(rows, record, [&](Payment& payment) {
    if (!awaits_notification(payment, event.attempt)) {
      return false;
    }
    payment.step = PaymentStep::kDone;
    payment.notify = NotifyState::kExhausted;
    payment.notify_attempts = event.attempt;
    return true;
  });
}

bool note_ledger_event(Rows& rows, const Record& record) {
  return alter(rows, record, [&](Payment& payment) {
    if (std::holds_alternative<FundsHeld>(record.event)) {
      payment.step = PaymentStep::kGateway;
      payment.gateway = GatewayState::kPending;
      payment.gateway_not_before = record.at;
    } else if (std::holds_alternative<HoldVoided>(record.event)) {
      payment.compensation = CompensationState::kCompleted;
    }
    return true;
  });
}

}  // namespace payonce::core
