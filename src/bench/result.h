// bench/result.h: what became of one step, and whether anything is wrong with it. Values.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "bench/options.h"
#include "bench/recorder.h"

namespace payonce::bench {

// The state of the money after a step. Payments of the step, not amounts.
struct Audit {
  bool done = false;            // the server answered all that had to be asked
  std::uint64_t accepted = 0;   // different payments whose acceptance was answered
  std::uint64_t uncertain = 0;  // sent and never answered: may have been taken or not
  std::int64_t taken = 0;       // what the accounts have lost
  std::int64_t held = 0;        // of that, by payments that have not ended
  std::uint64_t open = 0;       // payments that have not ended, as the server counts them
  bool balanced = false;
};

struct StepResult {
  Scenario scenario = Scenario::kAccept;
  std::uint64_t rate = 0;      // asked for; 0: as fast as the connections take them
  std::uint64_t requests = 0;  // asked for, without those of the warm-up
  std::uint64_t connections = 0;
  std::int64_t duration_ns = 0;  // of what is measured: as asked for, or of the closed loop
  std::int64_t warmup_ns = 0;
  std::string started_at;  // RFC 3339

  Counts measured;
  Counts warmup;
  Histogram latency;
  std::int64_t lateness_p99_us = 0;  // of the generator itself
  std::int64_t lateness_max_us = 0;
  std::vector<Second> seconds;
  std::int64_t longest_stall_ns = 0;
  std::int64_t answering_ns = 0;
  std::int64_t settle_ns = 0;  // from the last answer until no payment was open
  std::string first_wrong;
  Audit audit;

  std::vector<std::string> complaints;  // empty: all is well
};

// Right answers per second, over the time that was asked for or that it took, whichever is longer.
[[nodiscard]] double achieved_rate(const StepResult& step);

// Everything that is wrong with what was answered and with the money, one sentence each. Refusals
// with 503 and Retry-After are no fault; a run without any right answer is one.
[[nodiscard]] std::vector<std::string> find_faults(const StepResult& step);

}  // namespace payonce::bench
