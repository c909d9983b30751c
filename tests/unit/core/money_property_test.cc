// Property: whatever is lost, late, told twice or told out of order, in the end the ledger and the
// gateway agree about every payment, and the user has paid exactly for what succeeded.
//
// A failure shows the shortest sequence of choices that fails. RC_PARAMS (of rapidcheck) in the
// environment overrides the fixed seed.
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <string>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>

#include "core/index_keys.h"
#include "support/effects.h"
#include "support/machine_world.h"
#include "unit/core/gateway_model.h"

namespace payonce::core {
namespace {

using testing_support::pending_effects;
using testing_support::usd;
using testing_support::World;

constexpr std::int64_t kOpening = 1'000'000;

// What happens next, to which payment or task, and how.
using Choice = std::tuple<std::uint8_t, std::uint8_t, std::uint8_t>;

class Simulation {
 public:
  Simulation() { world_.open("alice", kOpening); }

  void take(const Choice& choice) {
    const auto [what, which, how] = choice;
    const std::string id = "pay_" + std::to_string(which % 4);
    world_.now = world_.now + Duration::ms(how);
    switch (what % 13) {
      case 0:
        create(id, how);
        break;
      case 1:
      case 2:
      case 3:
        start_task(which, how);
        break;
      case 4:
      case 5:
        finish_task(which);
        break;
      case 6:
        lose_task(which);
        break;
      case 7:
        call_back(which);
        break;
      case 8:
        settle(id, how % 3 != 0);
        break;
      case 9:
        how % 4 == 0 ? post(CancelPayment{.payment_id = id, .reason = "off"}) : verdict(id, how);
        break;
      case 10:
        post(CreateRefund{.payment_id = id, .amount = how % 3 == 0 ? "" : "0.2"});
        break;
      case 11:
        operate();
        break;
      default:
        tell_again(which);
        break;
    }
  }

  // Everything that is still open is brought to its end, and what was due is told.
  void drain() {
    for (int round = 0; round < 60; ++round) {
      while (!running_.empty()) {
        finish_task(0);
      }
      for (const auto& [id, amount] : amounts_) {
        settle(id, true);
      }
      for (const RecordCallback& callback : gateway_.callbacks) {
        post(callback);
      }
      operate();
      bool idle = true;
      for (const Effect& effect : pending_effects(world_.state.rows)) {
        if (!std::holds_alternative<StartTimer>(effect)) {
          idle = false;
          run(effect, 0);
        }
      }
      if (idle && running_.empty()) {
        fire_timers();
      }
    }
    RC_ASSERT(pending_effects(world_.state.rows).empty());
  }

  void check_books() {
    WideAmount sum = 0;
    world_.state.rows.accounts.for_each_changed(
        [&](const std::string&, const Account& account) { sum += account.posted; });
    RC_ASSERT(sum == 0);
    RC_ASSERT(world_.account("alice").available() >= 0);
    RC_ASSERT(!gateway_.called_after_void);
  }

  // The reference: what the user has is what he had, less what the gateway has.
  void check_end() {
    std::int64_t taken = 0;
    for (const auto& [id, amount] : amounts_) {
      const Payment& payment = world_.payment_row(id);
      RC_ASSERT(terminal(payment.status));
      RC_ASSERT(!compensating(payment));
      const std::int64_t ledger =
          payment.status == PaymentStatus::kSuccess ? amount - payment.refunded_minor : 0;
      RC_ASSERT(ledger == gateway_.has(id, amount));
      RC_ASSERT(payment.refunding_minor == 0);
      taken += ledger;
    }
    const Account& alice = world_.account("alice");
    RC_ASSERT(alice.posted == kOpening - taken);
    RC_ASSERT(alice.held == 0);
    RC_ASSERT(amounts_.empty() || world_.account("sys:gateway:USD").posted == taken);
  }

 private:
  struct Running {
    std::string charge;
    Command answer;
  };

  void post(Command command) {
    world_.handle(command);
    told_.push_back(std::move(command));
  }

  void create(const std::string& id, unsigned how) {
    if (amounts_.contains(id)) {
      return;
    }
    PaymentRules rules;
    rules.version = 1 + how % 2;
    rules.gateway_retry.maximum_attempts = 2;
    rules.compensation_retry.maximum_attempts = 2;
    rules.notify_retry.maximum_attempts = 1;
    rules.fraud.mode = static_cast<FraudMode>(how / 2 % 4);
    rules.fraud.retry.maximum_attempts = 2;
    rules.fraud.parent_close = how / 8 % 2 == 0 ? ParentClose::kTerminate : ParentClose::kAbandon;
    CreatePayment command = world_.payment(id, "alice", usd(50 + how));
    command.rules = rules;
    amounts_[id] = 50 + how;
    post(std::move(command));
  }

  static std::string charge_of(const Effect& effect) {
    return std::visit(
        [](const auto& task) -> std::string {
          using Task = std::decay_t<decltype(task)>;
          if constexpr (std::is_same_v<Task, SendNotification> ||
                        std::is_same_v<Task, CheckFraud>) {
            return {};
          } else if constexpr (requires { task.payment_id; }) {
            return task.payment_id;
          } else {
            return {};
          }
        },
        effect);
  }
  // One charge, one call: its answer is told before the next task about it starts.
  bool busy(const std::string& charge) const {
    return !charge.empty() && std::ranges::any_of(running_, [&](const Running& running) {
      return running.charge == charge;
    });
  }

  void start_task(unsigned which, unsigned how) {
    const auto tasks = pending_effects(world_.state.rows);
    if (!tasks.empty()) {
      run(tasks[which % tasks.size()], how);
    }
  }
  void run(const Effect& effect, unsigned how) {
    const std::string charge = charge_of(effect);
    if (busy(charge)) {
      return;
    }
    std::visit(
        [&](const auto& task) {
          if constexpr (requires { gateway_.run(task, how); }) {
            running_.push_back({charge, gateway_.run(task, how)});
          } else {
            running_.push_back({charge, answer(task, how)});
          }
        },
        effect);
  }
  Command answer(const CheckFraud& task, unsigned how) {
    return RecordFraudReply{.fraud_id = task.fraud_id,
                            .attempt = task.attempt,
                            .reply = static_cast<FraudReply>(1 + how % 3),
                            .detail = "score"};
  }
  Command answer(const SendNotification& task, unsigned /*how*/) {
    return RecordNotification{.payment_id = task.payment_id,
                              .channel = task.channel,
                              .attempt = task.attempt,
                              .reply = NotifyReply::kDelivered,
                              .error = {}};
  }
  Command answer(const StartTimer& task, unsigned how) {
    world_.now = how % 2 == 0 ? std::max(world_.now, task.due) : world_.now;
    return TimerFired{.kind = task.kind, .id = task.id, .due = task.due};
  }
  Command answer(const WorkflowEnded& task, unsigned /*how*/) {
    return CancelPayment{.payment_id = task.id, .reason = "no task"};
  }

  void finish_task(unsigned which) {
    if (!running_.empty()) {
      const auto at = running_.begin() + static_cast<std::ptrdiff_t>(which % running_.size());
      Command result = std::move(at->answer);
      running_.erase(at);
      post(std::move(result));
    }
  }
  // The process died while it ran: recovery will release it again.
  void lose_task(unsigned which) {
    if (!running_.empty()) {
      running_.erase(running_.begin() + static_cast<std::ptrdiff_t>(which % running_.size()));
    }
  }
  void call_back(unsigned which) {
    if (!gateway_.callbacks.empty()) {
      post(gateway_.callbacks[which % gateway_.callbacks.size()]);
    }
  }
  // Not while it is being undone: then a success and the answer that there is nothing to undo
  // cross, which a gateway that keeps its word does not let happen.
  void settle(const std::string& id, bool captured) {
    const Payment* payment = world_.state.rows.payments.find(id);
    if (payment != nullptr && !compensating(*payment) && !busy(id)) {
      gateway_.settle(id, captured);
    }
  }
  void verdict(const std::string& id, unsigned how) {
    post(
        DecideFraud{.fraud_id = fraud_check_id(id), .approved = how % 4 != 1, .reason = "by hand"});
  }
  // An operator looks after everything that has given up.
  void operate() {
    for (const std::string& task : world_.state.indexes.keys(Index::kExhausted)) {
      const auto parsed = parse_task(task);
      const std::string id(parsed->workflow_id);
      if (parsed->kind == TaskName::Kind::kCompensation) {
        post(RetryCompensation{.payment_id = id});
      } else if (parsed->kind == TaskName::Kind::kRefund) {
        post(RetryRefund{.refund_id = id});
      } else {
        post(RetryNotification{.payment_id = id, .channel = parsed->channel});
      }
    }
  }
  void tell_again(unsigned which) {
    if (!told_.empty()) {
      world_.handle(told_[told_.size() - 1 - which % told_.size()]);
    }
  }
  void fire_timers() {
    for (const Effect& effect : pending_effects(world_.state.rows)) {
      const auto& timer = std::get<StartTimer>(effect);
      world_.now = std::max(world_.now, timer.due);
      post(TimerFired{.kind = timer.kind, .id = timer.id, .due = timer.due});
    }
  }

  World world_;
  GatewayModel gateway_;
  std::map<std::string, std::int64_t> amounts_;
  std::vector<Running> running_;
  std::vector<Command> told_;
};

class MoneyProperty : public testing::Test {
 protected:
  static void SetUpTestSuite() { setenv("RC_PARAMS", "seed=20260118 max_success=400", 0); }
};

TEST_F(MoneyProperty, LedgerAndGateway_AgreeInTheEnd) {
  const bool holds = rc::check([] {
    const auto choices = *rc::gen::resize(300, rc::gen::arbitrary<std::vector<Choice>>());
    Simulation simulation;
    simulation.take({0, 0, static_cast<std::uint8_t>(choices.size())});
    for (const Choice& choice : choices) {
      simulation.take(choice);
      simulation.check_books();
    }
    simulation.drain();
    simulation.check_books();
    simulation.check_end();
  });
  EXPECT_TRUE(holds);
}

}  // namespace
}  // namespace payonce::core
