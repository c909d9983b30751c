// app/simulate_command.h: the command line of `payonce simulate`; the simulator is sim/simulator.h.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <optional>
#include <string>

namespace payonce::app {

// As it was typed; run_simulate() checks it.
struct SimulateCommand {
  std::optional<std::uint64_t> seed;  // none: one that has not been tried before
  double days = 1;
  std::string faults = "all";
  std::uint64_t runs = 1;  // seeds from `seed` on
  double seconds = 0;      // ends after the run in which so much time has passed; 0: no such limit
  std::size_t trace = 0;   // lines printed
  bool shrink = true;
  bool json = false;
  std::string bug = "none";
};

void add_simulate_options(CLI::App& command, SimulateCommand& simulate);

// kExitOk; kExitFailed when a rule was broken; kExitUsage.
[[nodiscard]] int run_simulate(const SimulateCommand& command);

}  // namespace payonce::app
