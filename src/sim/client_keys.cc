// What clients expect of Idempotency-Keys: one answer to each, and an end to it.
#include <algorithm>
#include <utility>

#include "sim/clients.h"

namespace payonce::sim {
namespace {

// Longer than any run with its clock jumps: no key expires under a client that still asks.
constexpr Duration kRetention = Duration::seconds(std::int64_t{3650} * 86'400);
constexpr Duration kBriefMin = Duration::seconds(60);
constexpr Duration kBriefMax = Duration::seconds(1'800);

// 32 bytes that name a call.
std::string digest(std::uint64_t number, char kind) {
  std::string bytes(32, kind);
  for (std::size_t i = 0; i < sizeof(number); ++i) {
    bytes[i] = static_cast<char>(number >> (8 * i));
  }
  return bytes;
}

// Whether the request changed something, now or when it came first: such answers are kept.
bool has_effect(core::OutcomeKind kind) {
  using enum core::OutcomeKind;
  return kind == kAccountOpened || kind == kDeposited || kind == kPaymentAccepted ||
         kind == kPaymentRefused || kind == kPaymentExisting || kind == kRefundAccepted ||
         kind == kKeyReplayed;
}

}  // namespace

void Clients::take_key(Call& call) {
  call.input.keyed = core::KeyedRequest{.key = digest(call.number, 'k'),
                                        .fingerprint = digest(call.number, 'f'),
                                        .retention = kRetention};
}

void Clients::check_key(const Call& call, const Server::Reply& reply) {
  if (!call.input.keyed || !surely_holds(call)) {
    return;
  }
  if (call.again && reply.kind == core::OutcomeKind::kKeyReused) {
    return;  // see judge_again()
  }
  if (reply.kind == core::OutcomeKind::kKeyReused ||
      reply.kind == core::OutcomeKind::kKeyInFlight) {
    world_->violate("unexpected", call.subject + " is told that its key is in use");
    return;
  }
  if (!has_effect(reply.kind)) {
    return;  // it recorded nothing, so the next request may be answered otherwise
  }
  const auto [place, first] = answered_.try_emplace(call.number, reply.answer);
  const core::Answer& known = place->second;
  if (!first && (known.status != reply.answer.status || known.body != reply.answer.body ||
                 known.location != reply.answer.location)) {
    world_->violate("same_answer", call.subject + " got '" + known.location + " " + known.body +
                                       "' and then '" + reply.answer.location + " " +
                                       reply.answer.body + "' for one key");
  }
}

// Not so once the key may have expired: then it may be somebody else's.
bool Clients::surely_holds(const Call& call) const {
  return !call.brief || (call.jumps == world_->jumps() &&
                         world_->wall_max_us() < call.made_us + call.input.keyed->retention.us);
}

// A payment under a key that expires soon. It has a name, so it is made once even when a copy of
// its request arrives after the key's end.
void Clients::pay_briefly() {
  const std::string user = any_account();
  if (!deposited_.contains(user)) {
    return;
  }
  core::CreatePayment create = new_payment(user, /*named=*/true);
  const std::string subject = create.id;
  const Paid paid{.user = user, .minor = create.content.amount.minor};
  const CallPtr call = make_call(std::move(create), subject);
  take_key(*call);
  call->brief = true;
  const Duration retention{random_.between(kBriefMin.us, kBriefMax.us)};
  call->input.keyed->retention = retention;
  call->on_answer = [this, paid, retention,
                     weak = std::weak_ptr(call)](const Server::Reply& reply) {
    accepted(reply, paid);
    world_->after(Duration{random_.between(1, 2 * retention.us)},
                  [this, first = weak.lock()] { use_again(first); });
  };
  start(call);
}

// Another request under the same key, whose effect no other check asks for.
void Clients::use_again(const CallPtr& first) {
  if (retired_ || first->flying > 0) {
    return;
  }
  const std::string id = "again_" + std::to_string(next_call_);
  const CallPtr again = make_call(
      core::OpenAccount{.id = id, .currency = usd(), .opening_minor = 0, .metadata = {}}, id);
  take_key(*again);
  again->input.keyed->key = first->input.keyed->key;
  again->again = true;
  again->on_answer = [this, first, weak = std::weak_ptr(again)](const Server::Reply& reply) {
    judge_again(*first, *weak.lock(), reply.kind);
  };
  start(again);
}

void Clients::judge_again(const Call& first, const Call& again, core::OutcomeKind kind) {
  const bool refused = kind == core::OutcomeKind::kKeyReused;
  if (!refused && surely_holds(first)) {
    world_->violate("key_expiry", again.subject + " was let in with the key of " + first.subject);
  }
  const std::int64_t end_us = first.handled_us + first.input.keyed->retention.us;
  if (refused && first.jumps == world_->jumps() && again.made_us >= end_us) {
    world_->violate("key_expiry", again.subject + " was refused: the key of " + first.subject +
                                      " should have expired");
  }
}

}  // namespace payonce::sim
