#include "core/fraud/decide.h"

#include <utility>

#include "core/payment/decide.h"

namespace payonce::core {
namespace {

void end(const FraudParties& parties, FraudResult result, std::uint32_t attempt,
         const std::string& reason, Decision& out) {
  out.push_back({StreamKind::kFraud, parties.check->id,
                 FraudCheckDecided{.result = result, .attempt = attempt, .reason = reason}});
  if (parties.payment != nullptr) {
    decide_fraud_ended(*parties.payment, result, reason, out);
  }
}

}  // namespace

OutcomeKind decide_fraud_reply(const RecordFraudReply& command, const FraudParties& parties,
                               const Context& context, Decision& out) {
  const auto awaited = parties.check == nullptr ? std::nullopt : pending_fraud_call(*parties.check);
  if (!awaited || awaited->attempt != command.attempt) {
    return OutcomeKind::kResultStale;
  }
  switch (command.reply) {
    case FraudReply::kApproved:
      end(parties, FraudResult::kApproved, command.attempt, command.detail, out);
      break;
    case FraudReply::kRejected:
      end(parties, FraudResult::kRejected, command.attempt, command.detail, out);
      break;
    case FraudReply::kFailed: {
      const FraudCheck& check = *parties.check;
      out.push_back({StreamKind::kFraud, check.id,
                     FraudCheckRetryScheduled{
                         .attempt = command.attempt,
                         .error = command.detail,
                         .not_before = context.now +
                                       retry_delay(check.rules.retry, command.attempt, check.id)}});
      break;
    }
  }
  return OutcomeKind::kResultApplied;
}

OutcomeKind decide_fraud_timer(const TimerFired& command, const FraudParties& parties,
                               const Context& context, Decision& out) {
  const auto awaited = parties.check == nullptr ? std::nullopt : pending_timer(*parties.check);
  if (!awaited || *awaited != command.due || context.now < command.due) {
    return OutcomeKind::kResultStale;
  }
  end(parties, FraudResult::kTimedOut, 0, "no verdict in time", out);
  return OutcomeKind::kResultApplied;
}

OutcomeKind decide_fraud_verdict(const DecideFraud& command, const FraudParties& parties,
                                 Decision& out) {
  if (parties.check == nullptr) {
    return OutcomeKind::kFraudNotFound;
  }
  const FraudResult wanted = command.approved ? FraudResult::kApproved : FraudResult::kRejected;
  if (parties.check->result != FraudResult::kRunning) {
    return parties.check->result == wanted ? OutcomeKind::kFraudDecided : OutcomeKind::kFraudClosed;
  }
  end(parties, wanted, 0, command.reason, out);
  return OutcomeKind::kFraudDecided;
}

}  // namespace payonce::core
