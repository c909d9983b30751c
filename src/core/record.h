// core/record.h: one entry of the log: an event and where and when it happened.
//
// This is the whole vocabulary of facts. The log's codec, the history shown to clients and the fold
// all walk the same `fields` of each event, so there is one definition of each.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "base/time.h"
#include "core/fraud/events.h"
#include "core/idempotency/events.h"
#include "core/ledger/events.h"
#include "core/payment/events.h"
#include "core/refund/events.h"
#include "core/types.h"

namespace payonce::core {

// The first event of every log. The salt makes ids of two logs differ; nothing secret rests on it.
struct LogCreated {
  static constexpr std::uint16_t kType = 1;
  static constexpr std::string_view kName = "log_created";
  std::uint64_t salt = 0;

  template <class Visitor, class Self>
  static void fields(Visitor& v, Self& self) {
    v("salt", self.salt);
  }
};

using Event = std::variant<
    LogCreated, AccountOpened, FundsTransferred, FundsHeld, HoldPosted, HoldVoided, PaymentCreated,
    PaymentRefused, GatewayRetryScheduled, GatewayConfirmed, GatewayDeclined, GatewayExhausted,
    PaymentSucceeded, PaymentFailed, NotificationSent, NotificationRetryScheduled,
    NotificationExhausted, KeyClaimed, AnswerRecorded, GatewayInDoubt, InquiryRetryScheduled,
    InquiryFoundNothing, GatewayAccepted, CallbackReceived, CallbackTimedOut, CancelRequested,
    CompensationStarted, CompensationStepDone, CompensationRetryScheduled, CompensationExhausted,
    CompensationResumed, CompensationCompleted, FraudCheckStarted, FraudCheckEnded,
    PaymentCancelled, LateRefundStarted, NotificationResumed, FraudCheckOpened,
    FraudCheckRetryScheduled, FraudCheckDecided, RefundCreated, RefundRetryScheduled,
    RefundConfirmed, RefundDeclined, RefundExhausted, RefundResumed, RefundRequested, RefundEnded>;

struct Record {
  Seq seq = 0;
  Timestamp at;
  StreamKind kind = StreamKind::kLog;
  std::string stream;  // the account's or workflow's id; empty for log and key events
  Seq previous = 0;    // the event before this one in the same stream, 0 for the first
  Event event;
};

// The name of the event type at each place of the variant.
template <std::size_t... I>
[[nodiscard]] constexpr auto event_names(std::index_sequence<I...> /*places*/) {
  return std::array<std::string_view, sizeof...(I)>{std::variant_alternative_t<I, Event>::kName...};
}
inline constexpr auto kEventNames =
    event_names(std::make_index_sequence<std::variant_size_v<Event>>());

[[nodiscard]] inline std::string_view event_name(const Event& event) {
  return std::visit([](const auto& e) { return std::decay_t<decltype(e)>::kName; }, event);
}

}  // namespace payonce::core
