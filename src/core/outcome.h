// core/outcome.h: what became of a command, and what has to happen outside because of it.
#pragma once

#include <cstdint>
#include <string>
#include <variant>

#include "base/money.h"
#include "base/time.h"
#include "core/idempotency/model.h"
#include "core/ledger/model.h"
#include "core/payment/model.h"
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
};

// Pointers lead into the machine's rows: valid until the next command.
struct Outcome {
  OutcomeKind kind = OutcomeKind::kResultStale;
  const Account* account = nullptr;
  const Transfer* transfer = nullptr;
  const Payment* payment = nullptr;
  const KeyRecord* key = nullptr;
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

struct SendNotification {
  std::string payment_id;
  std::uint32_t attempt = 0;
  Timestamp not_before;
  std::string user_id;
  Money amount;
  PaymentStatus status = PaymentStatus::kPending;
  FailureCode failure = FailureCode::kNone;
};

// Somebody may be waiting for this workflow's end, or (kIdempotency) for this key's answer.
struct WorkflowEnded {
  StreamKind kind = StreamKind::kPayment;
  std::string id;
};

using Effect = std::variant<CallGateway, SendNotification, WorkflowEnded>;

}  // namespace payonce::core
