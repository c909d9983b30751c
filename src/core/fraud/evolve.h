// core/fraud/evolve.h: the only writer of fraud checks.
//
// Folds one event into the rows; false, having changed nothing, when the event does not fit.
#pragma once

#include "core/record.h"
#include "core/rows.h"

namespace payonce::core {

[[nodiscard]] bool evolve(Rows& rows, const Record& record, const FraudCheckOpened& event);
[[nodiscard]] bool evolve(Rows& rows, const Record& record, const FraudCheckRetryScheduled& event);
[[nodiscard]] bool evolve(Rows& rows, const Record& record, const FraudCheckDecided& event);

}  // namespace payonce::core
