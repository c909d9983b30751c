// core/payment/explain.h: why a workflow waits, what happens next and when, from its state alone.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/time.h"
#include "core/fraud/model.h"
#include "core/payment/model.h"

namespace payonce::core {

struct Explanation {
  std::string
      waiting_for;  // nothing, gateway, gateway_callback, fraud_check, notification, operator
  std::string next_action;  // for people
  std::optional<Timestamp> due_at;
  std::uint32_t attempt = 0;  // the one that is due or running; 0 when there is none
  std::string last_error;
};

// `check` is the payment's fraud check, null when it has none.
[[nodiscard]] Explanation explain(const Payment& payment, const FraudCheck* check);

}  // namespace payonce::core
