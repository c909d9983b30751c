#include "sim/clients.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <utility>

namespace payonce::sim {
namespace {

constexpr Duration kClientTimeout = Duration::seconds(10);
constexpr Duration kTravelMax = Duration::ms(20);
constexpr Duration kDelayMax = Duration::seconds(60);
constexpr Duration kBackoff = Duration::ms(500);
constexpr Duration kBackoffMax = Duration::seconds(60);
// Calls under way above which nobody comes with a new one.
constexpr std::uint64_t kCallsMax = 200;

constexpr std::string_view kMethods[] = {
    "pm_ok",    "pm_ok",    "pm_ok",      "pm_async",  "pm_async",  "pm_async_decline",
    "pm_flaky", "pm_flaky", "pm_decline", "pm_silent", "pm_refuse", "pm_late"};

std::string amount_text(std::int64_t minor) { return format_amount(minor, usd()); }

std::uint64_t version_of(const core::Answer& answer) {
  const std::size_t space = answer.body.find(' ');
  std::uint64_t version = 0;
  if (space != std::string::npos) {
    std::from_chars(answer.body.data() + space + 1, answer.body.data() + answer.body.size(),
                    version);
  }
  return version;
}

std::string_view status_of(const core::Answer& answer) {
  const std::size_t space = answer.body.rfind(' ');
  return std::string_view(answer.body).substr(space + 1);
}

}  // namespace

void Plain::render(const core::Outcome& outcome, core::Answer& out) {
  if (outcome.kind == core::OutcomeKind::kKeyReplayed) {
    out = outcome.key->answer;
    return;
  }
  out.status = 200;
  out.body = std::to_string(static_cast<int>(outcome.kind));
  if (outcome.refund != nullptr) {
    out.location = outcome.refund->id;
  } else if (outcome.payment != nullptr) {
    out.location = outcome.payment->id;
    out.body += " " + std::to_string(outcome.payment->stream_last) + " " +
                std::string(core::name(outcome.payment->status));
  }
}

Clients::Clients(World& world, Server& server, const Setup& setup)
    : world_(&world), random_(world.random.fork()), server_(&server), setup_(&setup) {}

void Clients::begin() {
  server_->set_on_start([this] {
    for (const std::string& payment : std::exchange(waiting_, {})) {
      look_at(payment);
    }
  });
  for (std::uint32_t number = 0; number < setup_->accounts; ++number) {
    open_account(number);
  }
  plan_payments();
  plan_operator();
}

void Clients::retire() { retired_ = true; }

Duration Clients::travel() {
  if (random_.chance_ppm(world_->rates.delayed)) {
    return Duration{random_.magnitude(kDelayMax.us)};
  }
  return Duration{random_.magnitude(kTravelMax.us)};
}

void Clients::start(core::Command command, bool keyed, std::string subject, std::uint32_t tries_max,
                    std::function<void(const Server::Reply&)> on_answer) {
  const CallPtr call = make_call(std::move(command), std::move(subject));
  if (keyed) {
    take_key(*call);
  }
  call->tries_max = tries_max;
  call->on_answer = std::move(on_answer);
  start(call);
}

Clients::CallPtr Clients::make_call(core::Command command, std::string subject) {
  auto call = std::make_shared<Call>();
  call->number = next_call_++;
  call->input.command = std::move(command);
  call->subject = std::move(subject);
  call->made_us = world_->wall_us();
  call->jumps = world_->jumps();
  return call;
}

void Clients::start(const CallPtr& call) {
  ++calls_open_;
  attempt(call);
}

void Clients::attempt(const CallPtr& call) {
  const std::uint32_t now = ++call->tries;
  const auto version = versions_.find(call->subject);
  call->floor = version == versions_.end() ? 0 : version->second;
  const int copies = 1 + (random_.chance_ppm(world_->rates.twice) ? 1 : 0);
  for (int copy = 0; copy < copies; ++copy) {
    if (!random_.chance_ppm(world_->rates.lost)) {
      ++call->flying;
      world_->after(travel(), [this, call] { arrive(call); });
    }
  }
  world_->after(kClientTimeout, [this, call, now] {
    if (!call->answered && call->tries == now) {
      retry_later(call);
    }
  });
}

void Clients::retry_later(const CallPtr& call) {
  if (call->answered) {
    return;
  }
  if (call->tries_max != 0 && call->tries >= call->tries_max) {
    finish(call);
    return;
  }
  const std::int64_t pause = kBackoff.us << std::min(call->tries, 8U);
  world_->after(Duration{random_.between(kBackoff.us, std::min(pause, kBackoffMax.us))},
                [this, call, now = call->tries] {
                  if (!call->answered && call->tries == now) {
                    attempt(call);
                  }
                });
}

void Clients::arrive(const CallPtr& call) {
  const std::uint64_t floor = call->floor;
  if (payments_.contains(call->subject)) {
    // Somebody else looks while this is being carried out.
    world_->after(Duration{random_.magnitude(kTravelMax.us)},
                  [this, payment = call->subject] { look_at(payment); });
  }
  server_->send(call->input, plain_, [this, call, floor](const Server::Reply& reply) {
    --call->flying;
    call->handled_us = world_->wall_max_us();
    world_->trace([&] {
      return "call " + std::to_string(call->number) + " " + call->subject + ": verdict " +
             std::to_string(static_cast<int>(reply.verdict)) + " kind " +
             std::to_string(static_cast<int>(reply.kind)) + " " + reply.answer.location + " " +
             reply.answer.body;
    });
    if (random_.chance_ppm(world_->rates.lost)) {
      return;
    }
    world_->after(travel(), [this, call, reply, floor] {
      if (reply.verdict == engine::Verdict::kDone) {
        call->floor = floor;
        hear(call, reply);
      } else {
        retry_later(call);
      }
    });
  });
}

void Clients::hear(const CallPtr& call, const Server::Reply& reply) {
  ++answers_;
  world_->note(reply.answer.location + reply.answer.body);
  check_key(*call, reply);
  const bool replayed = reply.kind == core::OutcomeKind::kKeyReplayed;
  if (!replayed && version_of(reply.answer) > 0) {
    saw(reply.answer.location, version_of(reply.answer), status_of(reply.answer), call->floor);
  }
  if (!call->answered) {
    finish(call);
    if (call->on_answer) {
      call->on_answer(reply);
    }
  }
}

void Clients::finish(const CallPtr& call) {
  call->answered = true;
  --calls_open_;
}

void Clients::saw(const std::string& payment, std::uint64_t version, std::string_view status,
                  std::uint64_t floor) {
  const auto [known, first] = statuses_.try_emplace({payment, version}, status);
  if (!first && known->second != status) {
    world_->violate("linearizable", payment + " was seen as " + known->second + " at version " +
                                        std::to_string(version) + ", and then as " +
                                        std::string(status));
  }
  if (version < floor) {
    world_->violate("linearizable", payment + " was seen at version " + std::to_string(floor) +
                                        ", and later at " + std::to_string(version));
  }
  std::uint64_t& newest = versions_[payment];
  newest = std::max(newest, version);
}

void Clients::open_account(std::uint32_t number) {
  const std::string id = "user_" + std::to_string(number);
  const std::int64_t opening = random_.between(0, 1'000'000);
  start(core::OpenAccount{.id = id, .currency = usd(), .opening_minor = opening, .metadata = {}},
        /*keyed=*/true, id, 0,
        [this, id, opening](const Server::Reply& /*reply*/) { deposited_[id] += opening; });
}

std::string Clients::any_account() {
  return "user_" + std::to_string(random_.below(setup_->accounts));
}

void Clients::plan_payments() {
  world_->after(Duration{random_.between(1, 2 * setup_->payment_every.us)}, [this] {
    if (retired_) {
      return;
    }
    for (std::int64_t left = random_.between(1, setup_->burst); left > 0 && calls_open_ < kCallsMax;
         --left) {
      const std::uint64_t what = random_.below(100);
      what < 10 ? deposit() : what < 15 ? pay_briefly() : pay();
    }
    plan_payments();
  });
}

void Clients::deposit() {
  const std::string id = any_account();
  if (!deposited_.contains(id)) {
    return;  // not open yet
  }
  const std::int64_t minor = random_.between(1, 500'000);
  start(core::Deposit{.account_id = id, .amount = amount_text(minor), .reference = "top up"},
        /*keyed=*/true, id, 0, [this, id, minor](const Server::Reply& reply) {
          const auto kind = static_cast<int>(core::OutcomeKind::kDeposited);
          if (reply.answer.body != std::to_string(kind)) {
            world_->violate("acknowledged",
                            "a deposit to " + id + " is answered with " + reply.answer.body);
          }
          deposited_[id] += minor;
        });
}

void Clients::pay() {
  const std::string user = any_account();
  if (!deposited_.contains(user)) {
    return;
  }
  const bool named = random_.chance(50);
  core::CreatePayment create = new_payment(user, named);
  // A named payment needs no key: its id is one.
  const bool keyed = !named || random_.chance(50);
  const std::string subject = create.id;
  const Paid paid{.user = user, .minor = create.content.amount.minor};
  start(std::move(create), keyed, subject, 0,
        [this, paid](const Server::Reply& reply) { accepted(reply, paid); });
}

core::CreatePayment Clients::new_payment(const std::string& user, bool named) {
  const std::int64_t minor = random_.magnitude(50'000) + 1;
  core::CreatePayment create{.id = named ? "pay_" + std::to_string(next_call_) : std::string(),
                             .content = {.user_id = user,
                                         .amount = Money{minor, usd()},
                                         .payment_method = std::string(random_.pick(kMethods)),
                                         .description = {},
                                         .metadata = {}},
                             .rules = setup_->rules};
  constexpr core::FraudMode kModes[] = {core::FraudMode::kNone, core::FraudMode::kInline,
                                        core::FraudMode::kTask, core::FraudMode::kManual};
  // What was begun under one version goes on beside the other.
  create.rules.version = random_.chance(50) ? core::kPaymentVersion1 : core::kPaymentVersion2;
  create.rules.fraud.mode = kModes[random_.below(setup_->fraud_manual ? 4 : 3)];
  return create;
}

void Clients::accepted(const Server::Reply& reply, const Paid& paid) {
  const std::string& id = reply.answer.location;
  if (id.empty()) {
    world_->violate("unexpected", "a payment is answered with " + reply.answer.body);
    return;
  }
  if (!payments_.emplace(id, paid).second) {
    world_->violate("unexpected", id + " was made for two requests");
  }
  follow(id);
}

// What becomes of a payment's client: most look again, some change their minds.
void Clients::follow(const std::string& payment) {
  const auto some_time = [this] { return Duration{random_.magnitude(Duration::seconds(900).us)}; };
  for (std::uint64_t looks = random_.below(4); looks > 0; --looks) {
    world_->after(some_time(), [this, payment] {
      look_at(payment);
      // And once more, as people do.
      world_->after(Duration{random_.magnitude(Duration::seconds(60).us)},
                    [this, payment] { look_at(payment); });
    });
  }
  if (random_.chance(15)) {
    world_->after(some_time(), [this, payment] { cancel(payment); });
  }
  for (std::uint64_t refunds = random_.chance(20) ? 1 + random_.below(3) : 0; refunds > 0;
       --refunds) {
    world_->after(some_time(), [this, payment] { refund(payment); });
  }
  if (setup_->fraud_manual && random_.chance(70)) {
    world_->after(some_time(), [this, payment] { decide(payment); });
  }
}

void Clients::look_at(const std::string& payment) {
  Life* life = server_->life();
  if (life == nullptr) {
    waiting_.insert(payment);  // and looks as soon as it can
    return;
  }
  if (!life->engine().accepting()) {
    return;
  }
  const auto before = versions_.find(payment);
  const std::uint64_t floor = before == versions_.end() ? 0 : before->second;
  const auto found = life->engine().find_payment(payment);
  const bool failed = life->failed();
  server_->settle();
  if (failed && !found) {
    return;  // it has died over the question
  }
  if (!found) {
    world_->violate("acknowledged", payment + " was acknowledged and is not there");
    return;
  }
  world_->note(payment + std::string(core::name(found->status)));
  if (random_.chance(30)) {
    world_->after(Duration{random_.magnitude(Duration::seconds(1).us)},
                  [this, payment] { look_at(payment); });
  }
  saw(payment, found->stream_last, core::name(found->status), floor);
}

void Clients::cancel(const std::string& payment) {
  if (!retired_) {
    start(core::CancelPayment{.payment_id = payment, .reason = "no longer wanted"},
          /*keyed=*/false, payment, 5, [this, payment](const Server::Reply& reply) {
            if (reply.kind == core::OutcomeKind::kCancelAccepted ||
                reply.kind == core::OutcomeKind::kCancelled) {
              cancelled_.insert(payment);
            }
          });
  }
}

void Clients::refund(const std::string& payment) {
  if (!retired_) {
    const std::int64_t minor = random_.between(1, 2 * payments_.at(payment).minor);
    start(core::CreateRefund{.payment_id = payment,
                             .amount = random_.chance(30) ? std::string() : amount_text(minor)},
          /*keyed=*/true, payment, 0, [this](const Server::Reply& reply) {
            if (reply.answer.location.starts_with(core::kRefundPrefix)) {
              refunds_.insert(reply.answer.location);
            }
          });
  }
}

void Clients::decide(const std::string& payment) {
  const bool approved = random_.chance(70);
  if (approved) {
    approved_.insert(payment);  // whether it is heard of or not
  }
  start(
      core::DecideFraud{
          .fraud_id = core::fraud_check_id(payment), .approved = approved, .reason = "looked at"},
      /*keyed=*/false, payment, 5, [this, payment, approved](const Server::Reply& reply) {
        if (!approved && reply.kind == core::OutcomeKind::kFraudDecided) {
          rejected_.insert(payment);
        }
      });
}

void Clients::pass_on(const core::RecordCallback& callback) {
  start(callback, /*keyed=*/false, callback.payment_id, 10, {});
}

}  // namespace payonce::sim
