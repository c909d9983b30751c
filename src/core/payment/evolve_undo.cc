// Events of a cancel, of compensation and of a late refund.
#include "core/payment/alter.h"
#include "core/payment/evolve.h"

namespace payonce::core {
namespace {

bool awaits_undo(const Payment& payment, std::uint32_t call) {
  const auto pending = pending_undo(payment);
  return pending && pending->attempt == call;
}

CompensationStep& next_step(Payment& payment) {
  for (CompensationStep& step : payment.compensation_steps) {
    if (step.state != CompensationStepState::kDone) {
      return step;
    }
  }
  PAYONCE_ASSERT(false);  // pending_undo() has found one
  return payment.compensation_steps.front();
}

void start_compensation(Payment& payment, Timestamp at) {
  payment.compensation = CompensationState::kRunning;
  payment.compensation_attempts = 0;
  payment.compensation_not_before = at;
  payment.compensation_error.clear();
  payment.gateway = GatewayState::kUndoing;
}

}  // namespace

bool evolve(Rows& rows, const Record& record, const CancelRequested& /*event*/) {
  return alter(rows, record, [&](Payment& payment) {
    return !terminal(payment.status) && !compensating(payment);
  });
}

bool evolve(Rows& rows, const Record& record, const CompensationStarted& event) {
  return alter(rows, record, [&](Payment& payment) {
    if (terminal(payment.status) || payment.compensation != CompensationState::kNone) {
      return false;
    }
    payment.status = PaymentStatus::kProcessing;
    payment.step = PaymentStep::kCompensate;
    payment.cause = event.code;
    payment.cause_message = event.message;
    payment.compensation_steps = {{.kind = event.undo}, {.kind = CompensationKind::kReleaseHold}};
    start_compensation(payment, record.at);
    return true;
  });
}

bool evolve(Rows& rows, const Record& record, const CompensationStepDone& event) {
  return alter(rows, record, [&](Payment& payment) {
    if (!awaits_undo(payment, event.call) || next_step(payment).kind != event.step) {
      return false;
    }
    next_step(payment).state = CompensationStepState::kDone;
    payment.compensation_calls = event.call;
    payment.compensation_error.clear();
    payment.gateway = GatewayState::kUndone;
    return true;
  });
}

bool evolve(Rows& rows, const Record& record, const CompensationRetryScheduled& event) {
  return alter(rows, record, [&](Payment& payment) {
    if (!awaits_undo(payment, event.call)) {
      return false;
    }
    payment.compensation_calls = event.call;
    ++payment.compensation_attempts;
    payment.compensation_error = event.error;
    payment.compensation_not_before = event.not_before;
    return true;
  });
}

bool evolve(Rows& rows, const Record& record, const CompensationExhausted& event) {
  return alter(rows, record, [&](Payment& payment) {
    if (!awaits_undo(payment, event.call)) {
      return false;
    }
    payment.compensation_calls = event.call;
    ++payment.compensation_attempts;
    payment.compensation_error = event.error;
    next_step(payment).state = CompensationStepState::kFailed;
    payment.compensation = CompensationState::kFailed;
    return true;
  });
}

bool evolve(Rows& rows, const Record& record, const CompensationResumed& /*event*/) {
  return alter(rows, record, [&](Payment& payment) {
    if (payment.compensation != CompensationState::kFailed) {
      return false;
    }
    next_step(payment).state = CompensationStepState::kPending;
    start_compensation(payment, record.at);
    return true;
  });
}

bool evolve(Rows& rows, const Record& record, const CompensationCompleted& /*event*/) {
  return alter(rows, record, [&](Payment& payment) {
    if (payment.compensation != CompensationState::kRunning || !terminal(payment.status) ||
        next_compensation_step(payment) != nullptr) {
      return false;
    }
    payment.compensation = CompensationState::kCompleted;
    if (payment.failure == FailureCode::kCompensationFailed) {
      payment.failure = payment.cause;
      payment.failure_message = payment.cause_message;
    }
    return true;
  });
}

bool evolve(Rows& rows, const Record& record, const LateRefundStarted& event) {
  return alter(rows, record, [&](Payment& payment) {
    const bool failed = terminal(payment.status) && payment.status != PaymentStatus::kSuccess;
    if (!failed || payment.late_refund || compensating(payment)) {
      return false;
    }
    payment.late_refund = true;
    payment.gateway_reference = event.reference;
    payment.compensation_steps.push_back({.kind = CompensationKind::kRefundCharge});
    start_compensation(payment, record.at);
    return true;
  });
}

}  // namespace payonce::core
