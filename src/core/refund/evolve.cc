#include "core/refund/evolve.h"

#include <utility>

#include "core/due.h"
#include "core/index_keys.h"

namespace payonce::core {
namespace {

void update_indexes(IndexSink& indexes, const Refund& refund, RefundStatus before,
                    const DueSet& dues_before) {
  update_dues(indexes, StreamKind::kRefund, refund.id, dues_before, dues_of(refund));
  set_mark(indexes, Index::kExhausted, before == RefundStatus::kExhausted,
           refund.status == RefundStatus::kExhausted, refund_task(refund.id));
}

template <class Change>
bool alter(Rows& rows, const Record& record, Change&& change) {
  Refund* refund = rows.refunds.change(record.stream, record.seq);
  if (refund == nullptr) {
    return false;
  }
  const RefundStatus before = refund->status;
  const DueSet dues_before = rows.indexes == nullptr ? DueSet{} : dues_of(*refund);
  if (!change(*refund)) {
    return false;
  }
  refund->updated_at = record.at;
  refund->stream_last = record.seq;
  if (rows.indexes != nullptr) {
    update_indexes(*rows.indexes, *refund, before, dues_before);
  }
  return true;
}

// Applies `change`, counting the call, if `call` is what the refund waits for.
template <class Change>
bool answer(Rows& rows, const Record& record, std::uint32_t call, Change&& change) {
  return alter(rows, record, [&](Refund& refund) {
    const auto pending = pending_refund_call(refund);
    if (!pending || pending->attempt != call) {
      return false;
    }
    refund.calls = call;
    ++refund.attempts;
    change(refund);
    return true;
  });
}

}  // namespace

bool evolve(Rows& rows, const Record& record, const RefundCreated& event) {
  if (rows.refunds.find(record.stream) != nullptr) {
    return false;
  }
  Refund created;
  created.id = record.stream;
  created.payment_id = event.payment_id;
  created.user_id = event.user_id;
  created.amount = event.amount;
  created.payment_method = event.payment_method;
  created.retry = event.retry;
  created.not_before = record.at;
  created.created_at = record.at;
  created.updated_at = record.at;
  created.created_seq = record.seq;
  created.stream_last = record.seq;
  const Refund& refund = rows.refunds.put(record.stream, std::move(created), record.seq);
  if (rows.indexes != nullptr) {
    const std::string place = position(refund.created_at, refund.created_seq);
    rows.indexes->put(Index::kRefundsByTime, place, refund.id);
    rows.indexes->put(Index::kRefundsByPayment, text_prefix(refund.payment_id) + place, refund.id);
    update_dues(*rows.indexes, StreamKind::kRefund, refund.id, DueSet{}, dues_of(refund));
  }
  return true;
}

bool evolve(Rows& rows, const Record& record, const RefundRetryScheduled& event) {
  return answer(rows, record, event.call, [&](Refund& refund) {
    refund.error = event.error;
    refund.not_before = event.not_before;
  });
}

bool evolve(Rows& rows, const Record& record, const RefundConfirmed& event) {
  return answer(rows, record, event.call, [&](Refund& refund) {
    refund.status = RefundStatus::kSuccess;
    refund.reference = event.reference;
    refund.error.clear();
  });
}

bool evolve(Rows& rows, const Record& record, const RefundDeclined& event) {
  return answer(rows, record, event.call, [&](Refund& refund) {
    refund.status = RefundStatus::kFail;
    refund.error = event.reason;
  });
}

bool evolve(Rows& rows, const Record& record, const RefundExhausted& event) {
  return answer(rows, record, event.call, [&](Refund& refund) {
    refund.status = RefundStatus::kExhausted;
    refund.error = event.error;
  });
}

bool evolve(Rows& rows, const Record& record, const RefundResumed& /*event*/) {
  return alter(rows, record, [&](Refund& refund) {
    if (refund.status != RefundStatus::kExhausted) {
      return false;
    }
    refund.status = RefundStatus::kProcessing;
    refund.attempts = 0;
    refund.not_before = record.at;
    return true;
  });
}

bool note_refund_transfer(Rows& rows, const Record& record) {
  return alter(rows, record, [](Refund&) { return true; });
}

}  // namespace payonce::core
