#include "core/fraud/evolve.h"

#include <utility>

#include "core/due.h"
#include "core/index_keys.h"

namespace payonce::core {
namespace {

template <class Change>
bool alter(Rows& rows, const Record& record, Change&& change) {
  FraudCheck* check = rows.frauds.change(record.stream, record.seq);
  if (check == nullptr || check->result != FraudResult::kRunning) {
    return false;
  }
  const DueSet before = rows.indexes == nullptr ? DueSet{} : dues_of(*check);
  if (!change(*check)) {
    return false;
  }
  check->updated_at = record.at;
  check->stream_last = record.seq;
  if (rows.indexes != nullptr) {
    update_dues(*rows.indexes, StreamKind::kFraud, check->id, before, dues_of(*check));
  }
  return true;
}

}  // namespace

bool evolve(Rows& rows, const Record& record, const FraudCheckOpened& event) {
  if (rows.frauds.find(record.stream) != nullptr) {
    return false;
  }
  FraudCheck opened;
  opened.id = record.stream;
  opened.payment_id = event.payment_id;
  opened.user_id = event.user_id;
  opened.amount = event.amount;
  opened.payment_method = event.payment_method;
  opened.rules = event.rules;
  opened.not_before = record.at + event.rules.delay;
  opened.deadline = record.at + event.rules.timeout;
  opened.created_at = record.at;
  opened.updated_at = record.at;
  opened.created_seq = record.seq;
  opened.stream_last = record.seq;
  const FraudCheck& check = rows.frauds.put(record.stream, std::move(opened), record.seq);
  if (rows.indexes != nullptr) {
    rows.indexes->put(Index::kFraudByTime, position(check.created_at, check.created_seq), check.id);
    update_dues(*rows.indexes, StreamKind::kFraud, check.id, DueSet{}, dues_of(check));
  }
  return true;
}

bool evolve(Rows& rows, const Record& record, const FraudCheckRetryScheduled& event) {
  return alter(rows, record, [&](FraudCheck& check) {
    const auto call = pending_fraud_call(check);
    if (!call || call->attempt != event.attempt) {
      return false;
    }
    check.attempts = event.attempt;
    check.error = event.error;
    check.not_before = event.not_before;
    return true;
  });
}

bool evolve(Rows& rows, const Record& record, const FraudCheckDecided& event) {
  return alter(rows, record, [&](FraudCheck& check) {
    if (event.result == FraudResult::kNone || event.result == FraudResult::kRunning) {
      return false;
    }
    check.result = event.result;
    check.reason = event.reason;
    if (event.attempt != 0) {
      check.attempts = event.attempt;
      check.error.clear();
    }
    return true;
  });
}

}  // namespace payonce::core
