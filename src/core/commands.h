// core/commands.h: everything that can be asked of the machine.
//
// A command carries all that it needs: the clock's time comes with the engine's Context, policies
// and defaults were filled in from the configuration outside.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>

#include "base/money.h"
#include "base/time.h"
#include "core/idempotency/model.h"
#include "core/payment/model.h"

namespace payonce::core {

struct OpenAccount {
  std::string id;  // empty: the machine makes one
  Currency currency;
  std::int64_t opening_minor = 0;  // in the account's currency, not negative
  std::string metadata;
};

struct Deposit {
  std::string account_id;
  std::string amount;  // decimal text: how many digits it may have depends on the account
  std::string reference;
};

struct CreatePayment {
  std::string id;  // empty: the machine makes one
  PaymentContent content;
  PaymentRules rules;
};

enum class GatewayReply : std::uint8_t {
  kConfirmed = 1,
  kDeclined = 2,
  kTemporaryFailure = 3,  // certainly nothing was taken; try again
  kNoAnswer = 4,          // nobody knows: never tried again before an inquiry
  kAccepted = 5,          // the outcome comes by callback
  kRefused = 6,           // certainly nothing was taken, and trying again is of no use
};

// What the gateway said to attempt `attempt` of a payment's charge.
struct RecordGatewayReply {
  std::string payment_id;
  std::uint32_t attempt = 0;
  GatewayReply reply = GatewayReply::kTemporaryFailure;
  std::string detail;  // the gateway's reference, reason or error
};

enum class InquiryReply : std::uint8_t {
  kConfirmed = 1,
  kDeclined = 2,
  kAccepted = 3,
  kUnknownKey = 4,  // the gateway never took a charge under this key
  kNoAnswer = 5,
};

struct RecordInquiryReply {
  std::string payment_id;
  std::uint32_t inquiry = 0;
  InquiryReply reply = InquiryReply::kNoAnswer;
  std::string detail;
};

// What became of voiding or refunding a charge. kDone also when there was nothing to undo.
enum class UndoReply : std::uint8_t { kDone = 1, kFailed = 2 };

struct RecordUndoReply {
  std::string payment_id;
  std::uint32_t call = 0;
  UndoReply reply = UndoReply::kFailed;
  std::string detail;
};

// The gateway's callback: the outcome of a charge, told by itself.
struct RecordCallback {
  std::string payment_id;
  CallbackOutcome outcome = CallbackOutcome::kConfirmed;
  std::string reference;
  std::string reason;
  std::string webhook_id;
};

enum class RefundReply : std::uint8_t { kConfirmed = 1, kDeclined = 2, kFailed = 3 };

struct RecordRefundReply {
  std::string refund_id;
  std::uint32_t call = 0;
  RefundReply reply = RefundReply::kFailed;
  std::string detail;
};

enum class FraudReply : std::uint8_t { kApproved = 1, kRejected = 2, kFailed = 3 };

struct RecordFraudReply {
  std::string fraud_id;
  std::uint32_t attempt = 0;
  FraudReply reply = FraudReply::kFailed;
  std::string detail;
};

// A person's verdict on a fraud check.
struct DecideFraud {
  std::string fraud_id;
  bool approved = false;
  std::string reason;
};

enum class NotifyReply : std::uint8_t {
  kDelivered = 1,
  kFailed = 2,
  kGone = 3,  // never again: no further attempt is of use
};

struct RecordNotification {
  std::string payment_id;
  NotifyChannel channel = NotifyChannel::kLog;
  std::uint32_t attempt = 0;
  NotifyReply reply = NotifyReply::kFailed;
  std::string error;
};

// The time that a workflow waited for has come.
struct TimerFired {
  StreamKind kind = StreamKind::kPayment;
  std::string id;
  Timestamp due;
};

struct CancelPayment {
  std::string payment_id;
  std::string reason;
};

struct RetryCompensation {
  std::string payment_id;
};

struct CreateRefund {
  std::string payment_id;
  std::string amount;  // decimal text; empty: all that has not been given back
};

// Further attempts at a task whose attempts are used up.
struct RetryNotification {
  std::string payment_id;
  NotifyChannel channel = NotifyChannel::kLog;
};

struct RetryRefund {
  std::string refund_id;
};

// Completes a claimed key with the answer that its first request got in the end.
struct CompleteKey {
  std::string key;
  Answer answer;
};

using Command =
    std::variant<OpenAccount, Deposit, CreatePayment, CancelPayment, RetryCompensation,
                 CreateRefund, RetryNotification, RetryRefund, DecideFraud, RecordCallback,
                 RecordGatewayReply, RecordInquiryReply, RecordUndoReply, RecordRefundReply,
                 RecordFraudReply, RecordNotification, TimerFired, CompleteKey>;

// A request that came with an Idempotency-Key.
struct KeyedRequest {
  std::string key;          // 32 bytes
  std::string fingerprint;  // 32 bytes
  Duration retention;
  // True when the client waits for the workflow's end: the answer is then not this commit's.
  bool answer_later = false;
};

struct Input {
  Command command;
  std::optional<KeyedRequest> keyed;
};

}  // namespace payonce::core
