// core/ledger/evolve.h: the only writer of accounts and transfers.
//
// Each function folds one event into the rows and returns false, having changed nothing, when the
// event does not fit the state (which a log written by this machine never does).
#pragma once

#include "core/record.h"
#include "core/rows.h"

namespace payonce::core {

[[nodiscard]] bool evolve(Rows& rows, const Record& record, const AccountOpened& event);
[[nodiscard]] bool evolve(Rows& rows, const Record& record, const FundsTransferred& event);
[[nodiscard]] bool evolve(Rows& rows, const Record& record, const FundsHeld& event);
[[nodiscard]] bool evolve(Rows& rows, const Record& record, const HoldPosted& event);
[[nodiscard]] bool evolve(Rows& rows, const Record& record, const HoldVoided& event);

}  // namespace payonce::core
