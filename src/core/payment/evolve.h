// core/payment/evolve.h: the only writer of payments.
//
// Folds one event into the rows; false, having changed nothing, when the event does not fit.
#pragma once

#include "core/record.h"
#include "core/rows.h"

namespace payonce::core {

// The way to the gateway and to the payment's end: evolve.cc.
[[nodiscard]] bool evolve(Rows& rows, const Record& record, const PaymentCreated& event);
[[nodiscard]] bool evolve(Rows& rows, const Record& record, const PaymentRefused& event);
[[nodiscard]] bool evolve(Rows& rows, const Record& record, const FraudCheckStarted& event);
[[nodiscard]] bool evolve(Rows& rows, const Record& record, const FraudCheckEnded& event);
[[nodiscard]] bool evolve(Rows& rows, const Record& record, const PaymentSucceeded& event);
[[nodiscard]] bool evolve(Rows& rows, const Record& record, const PaymentFailed& event);
[[nodiscard]] bool evolve(Rows& rows, const Record& record, const PaymentCancelled& event);

// What the gateway said, or did not say: evolve_gateway.cc.
[[nodiscard]] bool evolve(Rows& rows, const Record& record, const GatewayRetryScheduled& event);
[[nodiscard]] bool evolve(Rows& rows, const Record& record, const GatewayConfirmed& event);
[[nodiscard]] bool evolve(Rows& rows, const Record& record, const GatewayDeclined& event);
[[nodiscard]] bool evolve(Rows& rows, const Record& record, const GatewayExhausted& event);
[[nodiscard]] bool evolve(Rows& rows, const Record& record, const GatewayInDoubt& event);
[[nodiscard]] bool evolve(Rows& rows, const Record& record, const InquiryRetryScheduled& event);
[[nodiscard]] bool evolve(Rows& rows, const Record& record, const InquiryFoundNothing& event);
[[nodiscard]] bool evolve(Rows& rows, const Record& record, const GatewayAccepted& event);
[[nodiscard]] bool evolve(Rows& rows, const Record& record, const CallbackReceived& event);
[[nodiscard]] bool evolve(Rows& rows, const Record& record, const CallbackTimedOut& event);

// Undoing: evolve_undo.cc.
[[nodiscard]] bool evolve(Rows& rows, const Record& record, const CancelRequested& event);
[[nodiscard]] bool evolve(Rows& rows, const Record& record, const CompensationStarted& event);
[[nodiscard]] bool evolve(Rows& rows, const Record& record, const CompensationStepDone& event);
[[nodiscard]] bool evolve(Rows& rows, const Record& record,
                          const CompensationRetryScheduled& event);
[[nodiscard]] bool evolve(Rows& rows, const Record& record, const CompensationExhausted& event);
[[nodiscard]] bool evolve(Rows& rows, const Record& record, const CompensationResumed& event);
[[nodiscard]] bool evolve(Rows& rows, const Record& record, const CompensationCompleted& event);
[[nodiscard]] bool evolve(Rows& rows, const Record& record, const LateRefundStarted& event);

// After the end: evolve_after.cc.
[[nodiscard]] bool evolve(Rows& rows, const Record& record, const RefundRequested& event);
[[nodiscard]] bool evolve(Rows& rows, const Record& record, const RefundEnded& event);
[[nodiscard]] bool evolve(Rows& rows, const Record& record, const NotificationSent& event);
[[nodiscard]] bool evolve(Rows& rows, const Record& record,
                          const NotificationRetryScheduled& event);
[[nodiscard]] bool evolve(Rows& rows, const Record& record, const NotificationExhausted& event);
[[nodiscard]] bool evolve(Rows& rows, const Record& record, const NotificationResumed& event);

// Moves of a payment's hold are part of its history as well: advances step and history.
[[nodiscard]] bool note_ledger_event(Rows& rows, const Record& record);

}  // namespace payonce::core
