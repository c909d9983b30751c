// Random sequences of every command, for a handful of accounts and payments. A machine of its own
// runs along, so that most results are of what the state waits for; some are not, and some are told
// again.
#pragma once

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "support/machine_world.h"
#include "support/random.h"

namespace payonce::testing_support {

struct Step {
  Timestamp now;
  core::Input input;
};

// A machine and all that came of the steps it took.
struct Trial {
  Folded state;
  core::Machine machine{state.rows, {.last_seq = 0, .last_time = kStart, .salt = kSalt}};
  core::Produced all;
  std::vector<std::string> answers;

  // Returns how many records the step added.
  std::size_t take(const Step& step) {
    KindRenderer renderer;
    core::Answer answer;
    const std::size_t before = all.records.size();
    machine.handle(step.input, step.now, &renderer, answer, all);
    answers.push_back(answer.body);
    return all.records.size() - before;
  }
};

class RandomCommands {
 public:
  explicit RandomCommands(Random& random, core::Seq last_seq = 0)
      : random_(&random),
        machine_(state_.rows, {.last_seq = last_seq, .last_time = kStart, .salt = kSalt}) {}

  std::vector<Step> take(std::size_t count) {
    std::vector<Step> steps;
    while (steps.size() < count) {
      // Mostly forwards, sometimes back: clocks do that.
      now_ = now_ + Duration{static_cast<std::int64_t>(random_->below(3'000'000)) - 300'000};
      Step step{now_, {}};
      if (!steps.empty() && random_->chance(10)) {
        step.input = random_->pick(steps).input;  // somebody asks again
      } else {
        step.input.command = command();
        step.now = now_;
        key(step.input);
      }
      KindRenderer renderer;
      core::Answer answer;
      machine_.handle(step.input, step.now, &renderer, answer, produced_);
      steps.push_back(std::move(step));
    }
    return steps;
  }

 private:
  static constexpr std::array<const char*, 6> kAccounts{"a", "b",      "c",
                                                        "d", "nobody", "sys:funding:USD"};
  static constexpr std::array<const char*, 3> kPayers{"a", "b", "c"};
  static constexpr std::array<const char*, 4> kParts{"0.01", "1", "2.5", "7"};

  void key(core::Input& input) {
    const bool from_client = std::holds_alternative<core::OpenAccount>(input.command) ||
                             std::holds_alternative<core::Deposit>(input.command) ||
                             std::holds_alternative<core::CreatePayment>(input.command) ||
                             std::holds_alternative<core::CreateRefund>(input.command) ||
                             std::holds_alternative<core::CancelPayment>(input.command);
    if (from_client && random_->chance(30)) {
      input.keyed = core::KeyedRequest{.key = "key_" + std::to_string(random_->below(6)),
                                       .fingerprint = "f" + std::to_string(random_->below(2)),
                                       .retention = Duration::seconds(20),
                                       .answer_later = random_->chance(50)};
    }
  }

  core::OpenAccount open(std::string id) {
    const bool yen = id == "c";
    return {.id = std::move(id),
            .currency = currency(yen ? "JPY" : "USD"),
            .opening_minor = static_cast<std::int64_t>(
                random_->chance(10) ? random_->next() >> 1 : 500 + random_->below(5000)),
            .metadata = {}};
  }

  core::Command command() {
    if (opened_ < kPayers.size()) {
      return open(kPayers.at(opened_++));
    }
    const std::uint64_t dice = random_->below(100);
    if (dice < 6) {
      return open(random_->chance(10) ? "" : random_->pick(kAccounts));
    }
    if (dice < 12) {
      return core::Deposit{.account_id = random_->pick(kAccounts),
                           .amount = random_->chance(10) ? "92233720368547758.07"
                                     : random_->chance(50)
                                         ? std::to_string(random_->below(20))
                                         : std::to_string(random_->below(20)) + ".5",
                           .reference = {}};
    }
    if (dice < 15) {
      return core::CompleteKey{.key = "key_" + std::to_string(random_->below(6)),
                               .answer = {.status = 201, .location = {}, .body = "end"}};
    }
    if (dice < 32) {
      return create();
    }
    return dice < 75 ? result() : out_of_the_blue();
  }

  core::CreatePayment create() {
    // Mostly by somebody who can pay: "c" has yen, the others have dollars.
    const std::string user =
        random_->chance(90) ? random_->pick(kPayers) : random_->pick(kAccounts);
    const char* code = random_->chance(90) ? (user == "c" ? "JPY" : "USD") : "EUR";
    return {.id = random_->chance(5) ? "" : payment_id(),
            .content = {.user_id = user,
                        .amount = Money{1 + static_cast<std::int64_t>(random_->below(800)),
                                        currency(code)},
                        .payment_method = "pm",
                        .description = {},
                        .metadata = {}},
            .rules = rules()};
  }

  core::PaymentRules rules() {
    const auto few = [&] { return static_cast<std::uint32_t>(random_->below(4)); };
    core::PaymentRules rules;
    rules.version = 1 + few() % 2;
    rules.gateway_retry.maximum_attempts = few();
    rules.notify_retry.maximum_attempts = few();
    rules.compensation_retry.maximum_attempts = few();
    rules.callback_timeout = Duration{static_cast<std::int64_t>(random_->below(20'000'000))};
    rules.fraud.mode = random_->chance(40) ? core::FraudMode::kNone
                                           : static_cast<core::FraudMode>(random_->below(4));
    rules.fraud.timeout = Duration{static_cast<std::int64_t>(random_->below(40'000'000))};
    rules.fraud.delay = Duration{static_cast<std::int64_t>(random_->below(1'000'000))};
    rules.fraud.retry.maximum_attempts = few();
    rules.fraud.parent_close =
        random_->chance(50) ? core::ParentClose::kTerminate : core::ParentClose::kAbandon;
    rules.gate_minor = static_cast<std::int64_t>(random_->below(800));
    rules.channels = static_cast<std::uint32_t>(random_->below(8)) << 1;
    rules.webhook_delays_ms.assign(random_->below(3), 1000);
    return rules;
  }

  // The answer to something that the state waits for.
  core::Command result() {
    std::vector<core::Effect> tasks;
    for (int tries = 0; tries < 5 && tasks.empty(); ++tries) {
      tasks = pending();
    }
    if (tasks.empty()) {
      return core::CancelPayment{.payment_id = payment_id(), .reason = "idle"};
    }
    return std::visit([&](const auto& task) { return answer(task); }, random_->pick(tasks));
  }

  std::vector<core::Effect> pending() {
    std::vector<core::Effect> tasks;
    const std::string id = payment_id();
    if (const core::Payment* payment = state_.rows.payments.find(id)) {
      core::append_pending_effects(*payment, tasks);
    }
    if (const core::FraudCheck* check = state_.rows.frauds.find(core::fraud_check_id(id))) {
      core::append_pending_effects(*check, tasks);
    }
    if (const core::Refund* refund = state_.rows.refunds.find(refund_id())) {
      core::append_pending_effects(*refund, tasks);
    }
    return tasks;
  }

  std::uint32_t number(std::uint32_t awaited) {
    return random_->chance(90) ? awaited : static_cast<std::uint32_t>(random_->below(5));
  }
  template <class Reply>
  Reply reply(int count) {
    // 1 is success everywhere, and without successes there is nothing to refund.
    const std::uint64_t bad = random_->below(static_cast<std::uint64_t>(count));
    return static_cast<Reply>(1 + (random_->chance(25) ? 0 : bad));
  }

  core::Command answer(const core::CallGateway& task) {
    return core::RecordGatewayReply{.payment_id = task.payment_id,
                                    .attempt = number(task.attempt),
                                    .reply = reply<core::GatewayReply>(6),
                                    .detail = "detail"};
  }
  core::Command answer(const core::InquireGateway& task) {
    return core::RecordInquiryReply{.payment_id = task.payment_id,
                                    .inquiry = number(task.inquiry),
                                    .reply = reply<core::InquiryReply>(5),
                                    .detail = "detail"};
  }
  core::Command answer(const core::UndoAtGateway& task) {
    return core::RecordUndoReply{.payment_id = task.payment_id,
                                 .call = number(task.call),
                                 .reply = reply<core::UndoReply>(2),
                                 .detail = "detail"};
  }
  core::Command answer(const core::RefundAtGateway& task) {
    return core::RecordRefundReply{.refund_id = task.refund_id,
                                   .call = number(task.call),
                                   .reply = reply<core::RefundReply>(3),
                                   .detail = "detail"};
  }
  core::Command answer(const core::CheckFraud& task) {
    return core::RecordFraudReply{.fraud_id = task.fraud_id,
                                  .attempt = number(task.attempt),
                                  .reply = reply<core::FraudReply>(3),
                                  .detail = "detail"};
  }
  core::Command answer(const core::SendNotification& task) {
    return core::RecordNotification{.payment_id = task.payment_id,
                                    .channel = task.channel,
                                    .attempt = number(task.attempt),
                                    .reply = reply<core::NotifyReply>(3),
                                    .error = "unreachable"};
  }
  core::Command answer(const core::StartTimer& task) {
    if (random_->chance(80)) {
      now_ = std::max(now_, task.due);
    }
    const Duration off{random_->chance(90) ? 0 : 1};
    return core::TimerFired{.kind = task.kind, .id = task.id, .due = task.due + off};
  }
  core::Command answer(const core::WorkflowEnded& task) {
    return core::CancelPayment{.payment_id = task.id, .reason = "no task"};
  }

  // What comes from clients, operators and the gateway's callbacks.
  core::Command out_of_the_blue() {
    const std::string id = payment_id();
    switch (random_->below(13)) {
      case 0:
      case 1:
      case 2:
        return core::RecordCallback{.payment_id = id,
                                    .outcome = random_->chance(60)
                                                   ? core::CallbackOutcome::kConfirmed
                                                   : core::CallbackOutcome::kDeclined,
                                    .reference = random_->chance(50) ? "ref" : "",
                                    .reason = "stolen",
                                    .webhook_id = "wh"};
      case 3:
        return core::CancelPayment{.payment_id = id, .reason = "changed my mind"};
      case 4:
        return core::RetryCompensation{.payment_id = id};
      case 5:
      case 6:
      case 11:
        return core::CreateRefund{.payment_id = id,
                                  .amount = random_->chance(40)   ? ""
                                            : random_->chance(95) ? random_->pick(kParts)
                                                                  : "nonsense"};
      case 7:
        return core::DecideFraud{.fraud_id = core::fraud_check_id(id),
                                 .approved = random_->chance(60),
                                 .reason = "by hand"};
      case 8:
        return core::RetryNotification{.payment_id = id,
                                       .channel = random_->pick(core::kNotifyChannels)};
      case 9:
        return core::RetryRefund{.refund_id = refund_id()};
      default:
        return core::RecordGatewayReply{.payment_id = id,
                                        .attempt = number(1),
                                        .reply = reply<core::GatewayReply>(6),
                                        .detail = "late"};
    }
  }

  std::string payment_id() { return "pay_" + std::to_string(random_->below(15)); }
  std::string refund_id() {
    std::vector<std::string> ids;
    state_.rows.refunds.for_each_changed(
        [&](const std::string& id, const core::Refund&) { ids.push_back(id); });
    return ids.empty() ? "ref_none" : random_->pick(ids);
  }

  Random* random_;
  Timestamp now_ = kStart;
  std::size_t opened_ = 0;
  Folded state_;
  core::Machine machine_;
  core::Produced produced_;
};

inline std::vector<Step> random_steps(Random& random, std::size_t count) {
  return RandomCommands(random).take(count);
}

}  // namespace payonce::testing_support
