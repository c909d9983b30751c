// core/ledger/events.h: facts about money. Every workflow moves money by these events only.
//
// Type numbers and field order are stored: see docs/log-format.md for what may change.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/money.h"

namespace payonce::core {

struct AccountOpened {
  static constexpr std::uint16_t kType = 10;
  static constexpr std::string_view kName = "account_opened";
  Currency currency;
  std::string metadata;
  bool system = false;

  template <class Visitor, class Self>
  static void fields(Visitor& v, Self& self) {
    v("currency", self.currency);
    v("metadata", self.metadata);
    v("system", self.system);
  }
};

// An immediate transfer: both sides are posted at once.
struct FundsTransferred {
  static constexpr std::uint16_t kType = 11;
  static constexpr std::string_view kName = "funds_transferred";
  std::string transfer_id;
  std::string workflow_id;  // with step, the key of the movement
  std::string step;
  std::string debit_account;
  std::string credit_account;
  Money amount;
  std::string reference;

  template <class Visitor, class Self>
  static void fields(Visitor& v, Self& self) {
    v("transfer_id", self.transfer_id);
    v("workflow_id", self.workflow_id);
    v("step", self.step);
    v("debit_account", self.debit_account);
    v("credit_account", self.credit_account);
    v("amount", self.amount);
    v("reference", self.reference);
  }
};

// A hold: reduces what the debit account has available, moves nothing yet.
// The workflow is the stream that the event belongs to.
struct FundsHeld {
  static constexpr std::uint16_t kType = 12;
  static constexpr std::string_view kName = "funds_held";
  std::string transfer_id;
  std::string step;
  std::string debit_account;
  std::string credit_account;
  Money amount;

  template <class Visitor, class Self>
  static void fields(Visitor& v, Self& self) {
    v("transfer_id", self.transfer_id);
    v("step", self.step);
    v("debit_account", self.debit_account);
    v("credit_account", self.credit_account);
    v("amount", self.amount);
  }
};

// Posts the hold of `step`. A smaller amount than was held posts that part and releases the rest.
struct HoldPosted {
  static constexpr std::uint16_t kType = 13;
  static constexpr std::string_view kName = "hold_posted";
  std::string step;
  Money amount;

  template <class Visitor, class Self>
  static void fields(Visitor& v, Self& self) {
    v("step", self.step);
    v("amount", self.amount);
  }
};

// Gives the hold of `step` back whole.
struct HoldVoided {
  static constexpr std::uint16_t kType = 14;
  static constexpr std::string_view kName = "hold_voided";
  std::string step;

  template <class Visitor, class Self>
  static void fields(Visitor& v, Self& self) {
    v("step", self.step);
  }
};

}  // namespace payonce::core
