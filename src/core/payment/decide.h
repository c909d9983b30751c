// core/payment/decide.h: the rules of the payment saga, versions 1 and 2. Pure functions: state and
// command in, events out. Which version applies is recorded in the payment itself.
//
// A result that the state does not wait for (other attempt, already decided, unknown payment) is
// kResultStale and adds no event. Two inputs that meet are decided by their order in the log alone:
// the second one finds the state that the first one left.
#pragma once

#include <cstdint>
#include <string>

#include "core/commands.h"
#include "core/decision.h"

namespace payonce::core {

// What the rows say about the accounts of a new payment; null where there is no such row.
struct PaymentParties {
  const Payment* existing = nullptr;  // a payment of the same id
  const Account* payer = nullptr;
  const Account* clearing = nullptr;  // the gateway's account of the payment's currency
};

// Validates and holds, and starts the fraud check. `id` is the payment's id, chosen by the client
// or made by the machine.
[[nodiscard]] OutcomeKind decide_create_payment(const CreatePayment& command, const std::string& id,
                                                const PaymentParties& parties,
                                                const Context& context, Decision& out);

// The gateway: decide_gateway.cc.
[[nodiscard]] OutcomeKind decide_gateway_reply(const RecordGatewayReply& command,
                                               const Payment* payment, const Context& context,
                                               Decision& out);
[[nodiscard]] OutcomeKind decide_inquiry_reply(const RecordInquiryReply& command,
                                               const Payment* payment, const Context& context,
                                               Decision& out);
[[nodiscard]] OutcomeKind decide_callback(const RecordCallback& command, const Payment* payment,
                                          Decision& out);
[[nodiscard]] OutcomeKind decide_callback_timer(const TimerFired& command, const Payment* payment,
                                                const Context& context, Decision& out);

// The fraud check of `payment` has ended: goes on, or undoes.
void decide_fraud_ended(const Payment& payment, FraudResult result, const std::string& reason,
                        Decision& out);

// Undoing: decide_undo.cc.
[[nodiscard]] OutcomeKind decide_cancel(const CancelPayment& command, const Payment* payment,
                                        Decision& out);
[[nodiscard]] OutcomeKind decide_undo_reply(const RecordUndoReply& command, const Payment* payment,
                                            const Context& context, Decision& out);
[[nodiscard]] OutcomeKind decide_retry_compensation(const Payment* payment, Decision& out);

// The outbox: decide_notify.cc.
[[nodiscard]] OutcomeKind decide_notification(const RecordNotification& command,
                                              const Payment* payment, const Context& context,
                                              Decision& out);
[[nodiscard]] OutcomeKind decide_retry_notification(const RetryNotification& command,
                                                    const Payment* payment, Decision& out);

// ---- Shared by the files of this folder.

// Adds an event to the payment's own history.
void push(const Payment& payment, Event event, Decision& out);

// Posts the hold and ends the payment: the gateway has confirmed, and the fraud check does not
// object.
void succeed(const Payment& payment, Decision& out);

// True when money may be taken back and forth no more: everything is decided or being undone.
[[nodiscard]] bool decided(const Payment& payment);

// Ends the payment's fraud check if it still runs: its parent-close policy says how.
void close_fraud_check(const Payment& payment, Decision& out);

// Gives the hold back and ends the payment, where the gateway has nothing to undo.
void fail_after_hold(const Payment& payment, FailureCode code, std::string message, Decision& out);

// Undoes whatever has been done so far, and ends the payment with `code`.
void undo(const Payment& payment, FailureCode code, std::string message, Decision& out);

// Starts the refund of money that was taken after the payment had ended without it; once.
void refund_late_success(const Payment& payment, const std::string& reference, Decision& out);

}  // namespace payonce::core
