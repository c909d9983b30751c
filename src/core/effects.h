// core/effects.h: what has to happen outside, derived from state and from nothing else.
//
// A command's effects are what the state waits for after it and did not wait for before it; at
// start everything that the state waits for is released again, one for one. Pure.
#pragma once

#include <array>
#include <optional>
#include <vector>

#include "core/outcome.h"

namespace payonce::core {

// What the rows of one command waited for before it.
struct Waits {
  std::optional<PendingCall> gateway;
  std::optional<PendingCall> inquiry;
  std::optional<PendingCall> undo;
  std::array<std::optional<PendingCall>, kNotifyChannels.size()> notifications;
  std::optional<Timestamp> callback;
  std::optional<PendingCall> fraud;
  std::optional<Timestamp> fraud_deadline;
  std::optional<PendingCall> refund;
  bool payment_ended = false;
  bool refund_ended = false;
};

// Null rows wait for nothing.
[[nodiscard]] Waits waits_of(const Payment* payment, const FraudCheck* check, const Refund* refund);

// Appends what the outcome's rows wait for and `before` does not hold.
void append_new_effects(const Outcome& outcome, const Waits& before, std::vector<Effect>& out);

// Appends everything that the row waits for.
void append_pending_effects(const Payment& payment, std::vector<Effect>& out);
void append_pending_effects(const FraudCheck& check, std::vector<Effect>& out);
void append_pending_effects(const Refund& refund, std::vector<Effect>& out);

// True when `effect` is still what its row waits for; null when there is no such row. A task is
// asked about right before it is run, since its workflow may have gone on without it.
[[nodiscard]] bool wanted(const Effect& effect, const Payment* payment);
[[nodiscard]] bool wanted(const Effect& effect, const FraudCheck* check);
[[nodiscard]] bool wanted(const Effect& effect, const Refund* refund);

}  // namespace payonce::core
