// sim/outside.h: everybody whom the server calls, and the network between.
//
// A call travels there and back: each way it may be lost, arrive twice or late (Fault::kLoss,
// kDuplicate, kDelay), and whoever is called may be out for a while (kOutage). The caller gives up
// after its time-out and is told what the real adapters would say: that it is not known how far the
// call got, unless there was no connection. What arrives after that still has its effect. Whoever
// sends a charge once it has sent its undo is found out (no_charge_after_undo).
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

  void heal();  // nothing is out, nobody has moods
  [[nodiscard]] const Gateway& gateway() const { return gateway_; }
  // How often each notification (payment and channel) has been taken.
  [[nodiscard]] const std::map<std::string, std::uint32_t>& notified() const { return notified_; }

 private:
  enum Party : std::uint8_t { kGateway = 0, kFraud = 1, kReceivers = 2, kParties = 3 };

  [[nodiscard]] static Party party_of(const core::Effect& task);
  [[nodiscard]] core::Command carry_out(const core::Effect& task);
  [[nodiscard]] Duration travel();
  void plan_outage();

  World* world_;
  Random random_;
  Gateway gateway_;
  std::array<bool, kParties> out_{};
  bool healed_ = false;
  std::map<std::string, std::uint32_t> notified_;
  std::set<std::string> undone_;  // payments whose undo has been sent
};

}  // namespace payonce::sim
