#include "app/bench_command.h"

#include <cstdio>

#include "app/arguments.h"
#include "app/exit_code.h"
#include "bench/bench.h"

namespace payonce::app {
namespace {

constexpr double kSecondsMax = 86'400;
constexpr std::uint64_t kRequestsMax = 1'000'000'000;

std::int64_t to_ns(double seconds) {
  return static_cast<std::int64_t>(seconds * static_cast<double>(bench::kNsPerS));
}

Result<bench::Options> to_options(const BenchCommand& command) {
  bench::Options options = command.options;
  const auto target = bench::parse_url(command.url);
  if (!target) {
    return std::unexpected(target.error());
  }
  options.target = *target;
  if (!config::is_loopback(options.target) && !command.allow_remote) {
    return fail(Errc::kInvalid, "--url " + command.url +
                                    " is another machine; load one that is yours, with "
                                    "--allow-remote");
  }
  const auto scenario = bench::find_scenario(command.scenario);
  if (!scenario) {
    return fail(Errc::kInvalid,
                "--scenario " + command.scenario + ": there are " + bench::scenario_names());
  }
  options.scenario = *scenario;
  auto rates = bench::parse_rates(command.rates);
  if (!rates) {
    return std::unexpected(rates.error());
  }
  options.rates = std::move(*rates);
  options.duration_ns = to_ns(command.duration_s);
  options.warmup_ns = to_ns(command.warmup_s);
  options.timeout_ns = to_ns(command.timeout_s);
  options.settle_ns = to_ns(command.settle_s);
  for (const std::uint64_t rate : options.rates) {
    const double requests = static_cast<double>(rate) * (command.duration_s + command.warmup_s);
    if (requests > static_cast<double>(kRequestsMax)) {
      return fail(Errc::kInvalid,
                  "a step of more than " + std::to_string(kRequestsMax) + " requests");
    }
  }
  return options;
}

}  // namespace

void add_bench_options(CLI::App& command, BenchCommand& bench) {
  bench::Options& options = bench.options;
  const CLI::Range seconds(0.0, kSecondsMax);
  const CLI::Range some_seconds(0.001, kSecondsMax);
  command.add_option("--url", bench.url, "The server to load, http://HOST:PORT")
      ->capture_default_str();
  command.add_flag("--allow-remote", bench.allow_remote, "Load a server on another machine");
  command
      .add_option("--scenario", bench.scenario,
                  "accept: new payments. complete: the same, answered at their end. duplicates: "
                  "every tenth repeats the one before it. mixed: create, payment, events, account, "
                  "list in turn. hot-account: all on one account. hot-key: one key over and over. "
                  "batch: --count payments as fast as they are taken, until all have ended")
      ->capture_default_str();
  command
      .add_option("--rate,--rates", bench.rates,
                  "Requests per second; several with commas between them are a step each")
      ->capture_default_str();
  command.add_option("--duration", bench.duration_s, "Seconds that are measured, of each step")
      ->check(some_seconds)
      ->check(finite)
      ->capture_default_str();
  command.add_option("--warmup", bench.warmup_s, "Seconds before that, not measured")
      ->check(seconds)
      ->check(finite)
      ->capture_default_str();
  command
      .add_option("--connections", options.connections, "Connections, one request at a time each")
      ->check(CLI::Range(1, 10'000))
      ->capture_default_str();
  command
      .add_option("--backlog", options.backlog_max,
                  "Requests that may wait for a connection; more are not sent, and a fault")
      ->check(CLI::Range(1, 10'000'000))
      ->capture_default_str();
  command.add_option("--timeout", bench.timeout_s, "Seconds that an answer may take, once sent")
      ->check(some_seconds)
      ->check(finite)
      ->capture_default_str();
  command
      .add_option("--settle", bench.settle_s,
                  "Seconds after a step until no payment may be open any more")
      ->check(seconds)
      ->check(finite)
      ->capture_default_str();
  command
      .add_option("--accounts", options.accounts, "Accounts to open and to spread payments over")
      ->check(CLI::Range(1, 1'000'000))
      ->capture_default_str();
  command.add_option("--count", options.count, "Payments of the scenario batch")
      ->check(CLI::Range(1, 100'000'000))
      ->capture_default_str();
  command.add_option("--json", options.json,
                     "Append JSON lines to this file: each step and second");
  command.add_option("--svg", options.svg, "Draw percentiles and the course of time to this file");
  command.add_option("--hgrm", options.hgrm,
                     "Write percentiles as HdrHistogram's tools read them; with several rates, "
                     "FILE.RATE each");
  command.add_flag("--quiet", options.quiet, "No progress on standard error");
  command.footer(
      "Requests are sent when they are due, whatever became of those before, and latency counts "
      "from\n"
      "then: a stalled server is charged for all who would have waited. Every answer is checked, "
      "and\n"
      "afterwards the money. It leaves its accounts and payments behind: use a data directory of "
      "its\n"
      "own. Exit codes: 0 all was right, 1 something was not, or nobody answers, 2 usage.");
}

int run_bench(const BenchCommand& command) {
  const auto options = to_options(command);
  if (!options) {
    std::fprintf(stderr, "payonce: %s\n", options.error().message.c_str());
    return kExitUsage;
  }
  switch (bench::run(*options)) {
    case bench::Verdict::kGood:
      return kExitOk;
    case bench::Verdict::kBad:
      return kExitFailed;
    case bench::Verdict::kCannotWrite:
      return kExitUsage;
  }
  return kExitFailed;
}

}  // namespace payonce::app
