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

enum class GatewayReply : std::uint8_t { kConfirmed = 1, kDeclined = 2, kTemporaryFailure = 3 };

// What the gateway said to attempt `attempt` of a payment's charge.
struct RecordGatewayReply {
  std::string payment_id;
  std::uint32_t attempt = 0;
  GatewayReply reply = GatewayReply::kTemporaryFailure;
  std::string detail;  // the gateway's reference, reason or error
};

struct RecordNotification {
  std::string payment_id;
  std::uint32_t attempt = 0;
  bool delivered = false;
  std::string error;
};

// Completes a claimed key with the answer that its first request got in the end.
struct CompleteKey {
  std::string key;
  Answer answer;
};

using Command = std::variant<OpenAccount, Deposit, CreatePayment, RecordGatewayReply,
                             RecordNotification, CompleteKey>;

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
