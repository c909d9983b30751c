#include "core/payment/transitions.h"

#include <array>
#include <iterator>

namespace payonce::core {
namespace {

constexpr Transition kTransitions[] = {
    {Phase::kGated, Trigger::kFraudApproved, Guard::kAlways, Phase::kCalling},
    {Phase::kGated, Trigger::kFraudRejected, Guard::kAlways, Phase::kFailed},
    {Phase::kGated, Trigger::kFraudTimer, Guard::kAlways, Phase::kFailed},
    {Phase::kGated, Trigger::kCancel, Guard::kAlways, Phase::kCancelled},
    {Phase::kCalling, Trigger::kReplyConfirmed, Guard::kCheckOpen, Phase::kAwaitingFraud},
    {Phase::kCalling, Trigger::kReplyConfirmed, Guard::kCheckClear, Phase::kSucceeded},
    {Phase::kCalling, Trigger::kReplyDeclined, Guard::kAlways, Phase::kFailed},
    {Phase::kCalling, Trigger::kReplyTemporaryFailure, Guard::kAttemptsLeft, Phase::kCalling},
    {Phase::kCalling, Trigger::kReplyTemporaryFailure, Guard::kAttemptsUsed, Phase::kUndoing},
    {Phase::kCalling, Trigger::kReplyNoAnswer, Guard::kAlways, Phase::kInDoubt},
    {Phase::kCalling, Trigger::kReplyRefused, Guard::kAlways, Phase::kUndoing},
    {Phase::kCalling, Trigger::kReplyAccepted, Guard::kAlways, Phase::kAwaitingCallback},
    {Phase::kInDoubt, Trigger::kInquiryConfirmed, Guard::kCheckOpen, Phase::kAwaitingFraud},
    {Phase::kInDoubt, Trigger::kInquiryConfirmed, Guard::kCheckClear, Phase::kSucceeded},
    {Phase::kInDoubt, Trigger::kInquiryDeclined, Guard::kAlways, Phase::kFailed},
    {Phase::kInDoubt, Trigger::kInquiryUnknownKey, Guard::kAttemptsLeft, Phase::kCalling},
    {Phase::kInDoubt, Trigger::kInquiryUnknownKey, Guard::kAttemptsUsed, Phase::kUndoing},
    {Phase::kInDoubt, Trigger::kInquiryNoAnswer, Guard::kAlways, Phase::kInDoubt},
    {Phase::kInDoubt, Trigger::kInquiryAccepted, Guard::kAlways, Phase::kAwaitingCallback},
    {Phase::kCalling, Trigger::kCallbackConfirmed, Guard::kCheckOpen, Phase::kAwaitingFraud},
    {Phase::kCalling, Trigger::kCallbackConfirmed, Guard::kCheckClear, Phase::kSucceeded},
    {Phase::kCalling, Trigger::kCallbackDeclined, Guard::kAlways, Phase::kFailed},
    {Phase::kCalling, Trigger::kFraudApproved, Guard::kCheckOpen, Phase::kCalling},
    {Phase::kCalling, Trigger::kFraudRejected, Guard::kCheckOpen, Phase::kUndoing},
    {Phase::kCalling, Trigger::kFraudTimer, Guard::kCheckOpen, Phase::kUndoing},
    {Phase::kCalling, Trigger::kCancel, Guard::kAlways, Phase::kUndoing},
    {Phase::kInDoubt, Trigger::kCallbackConfirmed, Guard::kCheckOpen, Phase::kAwaitingFraud},
    {Phase::kInDoubt, Trigger::kCallbackConfirmed, Guard::kCheckClear, Phase::kSucceeded},
    {Phase::kInDoubt, Trigger::kCallbackDeclined, Guard::kAlways, Phase::kFailed},
    {Phase::kInDoubt, Trigger::kFraudApproved, Guard::kCheckOpen, Phase::kInDoubt},
    {Phase::kInDoubt, Trigger::kFraudRejected, Guard::kCheckOpen, Phase::kUndoing},
    {Phase::kInDoubt, Trigger::kFraudTimer, Guard::kCheckOpen, Phase::kUndoing},
    {Phase::kInDoubt, Trigger::kCancel, Guard::kAlways, Phase::kUndoing},
    {Phase::kAwaitingCallback, Trigger::kCallbackConfirmed, Guard::kCheckOpen,
     Phase::kAwaitingFraud},
    {Phase::kAwaitingCallback, Trigger::kCallbackConfirmed, Guard::kCheckClear, Phase::kSucceeded},
    {Phase::kAwaitingCallback, Trigger::kCallbackDeclined, Guard::kAlways, Phase::kFailed},
    {Phase::kAwaitingCallback, Trigger::kCallbackTimer, Guard::kAlways, Phase::kUndoing},
    {Phase::kAwaitingCallback, Trigger::kFraudApproved, Guard::kCheckOpen,
     Phase::kAwaitingCallback},
    {Phase::kAwaitingCallback, Trigger::kFraudRejected, Guard::kCheckOpen, Phase::kUndoing},
    {Phase::kAwaitingCallback, Trigger::kFraudTimer, Guard::kCheckOpen, Phase::kUndoing},
    {Phase::kAwaitingCallback, Trigger::kCancel, Guard::kAlways, Phase::kUndoing},
    {Phase::kAwaitingFraud, Trigger::kFraudApproved, Guard::kAlways, Phase::kSucceeded},
    {Phase::kAwaitingFraud, Trigger::kFraudRejected, Guard::kAlways, Phase::kUndoing},
    {Phase::kAwaitingFraud, Trigger::kFraudTimer, Guard::kAlways, Phase::kUndoing},
    {Phase::kAwaitingFraud, Trigger::kCancel, Guard::kAlways, Phase::kUndoing},
    {Phase::kUndoing, Trigger::kUndoDone, Guard::kByCancel, Phase::kCancelled},
    {Phase::kUndoing, Trigger::kUndoDone, Guard::kByFailure, Phase::kFailed},
    {Phase::kUndoing, Trigger::kUndoFailed, Guard::kAttemptsLeft, Phase::kUndoing},
    {Phase::kUndoing, Trigger::kUndoFailed, Guard::kAttemptsUsed, Phase::kStuck},
    {Phase::kSucceeded, Trigger::kRefund, Guard::kAlways, Phase::kSucceeded},
    {Phase::kFailed, Trigger::kReplyConfirmed, Guard::kSent, Phase::kUndoingAfterEnd},
    {Phase::kFailed, Trigger::kInquiryConfirmed, Guard::kSent, Phase::kUndoingAfterEnd},
    {Phase::kFailed, Trigger::kCallbackConfirmed, Guard::kSent, Phase::kUndoingAfterEnd},
    {Phase::kCancelled, Trigger::kReplyConfirmed, Guard::kSent, Phase::kUndoingAfterEnd},
    {Phase::kCancelled, Trigger::kInquiryConfirmed, Guard::kSent, Phase::kUndoingAfterEnd},
    {Phase::kCancelled, Trigger::kCallbackConfirmed, Guard::kSent, Phase::kUndoingAfterEnd},
    {Phase::kUndoingAfterEnd, Trigger::kUndoDone, Guard::kByCancel, Phase::kCancelled},
    {Phase::kUndoingAfterEnd, Trigger::kUndoDone, Guard::kByFailure, Phase::kFailed},
    {Phase::kUndoingAfterEnd, Trigger::kUndoFailed, Guard::kAttemptsLeft, Phase::kUndoingAfterEnd},
    {Phase::kUndoingAfterEnd, Trigger::kUndoFailed, Guard::kAttemptsUsed, Phase::kStuck},
    {Phase::kStuck, Trigger::kRetryCompensation, Guard::kAlways, Phase::kUndoingAfterEnd},
};

bool is_callback(Trigger input) {
  return input == Trigger::kCallbackConfirmed || input == Trigger::kCallbackDeclined;
}

}  // namespace

std::string_view name(Phase phase) {
  switch (phase) {
    case Phase::kGated:
      return "gated";
    case Phase::kCalling:
      return "calling";
    case Phase::kInDoubt:
      return "in_doubt";
    case Phase::kAwaitingCallback:
      return "awaiting_callback";
    case Phase::kAwaitingFraud:
      return "awaiting_fraud";
    case Phase::kUndoing:
      return "undoing";
    case Phase::kSucceeded:
      return "succeeded";
    case Phase::kFailed:
      return "failed";
    case Phase::kCancelled:
      return "cancelled";
    case Phase::kUndoingAfterEnd:
      return "undoing_after_end";
    case Phase::kStuck:
      return "stuck";
  }
  return "";
}

std::string_view name(Trigger input) {
  switch (input) {
    case Trigger::kReplyConfirmed:
      return "reply: confirmed";
    case Trigger::kReplyDeclined:
      return "reply: declined";
    case Trigger::kReplyTemporaryFailure:
      return "reply: temporary failure";
    case Trigger::kReplyNoAnswer:
      return "reply: none";
    case Trigger::kReplyAccepted:
      return "reply: accepted";
    case Trigger::kReplyRefused:
      return "reply: refused";
    case Trigger::kInquiryConfirmed:
      return "inquiry: confirmed";
    case Trigger::kInquiryDeclined:
      return "inquiry: declined";
    case Trigger::kInquiryAccepted:
      return "inquiry: accepted";
    case Trigger::kInquiryUnknownKey:
      return "inquiry: unknown key";
    case Trigger::kInquiryNoAnswer:
      return "inquiry: no answer";
    case Trigger::kCallbackConfirmed:
      return "callback: confirmed";
    case Trigger::kCallbackDeclined:
      return "callback: declined";
    case Trigger::kCallbackTimer:
      return "callback timer";
    case Trigger::kFraudApproved:
      return "fraud: approved";
    case Trigger::kFraudRejected:
      return "fraud: rejected";
    case Trigger::kFraudTimer:
      return "fraud timer";
    case Trigger::kCancel:
      return "cancel";
    case Trigger::kUndoDone:
      return "undo: done";
    case Trigger::kUndoFailed:
      return "undo: failed";
    case Trigger::kRetryCompensation:
      return "retry compensation";
    case Trigger::kRefund:
      return "refund";
  }
  return "";
}

std::string_view name(Guard guard) {
  switch (guard) {
    case Guard::kAlways:
      return "";
    case Guard::kCheckOpen:
      return "check open";
    case Guard::kCheckClear:
      return "check clear";
    case Guard::kAttemptsLeft:
      return "attempts left";
    case Guard::kAttemptsUsed:
      return "attempts used";
    case Guard::kByCancel:
      return "by cancel";
    case Guard::kByFailure:
      return "by failure";
    case Guard::kSent:
      return "sent";
    case Guard::kSettled:
      return "settled";
  }
  return "";
}

std::string_view name(Refusal refusal) {
  switch (refusal) {
    case Refusal::kStale:
      return "stale";
    case Refusal::kNoted:
      return "noted";
    case Refusal::kClosed:
      return "closed";
    case Refusal::kAlready:
      return "already";
    case Refusal::kNotFailed:
      return "not failed";
    case Refusal::kNotPaid:
      return "not paid";
  }
  return "";
}

Phase phase_of(const Payment& payment) {
  if (payment.compensation == CompensationState::kFailed) {
    return Phase::kStuck;
  }
  if (payment.compensation == CompensationState::kRunning) {
    return terminal(payment.status) ? Phase::kUndoingAfterEnd : Phase::kUndoing;
  }
  switch (payment.status) {
    case PaymentStatus::kSuccess:
      return Phase::kSucceeded;
    case PaymentStatus::kFail:
      return Phase::kFailed;
    case PaymentStatus::kCancelled:
      return Phase::kCancelled;
    case PaymentStatus::kPending:
    case PaymentStatus::kProcessing:
      break;
  }
  switch (payment.gateway) {
    case GatewayState::kGated:
      return Phase::kGated;
    case GatewayState::kInDoubt:
      return Phase::kInDoubt;
    case GatewayState::kAccepted:
      return Phase::kAwaitingCallback;
    case GatewayState::kConfirmed:
      return Phase::kAwaitingFraud;
    default:
      return Phase::kCalling;
  }
}

std::span<const Transition> transitions() { return kTransitions; }

Refusal refusal(Phase phase, Trigger input, Guard guard) {
  if (is_callback(input)) {
    return Refusal::kNoted;
  }
  if (input == Trigger::kRetryCompensation) {
    return Refusal::kNotFailed;
  }
  if (input == Trigger::kRefund) {
    return Refusal::kNotPaid;
  }
  if (input == Trigger::kCancel) {
    const bool cancelled = phase == Phase::kCancelled || guard == Guard::kByCancel;
    return cancelled ? Refusal::kAlready : Refusal::kClosed;
  }
  return Refusal::kStale;
}

namespace {

void append_edge(std::string& out, const Transition& edge) {
  out.append("    ").append(name(edge.from)).append(" --> ").append(name(edge.to)).append(": ");
  std::string label(name(edge.input));
  for (char& c : label) {
    c = c == ':' ? ',' : c;  // a colon would end the label
  }
  out.append(label);
  if (edge.guard != Guard::kAlways) {
    out.append(" [").append(name(edge.guard)).append("]");
  }
  out += '\n';
}

void append_cell(std::string& out, Phase phase, Trigger input) {
  std::string cell;
  for (const Transition& edge : kTransitions) {
    if (edge.from == phase && edge.input == input) {
      cell.append(cell.empty() ? "" : ", ").append("**").append(name(edge.to)).append("**");
      if (edge.guard != Guard::kAlways) {
        cell.append(" if ").append(name(edge.guard));
      }
    }
  }
  out.append(" | ").append(cell.empty() ? name(refusal(phase, input, Guard::kAlways))
                                        : std::string_view(cell));
}

void append_matrix(std::string& out) {
  out += "| input";
  for (std::size_t p = 0; p < kPhaseCount; ++p) {
    out.append(" | ").append(name(static_cast<Phase>(p)));
  }
  out += " |\n|---";
  for (std::size_t p = 0; p < kPhaseCount; ++p) {
    out += "|---";
  }
  out += "|\n";
  for (std::size_t i = 0; i < kTriggerCount; ++i) {
    const auto input = static_cast<Trigger>(i);
    out.append("| ").append(name(input));
    for (std::size_t p = 0; p < kPhaseCount; ++p) {
      append_cell(out, static_cast<Phase>(p), input);
    }
    out += " |\n";
  }
}

}  // namespace

std::string render_saga_page() {
  std::string out =
      "# The payment saga\n\n"
      "Rendered by `payonce diagram` from the transition table in\n"
      "`src/core/payment/transitions.cc`; a test holds this page and the rules to that table.\n"
      "Which call, timer or verdict comes first is decided by the order in the log alone.\n\n"
      "```mermaid\nstateDiagram-v2\n"
      "    [*] --> calling: create, funds held\n"
      "    [*] --> gated: create, version 2 from the threshold on\n"
      "    [*] --> failed: create, refused\n";
  for (const Transition& edge : kTransitions) {
    append_edge(out, edge);
  }
  for (const Phase end : {Phase::kSucceeded, Phase::kFailed, Phase::kCancelled}) {
    out.append("    ").append(name(end)).append(" --> [*]\n");
  }
  out +=
      "```\n\n"
      "The same as a matrix. Bold is the phase that follows; anything else is the name of what\n"
      "happens to an input that has no effect there:\n\n"
      "- *stale*: a result that nothing waits for (any more); no event\n"
      "- *noted*: accepted, changes nothing; the first contradiction is kept in the history\n"
      "- *closed*: refused with `payment_closed`\n"
      "- *already*: it is cancelled, or is being cancelled\n"
      "- *not failed*: refused, no compensation has given up\n"
      "- *not paid*: refused, there is nothing to refund\n\n";
  append_matrix(out);
  out +=
      "\nThe notification of an end and the refunds of a success never change the phase.\n"
      "`undoing_after_end` gives back money that the gateway took after the payment had ended, or\n"
      "goes on with a compensation that an operator has resumed.\n";
  return out;
}

}  // namespace payonce::core
