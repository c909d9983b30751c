// core/payment/alter.h: how an event changes a payment's row. Private to core/payment.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include "core/due.h"
#include "core/record.h"
#include "core/rows.h"

namespace payonce::core {

// What the secondary keys show of a payment.
struct PaymentMarks {
  PaymentStatus status = PaymentStatus::kPending;
  DueSet dues;                  // what it waits for
  bool stuck = false;           // compensation has given up
  std::uint32_t exhausted = 0;  // channels, by channel_bit
};
[[nodiscard]] PaymentMarks marks_of(const Payment& payment);
void update_indexes(IndexSink& indexes, const Payment& payment, const PaymentMarks& before);
void index_status(IndexSink& indexes, const Payment& payment, PaymentStatus before);

// The step of a payment that has ended, from what is still owed to it.
[[nodiscard]] PaymentStep step_after_end(const Payment& payment);

// Ends the payment: its outbox is filled.
void end_payment(Payment& payment, PaymentStatus status, Timestamp at);

// Loads the record's payment, lets `change` alter it (false: the event does not fit), and keeps
// history and secondary keys in step.
template <class Change>
bool alter(Rows& rows, const Record& record, Change&& change) {
  Payment* payment = rows.payments.change(record.stream, record.seq);
  if (payment == nullptr) {
    return false;
  }
  const PaymentMarks before = rows.indexes == nullptr ? PaymentMarks{} : marks_of(*payment);
  if (!change(*payment)) {
    return false;
  }
  if (terminal(payment->status)) {
    payment->step = step_after_end(*payment);
  }
  payment->updated_at = record.at;
  payment->stream_last = record.seq;
  if (rows.indexes != nullptr) {
    update_indexes(*rows.indexes, *payment, before);
  }
  return true;
}

}  // namespace payonce::core
