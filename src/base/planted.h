// base/planted.h: mistakes that can be built in on purpose, to show that the simulator finds them.
//
// Only a build with the option PAYONCE_PLANTED_BUGS has them, and there one at a time is turned on
// by name (docs/testing.md). In every other build planted() is the constant false, and
// nothing of them is left. Owner: the process; set once, before any thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace payonce {

enum class Bug : std::uint8_t {
  kNone,
  kReplyBeforeCommit,    // an answer leaves before what it says is durable
  kEffectBeforeCommit,   // a task is released before what it rests on is durable
  kCommitTriedAgain,     // a failed commit is tried again as if nothing had been written
  kReadUncommitted,      // a query shows what is not durable yet
  kTimerLostAtStart,     // timers from before the start are forgotten
  kCallLostAtStart,      // so are calls to the gateway
  kTaskLostAtHorizon,    // a task that is due right behind the horizon is not brought in
  kTrimmedTooEarly,      // rows leave memory before the checkpoint holds them
  kStateAheadOfLog,      // a checkpoint claims more than it has folded
  kKeyAfterEffect,       // an idempotency key is recorded with the next command, not with its own
  kKeyForgottenEarly,    // keys expire at once
  kKeyKeptForEver,       // keys do not expire
  kStaleResultTaken,     // the answer to an earlier attempt is taken for the awaited one
  kTimeoutIsDecline,     // no answer from the gateway is taken for a no
  kDoubleRefund,         // what is being refunded may be refunded again
  kHoldKept,             // a failed payment does not give its hold back
  kOverdraft,            // the hold does not look at the balance
  kLateSuccessIgnored,   // money that is taken after the end is kept
  kFraudIgnored,         // a rejection by the fraud check changes nothing
  kCancelForgotten,      // an accepted cancel does nothing when the gateway has confirmed
  kNotificationAssumed,  // a failed notification counts as delivered
  kUnwantedCallMade,     // a call is made although its payment does not wait for it any more
  kTurnNotTaken,         // two calls about one charge may be under way together
  kClockRunsBack,        // entries get the wall clock's time, even if it was set back
};

inline constexpr std::array<std::string_view, 25> kBugNames{
    "none",
    "reply-before-commit",
    "effect-before-commit",
    "commit-tried-again",
    "read-uncommitted",
    "timer-lost-at-start",
    "call-lost-at-start",
    "task-lost-at-horizon",
    "trimmed-too-early",
    "state-ahead-of-log",
    "key-after-effect",
    "key-forgotten-early",
    "key-kept-for-ever",
    "stale-result-taken",
    "timeout-is-decline",
    "double-refund",
    "hold-kept",
    "overdraft",
    "late-success-ignored",
    "fraud-ignored",
    "cancel-forgotten",
    "notification-assumed",
    "unwanted-call-made",
    "turn-not-taken",
    "clock-runs-back",
};

#ifdef PAYONCE_PLANTED_BUGS
inline constexpr bool kPlantedBugs = true;
inline Bug planted_bug = Bug::kNone;
[[nodiscard]] inline bool planted(Bug bug) { return bug == planted_bug; }
#else
inline constexpr bool kPlantedBugs = false;
[[nodiscard]] constexpr bool planted(Bug /*bug*/) { return false; }
#endif

}  // namespace payonce
