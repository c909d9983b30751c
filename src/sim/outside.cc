#include "sim/outside.h"

#include <type_traits>
#include <utility>
#include <variant>

namespace payonce::sim {
namespace {

constexpr Duration kCallTimeout = Duration::seconds(15);
constexpr Duration kAnswerMax = Duration::ms(50);
constexpr Duration kLateMax = Duration::seconds(120);  // beyond every time-out

template <class... Functions>
struct Overloaded : Functions... {
  using Functions::operator()...;
};
template <class... Functions>
Overloaded(Functions...) -> Overloaded<Functions...>;

// What the adapters make of a call without an answer: `sent` says whether it may have arrived.
core::Command unanswered(const core::Effect& task, bool sent) {
  const std::string why = sent ? "no answer" : "no connection";
  return std::visit(
      Overloaded{[&](const core::CallGateway& call) -> core::Command {
                   return core::RecordGatewayReply{
                       .payment_id = call.payment_id,
                       .attempt = call.attempt,
                       .reply = sent ? core::GatewayReply::kNoAnswer
                                     : core::GatewayReply::kTemporaryFailure,
                       .detail = why};
                 },
                 [&](const core::InquireGateway& call) -> core::Command {
                   return core::RecordInquiryReply{.payment_id = call.payment_id,
                                                   .inquiry = call.inquiry,
                                                   .reply = core::InquiryReply::kNoAnswer,
                                                   .detail = why};
                 },
                 [&](const core::UndoAtGateway& call) -> core::Command {
                   return core::RecordUndoReply{.payment_id = call.payment_id,
                                                .call = call.call,
                                                .reply = core::UndoReply::kFailed,
                                                .detail = why};
                 },
                 [&](const core::RefundAtGateway& call) -> core::Command {
                   return core::RecordRefundReply{.refund_id = call.refund_id,
                                                  .call = call.call,
                                                  .reply = core::RefundReply::kFailed,
                                                  .detail = why};
                 },
                 [&](const core::CheckFraud& call) -> core::Command {
                   return core::RecordFraudReply{.fraud_id = call.fraud_id,
                                                 .attempt = call.attempt,
                                                 .reply = core::FraudReply::kFailed,
                                                 .detail = why};
                 },
                 [&](const core::SendNotification& call) -> core::Command {
                   return core::RecordNotification{.payment_id = call.payment_id,
                                                   .channel = call.channel,
                                                   .attempt = call.attempt,
                                                   .reply = core::NotifyReply::kFailed,
                                                   .error = why};
                 },
                 [](const core::StartTimer& timer) -> core::Command {
                   return core::TimerFired{.kind = timer.kind, .id = timer.id, .due = timer.due};
                 },
                 [](const core::WorkflowEnded& /*no task*/) -> core::Command {
                   return core::TimerFired{};
                 }},
      task);
}

// The charge that a call is about, if it is about one.
std::string charge_of(const core::Effect& task) {
  return std::visit(
      [](const auto& call) -> std::string {
        using Task = std::decay_t<decltype(call)>;
        if constexpr (std::is_same_v<Task, core::CallGateway> ||
                      std::is_same_v<Task, core::InquireGateway> ||
                      std::is_same_v<Task, core::UndoAtGateway> ||
                      std::is_same_v<Task, core::RefundAtGateway>) {
          return call.payment_id;
        } else {
          return {};
        }
      },
      task);
}

// A call under way: told once, by the answer or by the time-out.
struct Flight {
  bool told = false;
};

}  // namespace

Outside::Outside(World& world, Gateway::Callback callback)
    : world_(&world), random_(world.random.fork()), gateway_(world, std::move(callback)) {
  plan_outage();
}

Outside::Party Outside::party_of(const core::Effect& task) {
  if (std::holds_alternative<core::CheckFraud>(task)) {
    return kFraud;
  }
  return std::holds_alternative<core::SendNotification>(task) ? kReceivers : kGateway;
}

Duration Outside::travel() {
  if (random_.chance_ppm(world_->rates.delayed)) {
    return Duration{random_.magnitude(kLateMax.us)};
  }
  return Duration{random_.magnitude(kAnswerMax.us)};
}

void Outside::look_at_order(const core::Effect& task) {
  if (const auto* undo = std::get_if<core::UndoAtGateway>(&task)) {
    undone_.insert(undo->payment_id);
  } else if (const auto* charge = std::get_if<core::CallGateway>(&task)) {
    if (undone_.contains(charge->payment_id)) {
      world_->violate("no_charge_after_undo", charge->payment_id + " is charged after its undo");
    }
  }
}

void Outside::landed(const std::string& charge, std::uint64_t number) {
  const auto found = under_way_.find(charge);
  if (found != under_way_.end() && found->second == number) {
    under_way_.erase(found);
  }
}

core::Command Outside::at_once(const core::Effect& task) {
  look_at_order(task);
  return carry_out(task);
}

void Outside::call(const core::Effect& task, const Done& done) {
  look_at_order(task);
  const std::string charge = charge_of(task);
  const std::uint64_t number = ++next_call_;
  if (!charge.empty() && !under_way_.emplace(charge, number).second) {
    world_->violate("one_charge_one_call", charge + " has two calls at the same time");
  }
  const auto flight = std::make_shared<Flight>();
  const auto tell = [this, flight, done, charge, number](core::Command command) {
    if (!std::exchange(flight->told, true)) {
      landed(charge, number);
      done(std::move(command));
    }
  };
  if (out_[party_of(task)] && random_.chance(50)) {
    world_->after(travel(), [tell, task] { tell(unanswered(task, /*sent=*/false)); });
    return;
  }
  world_->after(kCallTimeout, [tell, task] { tell(unanswered(task, /*sent=*/true)); });
  const int copies = 1 + (random_.chance_ppm(world_->rates.twice) ? 1 : 0);
  for (int copy = 0; copy < copies; ++copy) {
    if (random_.chance_ppm(world_->rates.lost)) {
      continue;
    }
    world_->after(travel(), [this, tell, task] {
      if (out_[party_of(task)]) {
        return;  // nobody there to take it
      }
      core::Command answer = carry_out(task);
      const auto* reply = std::get_if<core::RecordGatewayReply>(&answer);
      const bool silent = reply != nullptr && reply->reply == core::GatewayReply::kNoAnswer;
      if (!silent && !random_.chance_ppm(world_->rates.lost)) {
        world_->after(travel(), [tell, answer] { tell(answer); });
      }
    });
  }
}

core::Command Outside::carry_out(const core::Effect& task) {
  core::Command answer = unanswered(task, /*sent=*/true);
  if (const auto* charge = std::get_if<core::CallGateway>(&task)) {
    std::get<core::RecordGatewayReply>(answer).reply = gateway_.charge(*charge);
  } else if (const auto* inquiry = std::get_if<core::InquireGateway>(&task)) {
    std::get<core::RecordInquiryReply>(answer).reply = gateway_.inquire(*inquiry);
  } else if (const auto* undo = std::get_if<core::UndoAtGateway>(&task)) {
    std::get<core::RecordUndoReply>(answer).reply = gateway_.undo(*undo);
  } else if (const auto* refund = std::get_if<core::RefundAtGateway>(&task)) {
    std::get<core::RecordRefundReply>(answer).reply = gateway_.refund(*refund);
  } else if (const auto* check = std::get_if<core::CheckFraud>(&task)) {
    auto& reply = std::get<core::RecordFraudReply>(answer);
    const bool fails = !healed_ && random_.chance(10);
    const bool bad = random_.chance(15);
    reply.reply = fails ? core::FraudReply::kFailed
                        : (bad ? core::FraudReply::kRejected : core::FraudReply::kApproved);
    if (reply.reply == core::FraudReply::kApproved) {
      approved_.insert(check->fraud_id);
    }
  } else if (const auto* send = std::get_if<core::SendNotification>(&task)) {
    auto& reply = std::get<core::RecordNotification>(answer);
    if (healed_ || !random_.chance(10)) {
      reply.reply = core::NotifyReply::kDelivered;
      reply.error.clear();
      ++notified_[send->payment_id + " " + std::string(core::name(send->channel))];
    }
  }
  world_->note(std::to_string(task.index()) + " " + std::to_string(answer.index()));
  return answer;
}

void Outside::plan_outage() {
  const std::int64_t every = world_->rates.outage_every.us;
  if (every == 0) {
    return;
  }
  world_->after(Duration{random_.between(1, 2 * every)}, [this] {
    const auto party = static_cast<Party>(random_.below(kParties));
    if (!healed_) {
      out_[party] = true;
      world_->after(Duration{random_.magnitude(Duration::seconds(3600).us)},
                    [this, party] { out_[party] = false; });
    }
    plan_outage();
  });
}

void Outside::heal() {
  healed_ = true;
  out_ = {};
  gateway_.heal();
}

}  // namespace payonce::sim
