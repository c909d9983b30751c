// sim/simulator.h: a whole server under faults, on virtual time, from one seed.
//
// docs/testing/simulator.md says what it does and what it has to see. First everything happens at
// once for as many simulated days as are asked for; then the faults stop, and everything has to
// come to its end. The same seed, days and faults give the same run, to the last byte.
// Threads: none; one run at a time per directory.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "sim/faults.h"
#include "sim/world.h"

namespace payonce::sim {

struct Plan {
  std::uint64_t seed = 1;
  Duration busy = Duration::seconds(86'400);  // with faults; how long the rest takes is found out
  FaultSet faults = FaultSet::all();
  bool operator==(const Plan&) const = default;
};

struct Report {
  std::optional<Violation> violation;
  std::uint64_t hash = 0;
  Duration simulated;
  std::uint64_t answers = 0;
  std::uint64_t payments = 0;
  std::uint64_t commits = 0;
  std::uint64_t starts = 0;
  std::uint64_t crashes = 0;
  std::uint64_t rebuilds = 0;
  std::vector<std::string> trace;  // for whoever keeps it
};

// `dir` is a scratch directory of its own, made and removed by this.
[[nodiscard]] Report simulate(const Plan& plan, const std::string& dir, Trace trace = {});

// A plan that still fails, with fewer faults and less time, if there is one.
[[nodiscard]] Plan shrink(const Plan& plan, const std::function<bool(const Plan&)>& fails);

}  // namespace payonce::sim
