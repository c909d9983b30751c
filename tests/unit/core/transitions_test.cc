// The rules against the transition table: every phase under every guard, with every input.
#include "core/payment/transitions.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <sstream>

#include "support/machine_world.h"

namespace payonce::core {
namespace {

using testing_support::usd;
using testing_support::World;

// A way to a phase, and what holds there of everything that guards ask about.
struct Stage {
  const char* name;
  Phase phase;
  bool check_open = false;
  bool attempts_left = true;
  bool by_cancel = false;
  bool sent = true;
  void (*lead)(World&) = nullptr;
};

constexpr const char* kId = "pay-1";

void reply(World& w, GatewayReply reply) { w.gateway(kId, 1, reply); }
void accepted(World& w) { reply(w, GatewayReply::kAccepted); }
void in_doubt(World& w) { reply(w, GatewayReply::kNoAnswer); }
void confirmed(World& w) { reply(w, GatewayReply::kConfirmed); }
void declined(World& w) { reply(w, GatewayReply::kDeclined); }
void stay(World& /*w*/) {}
void cancelling(World& w) { w.cancel(kId); }
void failing(World& w) { w.verdict(kId, false); }
void undone(World& w) { w.undo(kId, w.payment_row(kId).compensation_calls + 1, UndoReply::kDone); }
void undo_fails(World& w) {
  w.undo(kId, w.payment_row(kId).compensation_calls + 1, UndoReply::kFailed);
}

const Stage kStages[] = {
    {.name = "gated", .phase = Phase::kGated, .check_open = true, .sent = false, .lead = stay},
    {.name = "calling, no check", .phase = Phase::kCalling, .lead = stay},
    {.name = "calling, check open", .phase = Phase::kCalling, .check_open = true, .lead = stay},
    {.name = "calling, last attempt",
     .phase = Phase::kCalling,
     .check_open = true,
     .attempts_left = false,
     .lead = stay},
    {.name = "in doubt", .phase = Phase::kInDoubt, .lead = in_doubt},
    {.name = "in doubt, check open",
     .phase = Phase::kInDoubt,
     .check_open = true,
     .attempts_left = false,
     .lead = in_doubt},
    {.name = "awaiting callback", .phase = Phase::kAwaitingCallback, .lead = accepted},
    {.name = "awaiting callback, check open",
     .phase = Phase::kAwaitingCallback,
     .check_open = true,
     .lead = accepted},
    {.name = "awaiting fraud",
     .phase = Phase::kAwaitingFraud,
     .check_open = true,
     .lead = confirmed},
    {.name = "undoing by cancel", .phase = Phase::kUndoing, .by_cancel = true, .lead = cancelling},
    {.name = "undoing by cancel, last attempt",
     .phase = Phase::kUndoing,
     .attempts_left = false,
     .by_cancel = true,
     .lead = cancelling},
    {.name = "undoing by failure", .phase = Phase::kUndoing, .check_open = true, .lead = failing},
    {.name = "succeeded", .phase = Phase::kSucceeded, .lead = confirmed},
    {.name = "failed by decline", .phase = Phase::kFailed, .lead = declined},
    {.name = "failed before anything was sent",
     .phase = Phase::kFailed,
     .check_open = true,
     .sent = false,
     .lead = failing},
    {.name = "failed, refunded late",
     .phase = Phase::kFailed,
     .sent = false,
     .lead =
         [](World& w) {
           declined(w);
           confirmed(w);
           undone(w);
         }},
    {.name = "cancelled",
     .phase = Phase::kCancelled,
     .by_cancel = true,
     .lead =
         [](World& w) {
           cancelling(w);
           undone(w);
         }},
    {.name = "cancelled before anything was sent",
     .phase = Phase::kCancelled,
     .check_open = true,
     .by_cancel = true,
     .sent = false,
     .lead = cancelling},
    {.name = "refunding late after a failure",
     .phase = Phase::kUndoingAfterEnd,
     .lead =
         [](World& w) {
           declined(w);
           confirmed(w);
         }},
    {.name = "refunding late after a cancel, last attempt",
     .phase = Phase::kUndoingAfterEnd,
     .attempts_left = false,
     .by_cancel = true,
     .lead =
         [](World& w) {
           cancelling(w);
           undone(w);
           confirmed(w);
         }},
    {.name = "stuck",
     .phase = Phase::kStuck,
     .attempts_left = false,
     .lead =
         [](World& w) {
           cancelling(w);
           undo_fails(w);
         }},
};

// Which stages are version 2 payments behind the gate: those in which nothing is sent.
bool behind_gate(const Stage& stage) { return !stage.sent && stage.check_open; }

void arrive(World& w, const Stage& stage) {
  w.rules.gateway_retry.maximum_attempts = stage.attempts_left ? 5 : 1;
  w.rules.compensation_retry.maximum_attempts = stage.attempts_left ? 5 : 1;
  w.rules.void_when_given_up = true;
  w.rules.version = behind_gate(stage) ? kPaymentVersion2 : kPaymentVersion1;
  w.rules.fraud.mode = stage.check_open ? FraudMode::kManual : FraudMode::kInline;
  w.open("alice", 10'000);
  w.pay(kId, "alice", usd(1'000));
  stage.lead(w);
}

bool holds(Guard guard, const Stage& stage) {
  switch (guard) {
    case Guard::kAlways:
      return true;
    case Guard::kCheckOpen:
      return stage.check_open;
    case Guard::kCheckClear:
      return !stage.check_open;
    case Guard::kAttemptsLeft:
      return stage.attempts_left;
    case Guard::kAttemptsUsed:
      return !stage.attempts_left;
    case Guard::kByCancel:
      return stage.by_cancel;
    case Guard::kByFailure:
      return !stage.by_cancel;
    case Guard::kSent:
      return stage.sent;
    case Guard::kSettled:
      return !stage.sent;
  }
  return false;
}

OutcomeKind hand_in_reply(World& w, GatewayReply reply) {
  const auto call = pending_gateway_call(w.payment_row(kId));
  return w.gateway(kId, call ? call->attempt : 1, reply).kind;
}

OutcomeKind hand_in_inquiry(World& w, InquiryReply reply) {
  return w.inquiry(kId, w.payment_row(kId).inquiries + 1, reply).kind;
}

OutcomeKind hand_in_undo(World& w, UndoReply reply) {
  return w.undo(kId, w.payment_row(kId).compensation_calls + 1, reply).kind;
}

OutcomeKind hand_in(World& w, Trigger input) {
  switch (input) {
    case Trigger::kReplyConfirmed:
      return hand_in_reply(w, GatewayReply::kConfirmed);
    case Trigger::kReplyDeclined:
      return hand_in_reply(w, GatewayReply::kDeclined);
    case Trigger::kReplyTemporaryFailure:
      return hand_in_reply(w, GatewayReply::kTemporaryFailure);
    case Trigger::kReplyNoAnswer:
      return hand_in_reply(w, GatewayReply::kNoAnswer);
    case Trigger::kReplyAccepted:
      return hand_in_reply(w, GatewayReply::kAccepted);
    case Trigger::kReplyRefused:
      return hand_in_reply(w, GatewayReply::kRefused);
    case Trigger::kInquiryConfirmed:
      return hand_in_inquiry(w, InquiryReply::kConfirmed);
    case Trigger::kInquiryDeclined:
      return hand_in_inquiry(w, InquiryReply::kDeclined);
    case Trigger::kInquiryAccepted:
      return hand_in_inquiry(w, InquiryReply::kAccepted);
    case Trigger::kInquiryUnknownKey:
      return hand_in_inquiry(w, InquiryReply::kUnknownKey);
    case Trigger::kInquiryNoAnswer:
      return hand_in_inquiry(w, InquiryReply::kNoAnswer);
    case Trigger::kCallbackConfirmed:
      return w.callback(kId, CallbackOutcome::kConfirmed).kind;
    case Trigger::kCallbackDeclined:
      return w.callback(kId, CallbackOutcome::kDeclined).kind;
    case Trigger::kCallbackTimer:
      w.now = w.now + Duration::seconds(301);
      return w.timer(kId).kind;
    case Trigger::kFraudApproved:
      return w.verdict(kId, true).kind;
    case Trigger::kFraudRejected:
      return w.verdict(kId, false).kind;
    case Trigger::kFraudTimer:
      w.now = w.now + Duration::seconds(601);
      return w.fraud_timer(kId).kind;
    case Trigger::kCancel:
      return w.cancel(kId).kind;
    case Trigger::kUndoDone:
      return hand_in_undo(w, UndoReply::kDone);
    case Trigger::kUndoFailed:
      return hand_in_undo(w, UndoReply::kFailed);
    case Trigger::kRetryCompensation:
      return w.retry_compensation(kId).kind;
    case Trigger::kRefund:
      return w.refund(kId).kind;
  }
  return OutcomeKind::kResultStale;
}

// The one transition that the table has for this cell under this stage, or null.
const Transition* find_transition(const Stage& stage, Trigger input) {
  const Transition* found = nullptr;
  for (const Transition& edge : transitions()) {
    if (edge.from == stage.phase && edge.input == input && holds(edge.guard, stage)) {
      EXPECT_EQ(found, nullptr) << "two transitions for one cell";
      found = &edge;
    }
  }
  return found;
}

void expect_refusal(const Stage& stage, Trigger input, OutcomeKind kind, const World& w) {
  const Guard guard = stage.by_cancel ? Guard::kByCancel : Guard::kByFailure;
  switch (refusal(stage.phase, input, guard)) {
    case Refusal::kStale:
      EXPECT_TRUE(w.added.records.empty());
      return;
    case Refusal::kNoted:
      EXPECT_EQ(kind, OutcomeKind::kCallbackAccepted);
      EXPECT_LE(w.added.records.size(), 1U);
      return;
    case Refusal::kClosed:
      EXPECT_EQ(kind, OutcomeKind::kPaymentClosed);
      break;
    case Refusal::kAlready:
      EXPECT_TRUE(kind == OutcomeKind::kCancelled || kind == OutcomeKind::kCancelAccepted);
      break;
    case Refusal::kNotFailed:
      EXPECT_EQ(kind, OutcomeKind::kNotCompensationFailed);
      break;
    case Refusal::kNotPaid:
      EXPECT_EQ(kind, OutcomeKind::kRefundNotPossible);
      break;
  }
  EXPECT_TRUE(w.added.records.empty());
}

WideAmount sum_of_all(World& w) {
  WideAmount sum = 0;
  w.state.rows.accounts.for_each_changed(
      [&](const std::string&, const Account& account) { sum += account.posted; });
  return sum;
}

TEST(Transitions, EveryStageIsInThePhaseThatItIsNamedFor) {
  for (const Stage& stage : kStages) {
    World w;
    arrive(w, stage);
    EXPECT_EQ(name(phase_of(w.payment_row(kId))), name(stage.phase)) << stage.name;
  }
}

TEST(Transitions, EveryPhaseHasAStage) {
  for (std::size_t p = 0; p < kPhaseCount; ++p) {
    EXPECT_TRUE(std::ranges::any_of(kStages, [&](const Stage& stage) {
      return stage.phase == static_cast<Phase>(p);
    })) << name(static_cast<Phase>(p));
  }
}

TEST(Transitions, EveryCellIsATransitionOfTheTableOrItsNamedRefusal) {
  for (const Stage& stage : kStages) {
    for (std::size_t i = 0; i < kTriggerCount; ++i) {
      const auto input = static_cast<Trigger>(i);
      SCOPED_TRACE(std::string(stage.name).append(" / ").append(name(input)));
      World w;
      arrive(w, stage);
      const OutcomeKind kind = hand_in(w, input);
      const Transition* edge = find_transition(stage, input);
      if (edge != nullptr) {
        EXPECT_EQ(name(phase_of(w.payment_row(kId))), name(edge->to));
        EXPECT_FALSE(w.added.records.empty());
      } else {
        EXPECT_EQ(name(phase_of(w.payment_row(kId))), name(stage.phase));
        expect_refusal(stage, input, kind, w);
      }
      EXPECT_EQ(sum_of_all(w), 0);
    }
  }
}

TEST(Transitions, EveryTransitionOfTheTableIsTakenBySomeStage) {
  for (const Transition& edge : transitions()) {
    EXPECT_TRUE(std::ranges::any_of(
        kStages,
        [&](const Stage& stage) { return stage.phase == edge.from && holds(edge.guard, stage); }))
        << name(edge.from) << " / " << name(edge.input) << " [" << name(edge.guard) << "]";
  }
}

TEST(Transitions, EveryGuardButNoneHasAName) {
  EXPECT_EQ(name(Guard::kAlways), "");
  for (int guard = 1; guard <= static_cast<int>(Guard::kSettled); ++guard) {
    EXPECT_NE(name(static_cast<Guard>(guard)), "") << guard;
  }
}

TEST(Transitions, ThePageInDocsIsRenderedFromTheTable) {
  const std::string path = PAYONCE_SOURCE_DIR "/docs/payment-saga.md";
  if (std::getenv("UPDATE_REFERENCE") != nullptr) {
    std::ofstream(path) << render_saga_page();
  }
  std::ifstream file(path);
  const std::string page(std::istreambuf_iterator<char>(file), {});
  EXPECT_EQ(page, render_saga_page()) << "run `payonce diagram > docs/payment-saga.md`";
}

}  // namespace
}  // namespace payonce::core
