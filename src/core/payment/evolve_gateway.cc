// Events that say what became of the charge at the gateway.
#include "core/payment/alter.h"
#include "core/payment/evolve.h"

namespace payonce::core {
namespace {

bool awaits_attempt(const Payment& payment, std::uint32_t attempt) {
  const auto call = pending_gateway_call(payment);
  return call && call->attempt == attempt;
}

// True when the outcome of `attempt` is open: its call is pending, or it was made and nobody knows.
bool may_settle(const Payment& payment, std::uint32_t attempt) {
  const bool unknown =
      payment.gateway == GatewayState::kInDoubt || payment.gateway == GatewayState::kAccepted;
  return awaits_attempt(payment, attempt) || (unknown && payment.gateway_attempts == attempt);
}

// Applies `change` if the outcome of `attempt` is open.
template <class Change>
bool settle(Rows& rows, const Record& record, std::uint32_t attempt, Change&& change) {
  return alter(rows, record, [&](Payment& payment) {
    if (!may_settle(payment, attempt)) {
      return false;
    }
    payment.status = PaymentStatus::kProcessing;
    payment.gateway_attempts = attempt;
    change(payment);
    return true;
  });
}

bool awaits_inquiry(const Payment& payment, std::uint32_t inquiry) {
  const auto call = pending_inquiry(payment);
  return call && call->attempt == inquiry;
}

}  // namespace

bool evolve(Rows& rows, const Record& record, const GatewayRetryScheduled& event) {
  return settle(rows, record, event.attempt, [&](Payment& payment) {
    payment.step = PaymentStep::kGateway;
    payment.gateway = GatewayState::kRetrying;
    payment.gateway_not_before = event.not_before;
    payment.gateway_error = event.error;
  });
}

bool evolve(Rows& rows, const Record& record, const GatewayConfirmed& event) {
  return settle(rows, record, event.attempt, [&](Payment& payment) {
    payment.step =
        payment.fraud == FraudResult::kRunning ? PaymentStep::kFraudCheck : PaymentStep::kPost;
    payment.gateway = GatewayState::kConfirmed;
    payment.gateway_reference = event.reference;
    payment.gateway_error.clear();
  });
}

bool evolve(Rows& rows, const Record& record, const GatewayDeclined& event) {
  return settle(rows, record, event.attempt, [&](Payment& payment) {
    payment.step = PaymentStep::kCompensate;
    payment.gateway = GatewayState::kDeclined;
    payment.gateway_error = event.reason;
  });
}

bool evolve(Rows& rows, const Record& record, const GatewayExhausted& event) {
  return settle(rows, record, event.attempt, [&](Payment& payment) {
    payment.step = PaymentStep::kCompensate;
    payment.gateway = GatewayState::kUnavailable;
    payment.gateway_error = event.error;
  });
}

bool evolve(Rows& rows, const Record& record, const GatewayInDoubt& event) {
  return alter(rows, record, [&](Payment& payment) {
    if (!awaits_attempt(payment, event.attempt)) {
      return false;
    }
    payment.status = PaymentStatus::kProcessing;
    payment.step = PaymentStep::kInquiry;
    payment.gateway = GatewayState::kInDoubt;
    payment.gateway_attempts = event.attempt;
    payment.gateway_error = event.error;
    payment.inquiry_not_before = event.not_before;
    return true;
  });
}

bool evolve(Rows& rows, const Record& record, const InquiryRetryScheduled& event) {
  return alter(rows, record, [&](Payment& payment) {
    if (!awaits_inquiry(payment, event.inquiry)) {
      return false;
    }
    payment.inquiries = event.inquiry;
    payment.inquiry_not_before = event.not_before;
    payment.gateway_error = event.error;
    return true;
  });
}

bool evolve(Rows& rows, const Record& record, const InquiryFoundNothing& event) {
  return alter(rows, record, [&](Payment& payment) {
    if (!awaits_inquiry(payment, event.inquiry)) {
      return false;
    }
    payment.inquiries = event.inquiry;
    return true;
  });
}

bool evolve(Rows& rows, const Record& record, const GatewayAccepted& event) {
  return settle(rows, record, event.attempt, [&](Payment& payment) {
    payment.step = PaymentStep::kAwaitCallback;
    payment.gateway = GatewayState::kAccepted;
    payment.gateway_reference = event.reference;
    payment.gateway_error.clear();
    payment.callback_deadline = event.deadline;
  });
}

bool evolve(Rows& rows, const Record& record, const CallbackReceived& event) {
  return alter(rows, record, [&](Payment& payment) {
    if (event.effect == CallbackEffect::kContradicts) {
      payment.callback_contradicted = true;
    } else if (!event.reference.empty()) {
      payment.gateway_reference = event.reference;
    }
    return true;
  });
}

bool evolve(Rows& rows, const Record& record, const CallbackTimedOut& event) {
  return alter(rows, record, [&](Payment& payment) {
    return payment.gateway == GatewayState::kAccepted &&
           payment.callback_deadline == event.deadline;
  });
}

}  // namespace payonce::core
