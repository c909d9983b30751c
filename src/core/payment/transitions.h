// core/payment/transitions.h: the payment saga as a table: every phase against every input.
//
// The table is the specification and decide is held to it: a test drives a payment into each phase
// under each guard, hands in each input, and looks that what follows is what the table says. The
// diagrams in docs/ are rendered from it. What is not in the table is refused by the name that
// refusal() gives.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "core/payment/model.h"

namespace payonce::core {

// Where a payment stands: status, gateway and compensation taken together.
enum class Phase : std::uint8_t {
  kGated,             // version 2: the fraud check comes first
  kCalling,           // a call to the gateway is due or running
  kInDoubt,           // a call had no answer: an inquiry is due or running
  kAwaitingCallback,  // the gateway will call back, or the timer fires
  kAwaitingFraud,     // the gateway has confirmed, the fraud check still runs
  kUndoing,           // compensation runs
  kSucceeded,
  kFailed,
  kCancelled,
  kUndoingAfterEnd,  // compensation runs for a payment that has ended
  kStuck,            // compensation has given up
};
inline constexpr std::size_t kPhaseCount = 11;
[[nodiscard]] Phase phase_of(const Payment& payment);
[[nodiscard]] std::string_view name(Phase phase);

enum class Trigger : std::uint8_t {
  kReplyConfirmed,
  kReplyDeclined,
  kReplyTemporaryFailure,
  kReplyNoAnswer,
  kReplyAccepted,
  kReplyRefused,
  kInquiryConfirmed,
  kInquiryDeclined,
  kInquiryAccepted,
  kInquiryUnknownKey,
  kInquiryNoAnswer,
  kCallbackConfirmed,
  kCallbackDeclined,
  kCallbackTimer,
  kFraudApproved,
  kFraudRejected,
  kFraudTimer,
  kCancel,
  kUndoDone,
  kUndoFailed,
  kRetryCompensation,
  kRefund,
};
inline constexpr std::size_t kTriggerCount = 22;
[[nodiscard]] std::string_view name(Trigger input);

// What else of the state decides between several transitions of one cell.
enum class Guard : std::uint8_t {
  kAlways,
  kCheckOpen,     // the fraud check still runs
  kCheckClear,    // it has approved, or there is none
  kAttemptsLeft,  // of the policy in question
  kAttemptsUsed,
  kByCancel,  // what is being undone, or has ended, was cancelled
  kByFailure,
  kSent,     // the gateway may know the payment, and no late refund has been made
  kSettled,  // nothing was ever sent, or a late refund has been made
};
[[nodiscard]] std::string_view name(Guard guard);

struct Transition {
  Phase from;
  Trigger input;
  Guard guard;
  Phase to;
};
[[nodiscard]] std::span<const Transition> transitions();

// What an input meets that has no transition.
enum class Refusal : std::uint8_t {
  kStale,      // a result that nothing waits for: no event
  kNoted,      // accepted, changes nothing; a first contradiction is kept in the history
  kClosed,     // the end is decided, and it is another one
  kAlready,    // it is so, or becomes so, already
  kNotFailed,  // there is no compensation to retry
  kNotPaid,    // there is nothing to refund
};
[[nodiscard]] std::string_view name(Refusal refusal);
[[nodiscard]] Refusal refusal(Phase phase, Trigger input, Guard guard);

// The table as a Markdown page: a Mermaid state diagram and the matrix of all cells.
[[nodiscard]] std::string render_saga_page();

}  // namespace payonce::core
