// core/refund/model.h: the state of one refund, a child workflow of a payment that succeeded.
//
// The gateway gives the money back first, under the refund's own id as the key; then the ledger
// moves it to the user. What is asked for and not refused is reserved in the payment, so that
// several refunds never give back more than was paid.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/money.h"
#include "base/time.h"
#include "core/retry.h"
#include "core/types.h"

namespace payonce::core {

// Numbers are stored and never reused.
enum class RefundStatus : std::uint8_t {
  kProcessing = 1,
  kSuccess = 2,
  kFail = 3,       // the gateway declined: nothing moved
  kExhausted = 4,  // attempts used up; waits for an operator's retry, the amount stays reserved
};
[[nodiscard]] std::string_view name(RefundStatus status);

struct Refund {
  std::string id;
  std::string payment_id;
  std::string user_id;  // the account that gets the money
  Money amount;
  std::string payment_method;
  RetryPolicy retry;
  RefundStatus status = RefundStatus::kProcessing;
  std::uint32_t attempts = 0;  // calls that have been answered, since the last resume
  std::uint32_t calls = 0;     // calls in all: numbers a call's answer
  Timestamp not_before;
  std::string reference;
  std::string error;
  Timestamp created_at;
  Timestamp updated_at;
  Seq created_seq = 0;
  Seq stream_last = 0;

  template <class Visitor, class Self>
  static void fields(Visitor& v, Self& self) {
    v("id", self.id);
    v("payment_id", self.payment_id);
    v("user_id", self.user_id);
    v("amount", self.amount);
    v("payment_method", self.payment_method);
    v("retry", self.retry);
    v("status", self.status);
    v("attempts", self.attempts);
    v("calls", self.calls);
    v("not_before", self.not_before);
    v("reference", self.reference);
    v("error", self.error);
    v("created_at", self.created_at);
    v("updated_at", self.updated_at);
    v("created_seq", self.created_seq);
    v("stream_last", self.stream_last);
  }
};

inline constexpr std::string_view kRefundPrefix = "ref_";
inline constexpr std::string_view kRefundStep = "refund";  // of the refund's transfer

[[nodiscard]] std::optional<PendingCall> pending_refund_call(const Refund& refund);

}  // namespace payonce::core
