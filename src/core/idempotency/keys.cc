#include "core/idempotency/keys.h"

#include <utility>

#include "base/planted.h"
#include "core/index_keys.h"

namespace payonce::core {
namespace {

std::string expiry_place(Timestamp expires_at, const std::string& key) {
  std::string place;
  append_big_endian(place, static_cast<std::uint64_t>(expires_at.us));
  return place + key;
}

// A key that is used again after its expiry must not be removed at the old time.
void forget_expiry(Rows& rows, const KeyRecord* before) {
  if (rows.indexes != nullptr && before != nullptr && before->state == KeyState::kCompleted) {
    rows.indexes->erase(Index::kKeysByExpiry, expiry_place(before->expires_at, before->key));
  }
}

}  // namespace

std::string_view name(KeyState state) {
  switch (state) {
    case KeyState::kProcessing:
      return "processing";
    case KeyState::kCompleted:
      return "completed";
  }
  return "";
}

std::optional<OutcomeKind> check_key(const KeyedRequest& request, const KeyRecord* record,
                                     Timestamp now) {
  if (record == nullptr) {
    return std::nullopt;
  }
  const bool expired = (record->expires_at <= now && !planted(Bug::kKeyKeptForEver)) ||
                       planted(Bug::kKeyForgottenEarly);
  if (record->state == KeyState::kCompleted && expired) {
    return std::nullopt;
  }
  if (record->fingerprint != request.fingerprint) {
    return OutcomeKind::kKeyReused;
  }
  return record->state == KeyState::kCompleted ? OutcomeKind::kKeyReplayed
                                               : OutcomeKind::kKeyInFlight;
}

bool keeps_answer(OutcomeKind kind) {
  switch (kind) {
    case OutcomeKind::kCancelAccepted:
    case OutcomeKind::kCompensationRetried:
    case OutcomeKind::kCallbackAccepted:
    case OutcomeKind::kFraudDecided:
    case OutcomeKind::kRefundAccepted:
    case OutcomeKind::kTaskRetried:
    case OutcomeKind::kAccountOpened:
    case OutcomeKind::kDeposited:
    case OutcomeKind::kPaymentAccepted:
    case OutcomeKind::kPaymentRefused:
    case OutcomeKind::kPaymentExisting:
      return true;
    case OutcomeKind::kAccountExists:
    case OutcomeKind::kReservedId:
    case OutcomeKind::kAccountNotFound:
    case OutcomeKind::kInvalidAmount:
    case OutcomeKind::kBalanceOverflow:
    case OutcomeKind::kPaymentExists:
    case OutcomeKind::kResultApplied:
    case OutcomeKind::kResultStale:
    case OutcomeKind::kKeyReplayed:
    case OutcomeKind::kKeyReused:
    case OutcomeKind::kKeyInFlight:
    case OutcomeKind::kKeyCompleted:
    case OutcomeKind::kPaymentNotFound:
    case OutcomeKind::kCancelled:
    case OutcomeKind::kPaymentClosed:
    case OutcomeKind::kNotCompensationFailed:
    case OutcomeKind::kFraudNotFound:
    case OutcomeKind::kFraudClosed:
    case OutcomeKind::kRefundTooMuch:
    case OutcomeKind::kRefundNotPossible:
    case OutcomeKind::kTaskNotFound:
    case OutcomeKind::kTaskNotExhausted:
      return false;
  }
  return false;
}

OutcomeKind decide_complete_key(const CompleteKey& command, const KeyRecord* record,
                                Decision& out) {
  if (record == nullptr || record->state == KeyState::kCompleted) {
    return record == nullptr ? OutcomeKind::kResultStale : OutcomeKind::kKeyReplayed;
  }
  out.push_back({StreamKind::kIdempotency,
                 {},
                 AnswerRecorded{.key = command.key,
                                .fingerprint = record->fingerprint,
                                .retention = record->retention,
                                .answer = command.answer}});
  return OutcomeKind::kKeyCompleted;
}

bool evolve(Rows& rows, const Record& record, const KeyClaimed& event) {
  forget_expiry(rows, rows.keys.find(event.key));
  rows.keys.put(event.key,
                KeyRecord{.key = event.key,
                          .fingerprint = event.fingerprint,
                          .state = KeyState::kProcessing,
                          .workflow_kind = event.workflow_kind,
                          .workflow_id = event.workflow_id,
                          .answer = {},
                          .retention = event.retention,
                          .expires_at = {}},
                record.seq);
  return true;
}

bool evolve(Rows& rows, const Record& record, const AnswerRecorded& event) {
  const KeyRecord* before = rows.keys.find(event.key);
  KeyRecord completed{.key = event.key,
                      .fingerprint = event.fingerprint,
                      .state = KeyState::kCompleted,
                      .workflow_kind = StreamKind::kLog,
                      .workflow_id = {},
                      .answer = event.answer,
                      .retention = event.retention,
                      .expires_at = record.at + event.retention};
  // Of an earlier, expired use nothing may be left: whether its row is still there depends on when
  // expired keys were removed last, which the log does not say.
  if (before != nullptr && before->state == KeyState::kProcessing) {
    completed.workflow_kind = before->workflow_kind;
    completed.workflow_id = before->workflow_id;
  }
  forget_expiry(rows, before);
  if (rows.indexes != nullptr) {
    rows.indexes->put(Index::kKeysByExpiry, expiry_place(completed.expires_at, event.key), {});
  }
  rows.keys.put(event.key, std::move(completed), record.seq);
  return true;
}

}  // namespace payonce::core
