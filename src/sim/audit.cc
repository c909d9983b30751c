#include "sim/audit.h"

#include <map>
#include <string>
#include <utility>

#include "core/due.h"
#include "core/replay.h"
#include "log/history.h"
#include "sim/refold.h"

namespace payonce::sim {

bool Audit::at_any_time() {
  Life* life = server_->life();
  if (life == nullptr) {
    return false;
  }
  auto state = life->state().snapshot();
  if (!state) {
    return false;
  }
  check_balances(*state);
  check_fold(*state);
  return true;
}

void Audit::check_balances(log::StateStore::Snapshot& state) {
  std::map<std::string, WideAmount> sums;
  state.each_account([&](const core::Account& account) {
    sums[std::string(account.currency.code())] += account.posted;
    if (account.held < 0 || (!account.system && account.posted < account.held)) {
      world_->violate("conserved", "account " + account.id + " is overdrawn");
    }
  });
  for (const auto& [currency, sum] : sums) {
    if (sum != 0) {
      world_->violate("conserved", "the accounts in " + currency + " do not add up to zero");
    }
  }
}

void Audit::check_fold(log::StateStore::Snapshot& state) {
  const auto different = compare_with_fold(server_->disk(), server_->life()->salt(), state);
  if (different) {
    world_->violate("fold_is_state", *different);
  }
}

bool Audit::ended(std::string& waits_for) {
  Life* life = server_->life();
  if (life == nullptr || !clients_->done() || outside_->gateway().busy()) {
    waits_for = life == nullptr     ? "the process to start"
                : !clients_->done() ? "a client's call"
                                    : "the gateway";
    return false;
  }
  if (life->applied() < life->engine().durable_seq()) {
    waits_for = "a checkpoint";
    return false;
  }
  auto state = life->state().snapshot();
  if (!state) {
    return false;
  }
  const auto first_of = [&](core::Index index, const char* what) {
    if (state->count(index) > 0) {
      state->oldest_first(index, {}, [&](std::string_view key, auto) {
        const auto due = core::parse_due_key(key);
        waits_for = std::string(what) + " of " + std::string(due ? due->id : key);
        return false;
      });
    }
  };
  waits_for.clear();
  for (const core::TaskClass task : core::kTaskClasses) {
    first_of(core::index_of(task), "a task");
  }
  first_of(core::Index::kExhausted, "an operator's retry");
  return waits_for.empty();
}

void Audit::at_the_end() {
  if (!at_any_time()) {
    world_->violate("ended", "the process is not there");
    return;
  }
  auto state = server_->life()->state().snapshot();
  check_payments(*state);
  check_refunds(*state);
  check_accounts(*state);
  check_replay(*state);
}

void Audit::check_payments(log::StateStore::Snapshot& state) {
  std::size_t known = 0;
  state.oldest_first(core::Index::kPaymentsByTime, {}, [&](std::string_view, std::string_view id) {
    core::Payment payment;
    if (!state.load(id, payment)) {
      world_->violate("acknowledged", std::string(id) + " is listed and not there");
      return true;
    }
    if (!clients_->payments().contains(payment.id)) {
      world_->violate("acknowledged", payment.id + " is a payment that no client was told of");
    }
    ++known;
    check_payment(state, payment);
    return true;
  });
  if (known != clients_->payments().size()) {
    world_->violate("acknowledged", std::to_string(clients_->payments().size()) +
                                        " payments were acknowledged, and there are " +
                                        std::to_string(known));
  }
  for (const auto& [id, charge] : outside_->gateway().book()) {
    if (!clients_->payments().contains(id)) {
      world_->violate("one_effect", "the gateway was called for " + id + ", which is no payment");
    }
  }
}

void Audit::check_payment(log::StateStore::Snapshot& state, const core::Payment& payment) {
  if (!core::terminal(payment.status) || core::compensating(payment)) {
    world_->violate("ended", payment.id + " is " + std::string(core::name(payment.status)));
  }
  core::FraudCheck check;
  if (state.load(core::fraud_check_id(payment.id), check) &&
      check.result == core::FraudResult::kRunning) {
    world_->violate("ended", check.id + " is still running");
  }
  const bool success = payment.status == core::PaymentStatus::kSuccess;
  if (success && payment.fraud != core::FraudResult::kNone &&
      payment.fraud != core::FraudResult::kApproved) {
    world_->violate("fraud", payment.id + " succeeded, and its fraud check says " +
                                 std::string(core::name(payment.fraud)));
  }
  const bool asked = payment.rules.fraud.mode == core::FraudMode::kTask ||
                     payment.rules.fraud.mode == core::FraudMode::kManual;
  const bool approved = clients_->approved().contains(payment.id) ||
                        outside_->approved().contains(core::fraud_check_id(payment.id));
  if (success && (clients_->rejected().contains(payment.id) || (asked && !approved))) {
    world_->violate("fraud", payment.id + " succeeded, and nobody has approved it");
  }
  if (success && clients_->cancelled().contains(payment.id)) {
    world_->violate("acknowledged", payment.id + " succeeded after its cancel was accepted");
  }
  const auto charge = outside_->gateway().book().find(payment.id);
  const std::int64_t kept =
      charge == outside_->gateway().book().end() ? 0 : charge->second.kept_minor();
  const std::int64_t due = success ? payment.content.amount.minor - payment.refunded_minor : 0;
  if (kept != due || payment.refunding_minor != 0) {
    world_->violate("one_effect", "the gateway holds " + std::to_string(kept) + " of " +
                                      payment.id + ", which is " +
                                      std::string(core::name(payment.status)) +
                                      " and should have left " + std::to_string(due) + " there");
  }
  // One that was refused at once has its answer; all other ends are told.
  std::uint32_t channels = 0;
  for (const core::Delivery& delivery : payment.deliveries) {
    channels |= core::channel_bit(delivery.channel);
  }
  if (payment.gateway != core::GatewayState::kNone && channels != payment.rules.channels) {
    world_->violate("notified", payment.id + " is not told on all channels");
  }
  for (const core::Delivery& delivery : payment.deliveries) {
    const std::string name = payment.id + " " + std::string(core::name(delivery.channel));
    if (delivery.state != core::NotifyState::kSent || !outside_->notified().contains(name)) {
      world_->violate("notified", name + " was never told");
    }
  }
}

// Both sides know the same refunds, and all that clients were promised.
void Audit::check_refunds(log::StateStore::Snapshot& state) {
  const auto look_at = [&](const std::string& id, bool made) {
    core::Refund refund;
    if (!state.load(id, refund) || refund.status == core::RefundStatus::kProcessing ||
        refund.status == core::RefundStatus::kExhausted) {
      world_->violate("acknowledged", id + " was promised and has not come to an end");
    } else if (made && refund.status != core::RefundStatus::kSuccess) {
      world_->violate("one_effect", id + " was made by the gateway and is " +
                                        std::string(core::name(refund.status)));
    }
  };
  for (const std::string& id : clients_->refunds()) {
    look_at(id, /*made=*/false);
  }
  for (const auto& [payment, charge] : outside_->gateway().book()) {
    for (const auto& [id, minor] : charge.refunds) {
      look_at(id, /*made=*/true);
    }
  }
}

void Audit::check_accounts(log::StateStore::Snapshot& state) {
  std::map<std::string, std::int64_t> expected = clients_->deposited();
  for (const auto& [id, paid] : clients_->payments()) {
    core::Payment payment;
    if (state.load(id, payment) && payment.status == core::PaymentStatus::kSuccess) {
      expected[paid.user] -= paid.minor - payment.refunded_minor;
    }
  }
  for (const auto& [id, minor] : expected) {
    core::Account account;
    if (!state.load(id, account) || account.posted != minor || account.held != 0) {
      world_->violate("balances", id + " should have " + std::to_string(minor) + " and has " +
                                      std::to_string(static_cast<std::int64_t>(account.posted)) +
                                      ", of which " + std::to_string(account.held) + " held");
    }
  }
}

void Audit::check_replay(log::StateStore::Snapshot& state) {
  const std::uint64_t salt = server_->life()->salt();
  for (const auto& [id, paid] : clients_->payments()) {
    core::Payment payment;
    if (!state.load(id, payment)) {
      continue;
    }
    const auto history = log::read_payment_history(server_->disk(), salt, state, payment);
    if (!history || !history->whole) {
      continue;
    }
    if (const auto different = core::redecide(history->records, salt)) {
      world_->violate("replay", id + " would be decided otherwise at entry " +
                                    std::to_string(different->seq) + ": recorded " +
                                    different->recorded + ", decided " + different->decided);
      return;
    }
  }
}

}  // namespace payonce::sim
