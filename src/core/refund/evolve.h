// core/refund/evolve.h: the only writer of refunds.
//
// Folds one event into the rows; false, having changed nothing, when the event does not fit.
#pragma once

#include "core/record.h"
#include "core/rows.h"

namespace payonce::core {

[[nodiscard]] bool evolve(Rows& rows, const Record& record, const RefundCreated& event);
[[nodiscard]] bool evolve(Rows& rows, const Record& record, const RefundRetryScheduled& event);
[[nodiscard]] bool evolve(Rows& rows, const Record& record, const RefundConfirmed& event);
[[nodiscard]] bool evolve(Rows& rows, const Record& record, const RefundDeclined& event);
[[nodiscard]] bool evolve(Rows& rows, const Record& record, const RefundExhausted& event);
[[nodiscard]] bool evolve(Rows& rows, const Record& record, const RefundResumed& event);

// The refund's transfer is part of its history as well.
[[nodiscard]] bool note_refund_transfer(Rows& rows, const Record& record);

}  // namespace payonce::core
