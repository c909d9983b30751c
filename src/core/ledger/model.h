// core/ledger/model.h: accounts and transfers of the double-entry ledger.
//
// Every movement of money is a transfer from a debit account to a credit account, named by the key
// (workflow id, step): applying it twice is impossible by construction. A transfer is immediate
// (posted), or held first and then posted or voided.
// Invariant: for every account that is not the system's own, 0 <= held <= posted, so
// available = posted - held never goes below zero.
// Invariant: the sum of `posted` over all accounts of a currency is zero.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/money.h"
#include "base/time.h"
#include "core/types.h"

namespace payonce::core {

struct Account {
  std::string id;
  Currency currency;
  WideAmount posted = 0;  // posted credits - posted debits, minor units
  std::int64_t held = 0;  // sum of held debits, minor units
  bool system = false;    // the server's own side of a movement; may go below zero
  Timestamp created_at;
  std::string metadata;  // a JSON object as text
  Seq stream_last = 0;   // newest event of the account's own history

  [[nodiscard]] WideAmount available() const { return posted - held; }

  template <class Visitor, class Self>
  static void fields(Visitor& v, Self& self) {
    v("id", self.id);
    v("currency", self.currency);
    v("posted", self.posted);
    v("held", self.held);
    v("system", self.system);
    v("created_at", self.created_at);
    v("metadata", self.metadata);
    v("stream_last", self.stream_last);
  }
};

// Numbers are stored and never reused.
enum class TransferState : std::uint8_t { kPosted = 1, kHeld = 2, kVoided = 3 };
[[nodiscard]] std::string_view name(TransferState state);

struct Transfer {
  std::string id;
  std::string debit_account;
  std::string credit_account;
  Money amount;
  TransferState state = TransferState::kPosted;
  std::string workflow_id;
  std::string step;
  std::string reference;  // the client's own words, may be empty
  Timestamp created_at;

  template <class Visitor, class Self>
  static void fields(Visitor& v, Self& self) {
    v("id", self.id);
    v("debit_account", self.debit_account);
    v("credit_account", self.credit_account);
    v("amount", self.amount);
    v("state", self.state);
    v("workflow_id", self.workflow_id);
    v("step", self.step);
    v("reference", self.reference);
    v("created_at", self.created_at);
  }
};

// The row key of a transfer. '/' cannot occur in an id, so keys of two workflows never meet.
[[nodiscard]] std::string transfer_key(std::string_view workflow_id, std::string_view step);

// Ids of the server's own accounts start with this; clients cannot choose such an id.
inline constexpr std::string_view kSystemAccountPrefix = "sys:";
[[nodiscard]] std::string funding_account(Currency currency);  // where deposits come from
[[nodiscard]] std::string gateway_account(Currency currency);  // where payments go to

}  // namespace payonce::core
