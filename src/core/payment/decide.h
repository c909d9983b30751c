// core/payment/decide.h: the rules of the payment saga, version 1. Pure functions: state and
// command in, events out. Which version applies is recorded in the payment itself.
#pragma once

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

// Validates and holds. `id` is the payment's id, chosen by the client or made by the machine.
[[nodiscard]] OutcomeKind decide_create_payment(const CreatePayment& command, const std::string& id,
                                                const PaymentParties& parties,
                                                const Context& context, Decision& out);

// A result that the state does not wait for (other attempt, already decided, unknown payment) is
// kResultStale and adds no event.
[[nodiscard]] OutcomeKind decide_gateway_reply(const RecordGatewayReply& command,
                                               const Payment* payment, const Context& context,
                                               Decision& out);

[[nodiscard]] OutcomeKind decide_notification(const RecordNotification& command,
                                              const Payment* payment, const Context& context,
                                              Decision& out);

}  // namespace payonce::core
