#include "app/simulate_command.h"

#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <limits>
#include <random>
#include <system_error>

#include "app/arguments.h"
#include "app/exit_code.h"
#include "app/simulate_apart.h"
#include "base/planted.h"
#include "http/json_writer.h"
#include "sim/simulator.h"

namespace payonce::app {
namespace {

constexpr double kDayUs = 86'400e6;
constexpr double kYearDays = 365.25;
constexpr std::size_t kTraceOfFailure = 200;
constexpr std::uint64_t kRunsMax = 1'000'000'000;
constexpr double kSecondsMax = 1e9;

void print_line(const std::string& line) {
  std::fprintf(stdout, "%s\n", line.c_str());
  std::fflush(stdout);  // whoever runs it for hours wants to see how far it is
}

std::uint64_t fresh_seed() {
  std::random_device device;
  return (std::uint64_t{device()} << 32) | device();
}

// In memory where there is a place for that: the simulated disk syncs nothing.
std::string scratch() {
  std::error_code trouble;
  const bool memory =
      std::filesystem::is_directory("/dev/shm", trouble) && ::access("/dev/shm", W_OK) == 0;
  const std::string below =
      memory ? "/dev/shm" : std::filesystem::temp_directory_path(trouble).string();
  return below + "/payonce-simulate-" + std::to_string(::getpid());
}

std::string duration_text(Duration simulated) {
  const double seconds = static_cast<double>(simulated.us) / 1e6;
  if (seconds < 120) {
    return fmt::format("{:.1f} s", seconds);
  }
  if (seconds < 2 * 3600) {
    return fmt::format("{:.1f} m", seconds / 60);
  }
  return seconds < 2 * 86'400 ? fmt::format("{:.1f} h", seconds / 3600)
                              : fmt::format("{:.1f} d", seconds / 86'400);
}

std::string replay_command(const sim::Plan& plan) {
  std::string command = fmt::format("payonce simulate --seed {} --days {} --faults {}", plan.seed,
                                    static_cast<double>(plan.busy.us) / kDayUs, plan.faults.text());
#ifdef PAYONCE_PLANTED_BUGS
  command += fmt::format(" --bug {}", kBugNames[static_cast<std::size_t>(planted_bug)]);
#endif
  return command;
}

// CLI11 makes a large number of "-1".
std::string seed_text(const std::string& text) {
  std::uint64_t seed = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seed);
  return error == std::errc{} && end == text.data() + text.size()
             ? std::string()
             : "a seed is a whole number below 2^64";
}

// Of all runs together.
struct Total {
  std::uint64_t runs = 0;
  std::uint64_t failed = 0;
  Duration simulated;
  double seconds = 0;

  [[nodiscard]] double times_real() const {
    return seconds > 0 ? static_cast<double>(simulated.us) / 1e6 / seconds : 0;
  }
  [[nodiscard]] double years_per_hour() const { return times_real() / 24 / kYearDays; }
};

void print_run(const sim::Plan& plan, const sim::Report& report) {
  print_line(fmt::format("seed: {}", plan.seed));
  print_line("faults: " + plan.faults.text());
  print_line("simulated: " + duration_text(report.simulated));
  print_line(fmt::format("payments: {}", report.payments));
  print_line(fmt::format("answers: {}", report.answers));
  print_line(fmt::format("commits: {}", report.commits));
  print_line(fmt::format("starts: {}, {} after a crash, {} with a state that was lost",
                         report.starts, report.crashes, report.rebuilds));
  print_line(fmt::format("hash: {:016x}", report.hash));
  if (report.violation) {
    print_line(fmt::format("violation: {}: {}", report.violation->rule, report.violation->what));
  }
}

void print_json(const sim::Plan& plan, const sim::Report& report, double seconds) {
  http::JsonWriter json;
  json.begin_object();
  json.member("seed", plan.seed);
  json.member("faults", plan.faults.text());
  json.member("simulated_s", static_cast<std::uint64_t>(report.simulated.us / 1'000'000));
  json.member("wall_ms", static_cast<std::uint64_t>(seconds * 1e3));
  json.member("payments", report.payments);
  json.member("answers", report.answers);
  json.member("commits", report.commits);
  json.member("starts", report.starts);
  json.member("crashes", report.crashes);
  json.member("hash", fmt::format("{:016x}", report.hash));
  if (report.violation) {
    json.member("rule", report.violation->rule);
    json.member("violation", report.violation->what);
    json.member("replay", replay_command(plan));
  }
  json.end_object();
  print_line(json.take());
}

// The smallest run that still breaks the rule, and how it came to that.
void explain(const sim::Plan& plan, const sim::Violation& violation, const std::string& dir) {
  const sim::Plan least = sim::shrink(plan, [&](const sim::Plan& smaller) {
    const auto report = simulate_apart(smaller, dir, 0);
    return report && report->violation && report->violation->rule == violation.rule;
  });
  print_line("replay: " + replay_command(least));
  if (const auto report = simulate_apart(least, dir, kTraceOfFailure)) {
    if (report->violation) {
      print_line("shrunk: " + report->violation->rule + ": " + report->violation->what);
    }
    for (const std::string& line : report->trace) {
      print_line("  " + line);
    }
  }
}

bool plant([[maybe_unused]] const std::string& name) {
#ifdef PAYONCE_PLANTED_BUGS
  const auto found = std::ranges::find(kBugNames, name);
  planted_bug = static_cast<Bug>(found - kBugNames.begin());
  return found != kBugNames.end();
#else
  return true;
#endif
}

}  // namespace

void add_simulate_options(CLI::App& command, SimulateCommand& simulate) {
  command.add_option("--seed", simulate.seed, "Seed of the first run; fresh if there is none")
      ->check(seed_text);
  command.add_option("--days", simulate.days, "Simulated days with faults")
      ->check(CLI::Range(0.0001, 3650.0))
      ->check(finite);
  command.add_option("--faults", simulate.faults,
                     "all, none, or of crash,torn,io,full,slow,read,state,loss,duplicate,delay,"
                     "outage,clock,stop");
  command.add_option("--runs", simulate.runs, "Runs, each with the next seed")
      ->check(CLI::Range(std::uint64_t{1}, kRunsMax));
  command.add_option("--seconds", simulate.seconds, "No further run after so much time")
      ->check(CLI::Range(0.0, kSecondsMax))
      ->check(finite);
  command.add_option("--trace", simulate.trace, "Print so many of the last lines of what happened");
  command.add_flag("--shrink,!--no-shrink", simulate.shrink,
                   "Look for a smaller run that fails as well");
  if (kPlantedBugs) {
    command.add_option("--bug", simulate.bug, "A mistake to build in (base/planted.h)");
  }
  command.add_flag("--json", simulate.json, "Print JSON, a line for each run");
}

int run_simulate(const SimulateCommand& command) {
  const auto faults = sim::FaultSet::parse(command.faults);
  if (!faults) {
    std::fprintf(stderr, "payonce: --faults: %s is no list of faults\n", command.faults.c_str());
    return kExitUsage;
  }
  if (!plant(command.bug)) {
    std::fprintf(stderr, "payonce: --bug: there is no %s\n", command.bug.c_str());
    return kExitUsage;
  }
  const std::string dir = scratch();
  sim::Plan plan{.seed = command.seed.value_or(fresh_seed()),
                 .busy = Duration{std::llround(command.days * kDayUs)},
                 .faults = *faults};
  Total total;
  const std::uint64_t runs = command.seconds > 0 && command.runs == 1
                                 ? std::numeric_limits<std::uint64_t>::max()
                                 : command.runs;
  if (runs > 1 && !command.json) {
    print_line(fmt::format("first seed: {}", plan.seed));  // before a run that may never end
  }
  for (; total.runs < runs; ++plan.seed) {
    const auto begun = std::chrono::steady_clock::now();
    const auto run = simulate_apart(plan, dir, command.trace);
    if (!run) {
      std::fprintf(stderr, "payonce: %s\n", run.error().message.c_str());
      return kExitFailed;
    }
    const sim::Report& report = *run;
    const double seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
    ++total.runs;
    total.simulated.us += report.simulated.us;
    total.seconds += seconds;
    for (const std::string& line : report.trace) {
      print_line(line);
    }
    if (command.json) {
      print_json(plan, report, seconds);
    } else if (runs == 1 || report.violation) {
      print_run(plan, report);
    }
    if (report.violation) {
      ++total.failed;
      if (command.shrink && !command.json) {
        explain(plan, *report.violation, dir);
      }
      break;
    }
    if (command.seconds > 0 && total.seconds >= command.seconds) {
      break;
    }
  }
  if (!command.json) {
    print_line(fmt::format("runs: {}, {} failed", total.runs, total.failed));
    print_line(fmt::format("speed: {:.0f} times real time, {:.2f} simulated years per hour",
                           total.times_real(), total.years_per_hour()));
  }
  return total.failed == 0 ? kExitOk : kExitFailed;
}

}  // namespace payonce::app
