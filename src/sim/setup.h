// sim/setup.h: how the simulated server is configured under one seed, and how busy it is.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>

#include "core/payment/model.h"
#include "engine/checkpointer.h"
#include "engine/engine.h"
#include "sim/random.h"

namespace payonce::sim {

struct Setup {
  engine::Limits limits;
  engine::CheckpointPolicy checkpoint;
  std::chrono::milliseconds retention{0};
  std::size_t calls_max = 64;    // gateway and fraud calls in flight, each
  bool at_once = false;          // those calls are answered at once, as by the mocks in the process
  std::size_t notify_max = 100;  // notifications of a channel in memory
  std::size_t timers_max = 100;

  std::uint32_t accounts = 5;
  Duration payment_every;   // mean, while it is busy
  std::uint32_t burst = 1;  // payments at once, at most
  core::PaymentRules rules;
  bool fraud_manual = false;  // some checks wait for a person

  [[nodiscard]] static Setup draw(Random& random);
};

// What all accounts are in.
[[nodiscard]] inline Currency usd() { return *Currency::find("USD"); }

}  // namespace payonce::sim
