// core/payment/events.h: facts of a payment's life.
//
// Type numbers and field order are stored: see docs/log-format.md for what may change.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/time.h"
#include "core/payment/model.h"

namespace payonce::core {

struct PaymentCreated {
  static constexpr std::uint16_t kType = 30;
  static constexpr std::string_view kName = "payment_created";
  PaymentContent content;
  PaymentRules rules;

  template <class Visitor, class Self>
  static void fields(Visitor& v, Self& self) {
    v("content", self.content);
    v("rules", self.rules);
  }
};

// The payment could not be accepted: nothing was held, nothing will be sent.
struct PaymentRefused {
  static constexpr std::uint16_t kType = 31;
  static constexpr std::string_view kName = "payment_refused";
  FailureCode code = FailureCode::kNone;
  std::string message;

  template <class Visitor, class Self>
  static void fields(Visitor& v, Self& self) {
    v("code", self.code);
    v("message", self.message);
  }
};

struct GatewayRetryScheduled {
  static constexpr std::uint16_t kType = 32;
  static constexpr std::string_view kName = "gateway_retry_scheduled";
  std::uint32_t attempt = 0;  // the one that failed
  std::string error;
  Timestamp not_before;

  template <class Visitor, class Self>
  static void fields(Visitor& v, Self& self) {
    v("attempt", self.attempt);
    v("error", self.error);
    v("not_before", self.not_before);
  }
};

struct GatewayConfirmed {
  static constexpr std::uint16_t kType = 33;
  static constexpr std::string_view kName = "gateway_confirmed";
  std::uint32_t attempt = 0;
  std::string reference;

  template <class Visitor, class Self>
  static void fields(Visitor& v, Self& self) {
    v("attempt", self.attempt);
    v("reference", self.reference);
  }
};

struct GatewayDeclined {
  static constexpr std::uint16_t kType = 34;
  static constexpr std::string_view kName = "gateway_declined";
  std::uint32_t attempt = 0;
  std::string reason;

  template <class Visitor, class Self>
  static void fields(Visitor& v, Self& self) {
    v("attempt", self.attempt);
    v("reason", self.reason);
  }
};

// The last permitted attempt failed as well.
struct GatewayExhausted {
  static constexpr std::uint16_t kType = 35;
  static constexpr std::string_view kName = "gateway_exhausted";
  std::uint32_t attempt = 0;
  std::string error;

  template <class Visitor, class Self>
  static void fields(Visitor& v, Self& self) {
    v("attempt", self.attempt);
    v("error", self.error);
  }
};

struct PaymentSucceeded {
  static constexpr std::uint16_t kType = 36;
  static constexpr std::string_view kName = "payment_succeeded";

  template <class Visitor, class Self>
  static void fields(Visitor& /*v*/, Self& /*self*/) {}
};

struct PaymentFailed {
  static constexpr std::uint16_t kType = 37;
  static constexpr std::string_view kName = "payment_failed";
  FailureCode code = FailureCode::kNone;
  std::string message;

  template <class Visitor, class Self>
  static void fields(Visitor& v, Self& self) {
    v("code", self.code);
    v("message", self.message);
  }
};

struct NotificationSent {
  static constexpr std::uint16_t kType = 38;
  static constexpr std::string_view kName = "notification_sent";
  std::uint32_t attempt = 0;

  template <class Visitor, class Self>
  static void fields(Visitor& v, Self& self) {
    v("attempt", self.attempt);
  }
};

struct NotificationRetryScheduled {
  static constexpr std::uint16_t kType = 39;
  static constexpr std::string_view kName = "notification_retry_scheduled";
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

struct NotificationExhausted {
  static constexpr std::uint16_t kType = 40;
  static constexpr std::string_view kName = "notification_exhausted";
  std::uint32_t attempt = 0;
  std::string error;

  template <class Visitor, class Self>
  static void fields(Visitor& v, Self& self) {
    v("attempt", self.attempt);
    v("error", self.error);
  }
};

}  // namespace payonce::core
