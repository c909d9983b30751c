// core/fraud/events.h: facts of a fraud check's life.
//
// Type numbers and field order are stored: see docs/log-format.md for what may change.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/money.h"
#include "base/time.h"
#include "core/fraud/model.h"

namespace payonce::core {

struct FraudCheckOpened {
  static constexpr std::uint16_t kType = 70;
  static constexpr std::string_view kName = "fraud_check_opened";
  std::string payment_id;
  std::string user_id;
  Money amount;
  std::string payment_method;
  FraudRules rules;

  template <class Visitor, class Self>
  static void fields(Visitor& v, Self& self) {
    v("payment_id", self.payment_id);
    v("user_id", self.user_id);
    v("amount", self.amount);
    v("payment_method", self.payment_method);
    v("rules", self.rules);
  }
};

// The activity failed; it is called again at `not_before` unless its attempts are used up.
struct FraudCheckRetryScheduled {
  static constexpr std::uint16_t kType = 71;
  static constexpr std::string_view kName = "fraud_check_retry_scheduled";
  std::uint32_t attempt = 0;
  std::string error;
  Timestamp not_before;

  template <class Visitor, class Self>
  static void fields(Visitor& v, Self& self) {
    v("attempt", self.attempt);
    v("error", self.error);
    v("not_before", self.not_before);
  }
};

struct FraudCheckDecided {
  static constexpr std::uint16_t kType = 72;
  static constexpr std::string_view kName = "fraud_check_decided";
  FraudResult result = FraudResult::kNone;
  std::uint32_t attempt = 0;  // the call that said so; 0 when it was no call
  std::string reason;

  template <class Visitor, class Self>
  static void fields(Visitor& v, Self& self) {
    v("result", self.result);
    v("attempt", self.attempt);
    v("reason", self.reason);
  }
};

}  // namespace payonce::core
