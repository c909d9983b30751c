// sim/gateway.h: a payment gateway that keeps books, and says what it was asked to do wrong.
//
// It does what docs/gateway.md asks of one: the same key is the same charge, a void under it takes
// back whatever was or is being taken, an unknown key may be voided, a refund's key is refunded
// once. Its books are the other side of every payment: who checks holds them against the ledger.
// It never loses anything. Owner: one simulation, one thread.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>

#include "core/commands.h"
#include "core/outcome.h"
#include "sim/world.h"

namespace payonce::sim {

class Gateway {
 public:
  struct Charge {
    Money amount;
    std::uint32_t calls = 0;
    bool declined = false;
    bool accepted = false;  // the outcome comes by callback
    bool takes_late = false;
    bool taken = false;
    bool undone = false;
    std::map<std::string, std::int64_t> refunds;    // by refund id
    [[nodiscard]] std::int64_t kept_minor() const;  // what the gateway holds now
  };
  // A callback that leaves the gateway; how it travels is not its concern.
  using Callback = std::function<void(core::RecordCallback)>;

  Gateway(World& world, Callback callback)
      : world_(&world), random_(world.random.fork()), callback_(std::move(callback)) {}

  // What a payment method makes it do is in its name: pm_ok, pm_decline, pm_refuse, pm_flaky,
  // pm_async, pm_async_decline, pm_silent (takes the money and does not answer), pm_late (takes it
  // although it has been voided meanwhile, and says so until it is given back).
  [[nodiscard]] core::GatewayReply charge(const core::CallGateway& call);
  [[nodiscard]] core::InquiryReply inquire(const core::InquireGateway& call);
  [[nodiscard]] core::UndoReply undo(const core::UndoAtGateway& call);
  [[nodiscard]] core::RefundReply refund(const core::RefundAtGateway& call);

  [[nodiscard]] const std::map<std::string, Charge>& book() const { return book_; }
  // Whether it is still going to do something by itself.
  [[nodiscard]] bool busy() const { return plans_ > 0; }
  void heal() { healed_ = true; }  // from now on it has no moods

 private:
  [[nodiscard]] core::GatewayReply standing(const Charge& charge) const;
  void accept(const std::string& key, bool declines);
  void call_back(const std::string& key, bool declines);
  void take_late(const std::string& key);
  void plan(Duration delay, World::Action action);

  World* world_;
  Random random_;
  Callback callback_;
  bool healed_ = false;
  std::uint64_t plans_ = 0;
  std::map<std::string, Charge> book_;  // by payment id
};

}  // namespace payonce::sim
