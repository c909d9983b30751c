// core/refund/events.h: facts of a refund's life.
//
// Type numbers and field order are stored: see docs/log-format.md for what may change.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/money.h"
#include "base/time.h"
#include "core/refund/model.h"

namespace payonce::core {

struct RefundCreated {
  static constexpr std::uint16_t kType = 80;
  static constexpr std::string_view kName = "refund_created";
  std::string payment_id;
  std::string user_id;
  Money amount;
  std::string payment_method;
  RetryPolicy retry;

  template <class Visitor, class Self>
  static void fields(Visitor& v, Self& self) {
    v("payment_id", self.payment_id);
    v("user_id", self.user_id);
    v("amount", self.amount);
    v("payment_method", self.payment_method);
    v("retry", self.retry);
  }
};

struct RefundRetryScheduled {
  static constexpr std::uint16_t kType = 81;
  static constexpr std::string_view kName = "refund_retry_scheduled";
  std::uint32_t call = 0;
  std::string error;
  Timestamp not_before;

  template <class Visitor, class Self>
  static void fields(Visitor& v, Self& self) {
    v("call", self.call);
    v("error", self.error);
    v("not_before", self.not_before);
  }
};

// The gateway gave the money back; the ledger's transfer follows in the same commit.
struct RefundConfirmed {
  static constexpr std::uint16_t kType = 82;
  static constexpr std::string_view kName = "refund_confirmed";
  std::uint32_t call = 0;
  std::string reference;

  template <class Visitor, class Self>
  static void fields(Visitor& v, Self& self) {
    v("call", self.call);
    v("reference", self.reference);
  }
};

struct RefundDeclined {
  static constexpr std::uint16_t kType = 83;
  static constexpr std::string_view kName = "refund_declined";
  std::uint32_t call = 0;
  std::string reason;

  template <class Visitor, class Self>
  static void fields(Visitor& v, Self& self) {
    v("call", self.call);
    v("reason", self.reason);
  }
};

struct RefundExhausted {
  static constexpr std::uint16_t kType = 84;
  static constexpr std::string_view kName = "refund_exhausted";
  std::uint32_t call = 0;
  std::string error;

  template <class Visitor, class Self>
  static void fields(Visitor& v, Self& self) {
    v("call", self.call);
    v("error", self.error);
  }
};

// An operator asked for further attempts.
struct RefundResumed {
  static constexpr std::uint16_t kType = 85;
  static constexpr std::string_view kName = "refund_resumed";

  template <class Visitor, class Self>
  static void fields(Visitor& /*v*/, Self& /*self*/) {}
};

}  // namespace payonce::core
