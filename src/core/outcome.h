// core/outcome.h: what became of a command, and what has to happen outside because of it.
#pragma once

#include <cstdint>
#include <string>
#include <variant>

#include "base/money.h"
#include "base/time.h"
#include "core/fraud/model.h"
#include "core/idempotency/model.h"
#include "core/ledger/model.h"
#include "core/payment/model.h"
#include "core/refund/model.h"
#include "core/types.h"

namespace payonce::core {

enum class OutcomeKind : std::uint8_t {
  kAccountOpened,
  kAccountExists,
  kReservedId,  // the id belongs to the server's own accounts
  kDeposited,
  kAccountNotFound,
  kInvalidAmount,    // `amount_error` says why
  kBalanceOverflow,  // the account could not hold that much
  kPaymentAccepted,
  kPaymentRefused,   // recorded as a failed payment
  kPaymentExisting,  // the same id and content again
  kPaymentExists,    // the same id, other content
  kResultApplied,
  kResultStale,  // nothing waits for this result (any more)
  kKeyReplayed,  // `key` holds the first answer
  kKeyReused,    // the key was used with another payload
  kKeyInFlight,  // `key` names the workflow whose end completes the answer
  kKeyCompleted,
  kPaymentNotFound,
  kCancelAccepted,  // compensation runs, or the payment has just been cancelled
  kCancelled,       // it was cancelled before
  kPaymentClosed,   // its end is decided, and it is another one
  kCompensationRetried,
  kNotCompensationFailed,  // there is nothing to retry
  kCallbackAccepted,
  kFraudDecided,  // now, or by the same verdict before
  kFraudNotFound,
  kFraudClosed,  // ended otherwise
  kRefundAccepted,
  kRefundTooMuch,      // more than was paid and not given back
  kRefundNotPossible,  // the payment has not succeeded
  kTaskRetried,
  kTaskNotFound,
  kTaskNotExhausted,
};

// Pointers lead into the machine's rows: valid until the next command.
struct Outcome {
  OutcomeKind kind = OutcomeKind::kResultStale;
  const Account* account = nullptr;
  const Transfer* transfer = nullptr;
  const Payment* payment = nullptr;
  const KeyRecord* key = nullptr;
  const FraudCheck* fraud = nullptr;
  const Refund* refund = nullptr;
  AmountError amount_error = AmountError::kSyntax;
  // The newest event that the outcome shows: it may be told only when that one is durable. Set when
  // the command itself added no event.
  Seq depends_on = 0;
};

// Effects: released by the engine after the commit, never before. All of them are derived from
// state, so releasing one again after a crash is always right.
struct CallGateway {
  std::string payment_id;  // also the gateway's idempotency key: the same for every attempt
  std::uint32_t attempt = 0;
  Timestamp not_before;
  Money amount;
  std::string payment_method;
};

// Asks the gateway what it knows of the payment's key.
struct InquireGateway {
  std::string payment_id;
  std::uint32_t inquiry = 0;
  Timestamp not_before;
  std::string payment_method;
};

// Voids or refunds the whole charge, under the same key as the charge.
struct UndoAtGateway {
  std::string payment_id;
  CompensationKind kind = CompensationKind::kVoidCharge;
  std::uint32_t call = 0;
  Timestamp not_before;
  Money amount;
  std::string payment_method;
};

// Gives a part of a charge back; `refund_id` is the gateway's idempotency key for it.
struct RefundAtGateway {
  std::string refund_id;
  std::string payment_id;
  std::uint32_t call = 0;
  Timestamp not_before;
  Money amount;
  std::string payment_method;
};

struct CheckFraud {
  std::string fraud_id;
  std::uint32_t attempt = 0;
  Timestamp not_before;
  std::string payment_id;
  std::string user_id;
  Money amount;
  std::string payment_method;
};

struct SendNotification {
  std::string payment_id;
  NotifyChannel channel = NotifyChannel::kLog;
  std::uint32_t attempt = 0;
  Timestamp not_before;
  std::string user_id;
  Money amount;
  PaymentStatus status = PaymentStatus::kPending;
  FailureCode failure = FailureCode::kNone;
  Timestamp ended_at;
  std::string payment_method;
};

// The workflow waits for this time to come.
struct StartTimer {
  StreamKind kind = StreamKind::kPayment;
  std::string id;
  Timestamp due;
  std::string payment_method;
};

// Somebody may be waiting for this workflow's end, or (kIdempotency) for this key's answer.
struct WorkflowEnded {
  StreamKind kind = StreamKind::kPayment;
  std::string id;
};

using Effect = std::variant<CallGateway, InquireGateway, UndoAtGateway, RefundAtGateway, CheckFraud,
                            SendNotification, StartTimer, WorkflowEnded>;

}  // namespace payonce::core
