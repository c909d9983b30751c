// app/rules.h: the rules that new payments are born with, from the configuration.
#pragma once

#include <functional>

#include "base/result.h"
#include "config/options.h"
#include "core/payment/model.h"

namespace payonce::app {

[[nodiscard]] core::RetryPolicy to_policy(const config::RetryPolicy& policy);

using PaymentRulesOf = std::function<core::PaymentRules(const core::PaymentContent&)>;

// kInvalid when saga.payment.fraud_gate_amount is no amount of the default currency. For payments
// in another currency the threshold is the same number of that currency's units.
[[nodiscard]] Result<PaymentRulesOf> payment_rules(const config::Options& options);

}  // namespace payonce::app
