// core/fraud/decide.h: the rules of a fraud check. Its end is told to its payment in the same
// commit, so that the two never disagree. Pure functions: rows and command in, events out.
#pragma once

#include "core/commands.h"
#include "core/decision.h"

namespace payonce::core {

// The check and the payment that it belongs to; null where there is no such row.
struct FraudParties {
  const FraudCheck* check = nullptr;
  const Payment* payment = nullptr;
};

// A result that the check does not wait for is kResultStale and adds no event.
[[nodiscard]] OutcomeKind decide_fraud_reply(const RecordFraudReply& command,
                                             const FraudParties& parties, const Context& context,
                                             Decision& out);
[[nodiscard]] OutcomeKind decide_fraud_timer(const TimerFired& command, const FraudParties& parties,
                                             const Context& context, Decision& out);
// A person's verdict. The same verdict again changes nothing; another one is refused.
[[nodiscard]] OutcomeKind decide_fraud_verdict(const DecideFraud& command,
                                               const FraudParties& parties, Decision& out);

}  // namespace payonce::core
