// sim/outside.h: everybody whom the server calls, and the network between.
//
// A call travels there and back: each way it may be lost, arrive twice or late (Fault::kLoss,
// kDuplicate, kDelay), and whoever is called may be out for a while (kOutage). The caller gives up
// after its time-out and is told what the real adapters would say: that it is not known how far the
// call got, unless there was no connection. What arrives after that still has its effect. Whoever
// sends a charge once it has sent its undo is found out (no_charge_after_undo), and so is who calls
// about a charge while it still waits for another call about it (one_charge_one_call).
// Owner: one simulation, one thread.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "core/commands.h"
#include "core/outcome.h"
#include "sim/gateway.h"
#include "sim/world.h"

namespace payonce::sim {

class Outside {
 public:
  using Done = std::function<void(std::optional<core::Command>)>;

  // `callback` is what delivers a callback to the server's door.
  Outside(World& world, Gateway::Callback callback);

  // Tells `done` once, later.
  void call(const core::Effect& task, const Done& done);
  // The same without a network, for a process that has its gateway inside.
  [[nodiscard]] core::Command at_once(const core::Effect& task);
  // Whoever called has died: nobody waits for what is under way.
  void caller_died() { under_way_.clear(); }

  void heal();  // nothing is out, nobody has moods
  [[nodiscard]] const Gateway& gateway() const { return gateway_; }
  // Fraud checks that were approved at least once.
  [[nodiscard]] const std::set<std::string>& approved() const { return approved_; }
  // How often each notification (payment and channel) has been taken.
  [[nodiscard]] const std::map<std::string, std::uint32_t>& notified() const { return notified_; }

 private:
  enum Party : std::uint8_t { kGateway = 0, kFraud = 1, kReceivers = 2, kParties = 3 };

  [[nodiscard]] static Party party_of(const core::Effect& task);
  [[nodiscard]] core::Command carry_out(const core::Effect& task);
  void look_at_order(const core::Effect& task);
  void landed(const std::string& charge, std::uint64_t number);
  [[nodiscard]] Duration travel();
  void plan_outage();

  World* world_;
  Random random_;
  Gateway gateway_;
  std::array<bool, kParties> out_{};
  bool healed_ = false;
  std::map<std::string, std::uint32_t> notified_;
  std::set<std::string> undone_;    // payments whose undo has been sent
  std::set<std::string> approved_;  // fraud checks
  // Charges with a call under way, and which one that is.
  std::map<std::string, std::uint64_t> under_way_;
  std::uint64_t next_call_ = 0;
};

}  // namespace payonce::sim
