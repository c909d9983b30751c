#include "core/payment/explain.h"

namespace payonce::core {
namespace {

std::string at_gateway(CompensationKind kind) {
  return kind == CompensationKind::kVoidCharge ? "void the charge at the gateway"
                                               : "refund the charge at the gateway";
}

Explanation explain_undo(const Payment& payment) {
  const CompensationStep* step = next_compensation_step(payment);
  const CompensationKind kind = step == nullptr ? CompensationKind::kNone : step->kind;
  if (payment.compensation == CompensationState::kFailed) {
    return {.waiting_for = "operator",
            .next_action = at_gateway(kind) + ", once POST /v1/payments/" + payment.id +
                           "/retry-compensation asks for it",
            .due_at = std::nullopt,
            .attempt = 0,
            .last_error = payment.compensation_error};
  }
  return {.waiting_for = "gateway",
          .next_action = at_gateway(kind),
          .due_at = payment.compensation_not_before,
          .attempt = payment.compensation_attempts + 1,
          .last_error = payment.compensation_error};
}

Explanation explain_check(const FraudCheck& check) {
  const auto call = pending_fraud_call(check);
  if (call) {
    return {.waiting_for = "fraud_check",
            .next_action = "ask the fraud check",
            .due_at = call->not_before,
            .attempt = call->attempt,
            .last_error = check.error};
  }
  return {.waiting_for = "fraud_check",
          .next_action = "fail with fraud_timeout and undo, unless a verdict comes first",
          .due_at = check.deadline,
          .attempt = 0,
          .last_error = check.error};
}

std::optional<Explanation> explain_gateway(const Payment& payment) {
  if (const auto call = pending_gateway_call(payment)) {
    return Explanation{.waiting_for = "gateway",
                       .next_action = "charge at the gateway",
                       .due_at = call->not_before,
                       .attempt = call->attempt,
                       .last_error = payment.gateway_error};
  }
  if (const auto inquiry = pending_inquiry(payment)) {
    return Explanation{.waiting_for = "gateway",
                       .next_action = "ask the gateway what became of the charge",
                       .due_at = inquiry->not_before,
                       .attempt = inquiry->attempt,
                       .last_error = payment.gateway_error};
  }
  if (const auto deadline = pending_timer(payment)) {
    return Explanation{.waiting_for = "gateway_callback",
                       .next_action =
                           "fail with callback_timeout and void the charge, unless the "
                           "gateway calls back first",
                       .due_at = deadline,
                       .attempt = 0,
                       .last_error = payment.gateway_error};
  }
  return std::nullopt;
}

std::optional<Explanation> explain_outbox(const Payment& payment) {
  for (const Delivery& delivery : payment.deliveries) {
    if (const auto call = pending_notification(delivery)) {
      return Explanation{.waiting_for = "notification",
                         .next_action = std::string("notify by ").append(name(delivery.channel)),
                         .due_at = call->not_before,
                         .attempt = delivery.attempts + 1,
                         .last_error = delivery.error};
    }
  }
  return std::nullopt;
}

}  // namespace

Explanation explain(const Payment& payment, const FraudCheck* check) {
  if (compensating(payment)) {
    return explain_undo(payment);
  }
  if (auto gateway = explain_gateway(payment)) {
    return *gateway;
  }
  if (payment.fraud == FraudResult::kRunning && check != nullptr) {
    return explain_check(*check);
  }
  if (auto outbox = explain_outbox(payment)) {
    return *outbox;
  }
  return {.waiting_for = "nothing",
          .next_action = "none: the payment has ended",
          .due_at = std::nullopt,
          .attempt = 0,
          .last_error = {}};
}

}  // namespace payonce::core
