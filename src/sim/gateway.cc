#include "sim/gateway.h"

#include <utility>

namespace payonce::sim {

using core::GatewayReply;
using core::InquiryReply;
using core::RefundReply;
using core::UndoReply;

namespace {

constexpr Duration kRepeatLate = Duration::seconds(3'600);

}  // namespace

std::int64_t Gateway::Charge::kept_minor() const {
  if (!taken || undone) {
    return 0;
  }
  std::int64_t kept = amount.minor;
  for (const auto& [id, minor] : refunds) {
    kept -= minor;
  }
  return kept;
}

GatewayReply Gateway::standing(const Charge& charge) const {
  if (charge.undone || charge.declined) {
    return GatewayReply::kDeclined;
  }
  return charge.taken ? GatewayReply::kConfirmed : GatewayReply::kAccepted;
}

GatewayReply Gateway::charge(const core::CallGateway& call) {
  const std::string& method = call.payment_method;
  const bool known = book_.contains(call.payment_id);
  Charge& charge = book_[call.payment_id];
  ++charge.calls;
  if (charge.taken && charge.amount != call.amount) {
    world_->violate("one_key_one_charge", call.payment_id + " is charged with another amount");
  }
  if (known && (charge.undone || charge.declined || charge.taken || charge.accepted)) {
    return standing(charge);
  }
  charge.amount = call.amount;
  if (method == "pm_refuse") {
    return GatewayReply::kRefused;
  }
  if (method == "pm_flaky" && !healed_ && random_.chance(60)) {
    return GatewayReply::kTemporaryFailure;
  }
  if (method == "pm_decline") {
    charge.declined = true;
  } else if (method == "pm_async" || method == "pm_async_decline" || method == "pm_late") {
    charge.accepted = true;
    charge.takes_late = method == "pm_late";
    accept(call.payment_id, method == "pm_async_decline");
  } else {
    charge.taken = true;
  }
  return method == "pm_silent" && !healed_ ? GatewayReply::kNoAnswer : standing(charge);
}

// Money is taken, or not, some time later; now and then after the payment has given up waiting.
void Gateway::accept(const std::string& key, bool declines) {
  const Duration delay{random_.magnitude(Duration::seconds(600).us)};
  plan(delay, [this, key, declines] {
    Charge& charge = book_[key];
    if (charge.undone) {
      return;
    }
    charge.accepted = charge.takes_late = false;
    (declines ? charge.declined : charge.taken) = true;
    call_back(key, declines);
  });
}

// The void came first and was confirmed, but the money is taken: only callbacks tell.
void Gateway::take_late(const std::string& key) {
  Charge& charge = book_[key];
  if (std::exchange(charge.takes_late, false)) {
    charge.taken = true;
    charge.undone = false;
  }
  if (charge.kept_minor() > 0) {
    call_back(key, /*declines=*/false);
    plan(kRepeatLate, [this, key] { take_late(key); });
  }
}

void Gateway::plan(Duration delay, World::Action action) {
  ++plans_;
  world_->after(delay, [this, action = std::move(action)] {
    --plans_;
    action();
  });
}

void Gateway::call_back(const std::string& key, bool declines) {
  callback_(
      {.payment_id = key,
       .outcome = declines ? core::CallbackOutcome::kDeclined : core::CallbackOutcome::kConfirmed,
       .reference = declines ? std::string() : "ref " + key,
       .reason = declines ? "declined later" : std::string(),
       .webhook_id = "wh_" + key});
}

InquiryReply Gateway::inquire(const core::InquireGateway& call) {
  const auto found = book_.find(call.payment_id);
  if (found == book_.end()) {
    return InquiryReply::kUnknownKey;
  }
  const Charge& charge = found->second;
  if (charge.undone || charge.declined) {
    return InquiryReply::kDeclined;
  }
  if (charge.taken) {
    return InquiryReply::kConfirmed;
  }
  return charge.accepted ? InquiryReply::kAccepted : InquiryReply::kUnknownKey;
}

UndoReply Gateway::undo(const core::UndoAtGateway& call) {
  Charge& charge = book_[call.payment_id];
  charge.undone = true;
  if (charge.takes_late && charge.accepted && !charge.taken && !healed_) {
    plan(kRepeatLate, [this, key = call.payment_id] { take_late(key); });
  }
  if (!charge.refunds.empty()) {
    world_->violate("no_undo_after_refund", call.payment_id + " is undone after a refund");
  }
  return UndoReply::kDone;
}

RefundReply Gateway::refund(const core::RefundAtGateway& call) {
  const auto found = book_.find(call.payment_id);
  if (found == book_.end() || !found->second.taken) {
    world_->violate("refund_needs_a_charge", call.refund_id + " is for a charge never made");
    return RefundReply::kDeclined;
  }
  Charge& charge = found->second;
  if (const auto made = charge.refunds.find(call.refund_id); made != charge.refunds.end()) {
    if (made->second != call.amount.minor) {
      world_->violate("one_key_one_refund", call.refund_id + " comes with another amount");
    }
    return RefundReply::kConfirmed;
  }
  if (charge.undone || charge.kept_minor() < call.amount.minor) {
    world_->violate("refund_within_charge", call.refund_id + " is more than was taken");
    return RefundReply::kDeclined;
  }
  if (!healed_ && random_.chance(5)) {
    return RefundReply::kFailed;
  }
  charge.refunds.emplace(call.refund_id, call.amount.minor);
  return RefundReply::kConfirmed;
}

}  // namespace payonce::sim
