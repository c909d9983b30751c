#include "core/payment/evolve.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "core/index_keys.h"
#include "core/payment/alter.h"

namespace payonce::core {
namespace {

// Version 2: whether the fraud check has to approve before the gateway is called.
bool gated(const Payment& payment) {
  return payment.rules.version >= kPaymentVersion2 &&
         payment.rules.fraud.mode != FraudMode::kNone &&
         payment.content.amount.minor >= payment.rules.gate_minor;
}

void note_hold(Payment& payment, Timestamp at) {
  if (gated(payment)) {
    payment.step = PaymentStep::kFraudCheck;
    payment.gateway = GatewayState::kGated;
    return;
  }
  payment.step = PaymentStep::kGateway;
  payment.gateway = GatewayState::kPending;
  payment.gateway_not_before = at;
}

void note_void(Payment& payment) {
  const auto release = [](const CompensationStep& step) {
    return step.kind == CompensationKind::kReleaseHold;
  };
  auto step = std::ranges::find_if(payment.compensation_steps, release);
  if (step == payment.compensation_steps.end()) {
    payment.compensation_steps.push_back({.kind = CompensationKind::kReleaseHold});
    step = std::prev(payment.compensation_steps.end());
  }
  step->state = CompensationStepState::kDone;
  payment.step = PaymentStep::kCompensate;
  if (payment.gateway == GatewayState::kGated) {
    payment.gateway = GatewayState::kNone;
  }
  // A payment that has ended already is completed by an event of its own.
  if (!terminal(payment.status)) {
    payment.compensation = CompensationState::kCompleted;
  }
}

bool may_end(const Payment& payment) {
  return payment.step == PaymentStep::kCompensate && !terminal(payment.status);
}

}  // namespace

bool evolve(Rows& rows, const Record& record, const PaymentCreated& event) {
  if (rows.payments.find(record.stream) != nullptr) {
    return false;
  }
  Payment created;
  created.id = record.stream;
  created.content = event.content;
  created.rules = event.rules;
  created.created_at = record.at;
  created.updated_at = record.at;
  created.created_seq = record.seq;
  created.stream_last = record.seq;
  const Payment& payment = rows.payments.put(record.stream, std::move(created), record.seq);
  if (rows.indexes != nullptr) {
    const std::string place = position(payment.created_at, payment.created_seq);
    rows.indexes->put(Index::kPaymentsByTime, place, payment.id);
    rows.indexes->put(Index::kPaymentsByUser, text_prefix(payment.content.user_id) + place,
                      payment.id);
    index_status(*rows.indexes, payment, payment.status);
  }
  return true;
}

bool evolve(Rows& rows, const Record& record, const PaymentRefused& event) {
  return alter(rows, record, [&](Payment& payment) {
    if (payment.step != PaymentStep::kValidate) {
      return false;
    }
    payment.status = PaymentStatus::kFail;
    payment.failure = event.code;
    payment.failure_message = event.message;
    payment.ended_at = record.at;
    return true;
  });
}

bool evolve(Rows& rows, const Record& record, const FraudCheckStarted& /*event*/) {
  return alter(rows, record, [](Payment& payment) {
    if (payment.fraud != FraudResult::kNone || terminal(payment.status)) {
      return false;
    }
    payment.fraud = FraudResult::kRunning;
    return true;
  });
}

bool evolve(Rows& rows, const Record& record, const FraudCheckEnded& event) {
  return alter(rows, record, [&](Payment& payment) {
    if (payment.fraud != FraudResult::kRunning || event.result == FraudResult::kNone ||
        event.result == FraudResult::kRunning) {
      return false;
    }
    payment.fraud = event.result;
    if (event.result != FraudResult::kApproved) {
      return true;
    }
    if (payment.gateway == GatewayState::kGated) {
      payment.gateway = GatewayState::kPending;
      payment.gateway_not_before = record.at;
      payment.step = PaymentStep::kGateway;
    } else if (payment.gateway == GatewayState::kConfirmed) {
      payment.step = PaymentStep::kPost;
    }
    return true;
  });
}

bool evolve(Rows& rows, const Record& record, const PaymentSucceeded& /*event*/) {
  return alter(rows, record, [&](Payment& payment) {
    if (payment.step != PaymentStep::kPost || terminal(payment.status)) {
      return false;
    }
    end_payment(payment, PaymentStatus::kSuccess, record.at);
    return true;
  });
}

bool evolve(Rows& rows, const Record& record, const PaymentFailed& event) {
  return alter(rows, record, [&](Payment& payment) {
    if (!may_end(payment)) {
      return false;
    }
    payment.failure = event.code;
    payment.failure_message = event.message;
    end_payment(payment, PaymentStatus::kFail, record.at);
    return true;
  });
}

bool evolve(Rows& rows, const Record& record, const PaymentCancelled& event) {
  return alter(rows, record, [&](Payment& payment) {
    if (!may_end(payment)) {
      return false;
    }
    payment.failure = FailureCode::kCancelled;
    payment.failure_message = event.reason;
    end_payment(payment, PaymentStatus::kCancelled, record.at);
    return true;
  });
}

bool note_ledger_event(Rows& rows, const Record& record) {
  return alter(rows, record, [&](Payment& payment) {
    if (std::holds_alternative<FundsHeld>(record.event)) {
      note_hold(payment, record.at);
    } else if (std::holds_alternative<HoldVoided>(record.event)) {
      note_void(payment);
    }
    return true;
  });
}

}  // namespace payonce::core
