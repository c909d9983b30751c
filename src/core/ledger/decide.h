// core/ledger/decide.h: rules of accounts and deposits. Pure functions of rows and command.
#pragma once

#include "base/time.h"
#include "core/commands.h"
#include "core/decision.h"

namespace payonce::core {

// `existing` and `funding` may be null: no such account yet. `id` is the account's id, chosen by
// the client or made by the machine.
[[nodiscard]] OutcomeKind decide_open_account(const OpenAccount& command, const std::string& id,
                                              const Account* existing, const Account* funding,
                                              const Context& context, Decision& out);

struct DepositVerdict {
  OutcomeKind kind = OutcomeKind::kAccountNotFound;
  AmountError amount_error = AmountError::kSyntax;
  std::string transfer_key;  // of the new transfer when kDeposited
};
[[nodiscard]] DepositVerdict decide_deposit(const Deposit& command, const Account* account,
                                            const Account* funding, const Context& context,
                                            Decision& out);

}  // namespace payonce::core
