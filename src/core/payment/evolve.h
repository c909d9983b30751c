// core/payment/evolve.h: the only writer of payments.
//
// Folds one event into the rows; false, having changed nothing, when the event does not fit.
#pragma once

#include "core/record.h"
#include "core/rows.h"

namespace payonce::core {

[[nodiscard]] bool evolve(Rows& rows, const Record& record, const PaymentCreated& event);
[[nodiscard]] bool evolve(Rows& rows, const Record& record, const PaymentRefused& event);
[[nodiscard]] bool evolve(Rows& rows, const Record& record, const GatewayRetryScheduled& event);
[[nodiscard]] bool evolve(Rows& rows, const Record& record, const GatewayConfirmed& event);
[[nodiscard]] bool evolve(Rows& rows, const Record& record, const GatewayDeclined& event);
[[nodiscard]] bool evolve(Rows& rows, const Record& record, const GatewayExhausted& event);
[[nodiscard]] bool evolve(Rows& rows, const Record& record, const PaymentSucceeded& event);
[[nodiscard]] bool evolve(Rows& rows, const Record& record, const PaymentFailed& event);
[[nodiscard]] bool evolve(Rows& rows, const Record& record, const NotificationSent& event);
[[nodiscard]] bool evolve(Rows& rows, const Record& record,
                          const NotificationRetryScheduled& event);
[[nodiscard]] bool evolve(Rows& rows, const Record& record, const NotificationExhausted& event);

// Moves of a payment's hold are part of its history as well: advances step and history.
[[nodiscard]] bool note_ledger_event(Rows& rows, const Record& record);

}  // namespace payonce::core
