#include "bench/report.h"

#include <fmt/format.h>

#include <cmath>

namespace payonce::bench {
namespace {

constexpr std::int64_t kUsInMs = 1'000;
constexpr std::int64_t kUsInS = 1'000'000;
// A generator that is later than that itself has no right to blame the server.
constexpr std::int64_t kLateUs = kUsInMs;

double seconds_of(std::int64_t ns) { return static_cast<double>(ns) / kNsPerS; }

std::string scaled(std::int64_t us, std::int64_t unit, const char* name) {
  const double value = static_cast<double>(us) / static_cast<double>(unit);
  const int digits = value < 10 ? 2 : value < 100 ? 1 : 0;
  return fmt::format("{:.{}f} {}", value, digits, name);
}

constexpr const char* kRow =
    "{:>9} {:>10} {:>11} {:>9} {:>8}  {:>8} {:>8} {:>8} {:>8} {:>8} {:>8}  {:>8}\n";

}  // namespace

std::uint64_t rounded(double value) { return static_cast<std::uint64_t>(std::llround(value)); }

std::string format_us(std::int64_t us) {
  if (us < kUsInMs) {
    return fmt::format("{} µs", us);
  }
  return us < kUsInS ? scaled(us, kUsInMs, "ms") : scaled(us, kUsInS, "s");
}

std::string format_count(std::uint64_t count) {
  std::string text = std::to_string(count);
  for (std::size_t at = text.size(); at > 3;) {
    at -= 3;
    text.insert(at, ",");
  }
  return text;
}

std::string render_intent(const Options& options) {
  std::string text = fmt::format("{} on http://{}, {} connections, ", name(options.scenario),
                                 config::to_string(options.target), options.connections);
  if (options.scenario == Scenario::kBatch) {
    return text + format_count(options.count) + " payments as fast as they are taken\n";
  }
  return text + fmt::format(
                    "each rate for {:g} s after {:g} s of warm-up; latency from when a "
                    "request was due\n",
                    seconds_of(options.duration_ns), seconds_of(options.warmup_ns));
}

std::string render_header() {
  return fmt::format(fmt::runtime(kRow), "asked/s", "achieved/s", "ok", "shed", "errors", "p50",
                     "p90", "p99", "p99.9", "p99.99", "max", "stall");
}

std::string render_row(const StepResult& step) {
  const Histogram& latency = step.latency;
  const auto at = [&](double percent) {
    return latency.count() == 0 ? std::string("-") : format_us(latency.percentile_us(percent));
  };
  return fmt::format(
      fmt::runtime(kRow), step.rate == 0 ? "most" : format_count(step.rate),
      format_count(rounded(achieved_rate(step))), format_count(step.measured.of(Outcome::kOk)),
      format_count(step.measured.of(Outcome::kShed)), format_count(step.measured.errors()), at(50),
      at(90), at(99), at(99.9), at(99.99), at(100), format_us(step.longest_stall_ns / kNsPerUs));
}

std::string render_notes(const StepResult& step) {
  std::string text;
  if (step.measured.errors() > 0) {
    text += fmt::format(
        "          errors: {} wrong answers, {} broken connections, {} time-outs, {} not sent\n",
        format_count(step.measured.of(Outcome::kWrong)),
        format_count(step.measured.of(Outcome::kSocketError)),
        format_count(step.measured.of(Outcome::kTimeout)),
        format_count(step.measured.of(Outcome::kNotSent)));
  }
  if (step.warmup.errors() + step.warmup.of(Outcome::kShed) > 0) {
    text += fmt::format("          in the warm-up: {} shed, {} errors\n",
                        format_count(step.warmup.of(Outcome::kShed)),
                        format_count(step.warmup.errors()));
  }
  if (step.lateness_p99_us > kLateUs) {
    text += fmt::format(
        "          the generator itself was late: p99 {}, at most {}; it needs more "
        "of the processor\n",
        format_us(step.lateness_p99_us), format_us(step.lateness_max_us));
  }
  const Audit& audit = step.audit;
  if (!audit.done) {
    return text;
  }
  if (step.rate == 0) {
    const double accepting = seconds_of(step.duration_ns);
    const double finishing = seconds_of(step.duration_ns + step.settle_ns);
    const auto count = static_cast<double>(audit.accepted);
    text += fmt::format(
        "          all accepted after {:.3f} s ({:.0f}/s), all finished after {:.3f} s "
        "({:.0f}/s)\n",
        accepting, count / accepting, finishing, count / finishing);
  }
  return text + fmt::format(
                    "          {} payments accepted, {} taken, {} open {:.2f} s after the "
                    "last answer; the ledger is {}\n",
                    format_count(audit.accepted), audit.taken, audit.open,
                    seconds_of(step.settle_ns), audit.balanced ? "balanced" : "NOT balanced");
}

std::string render_progress(const Second& second) {
  const std::string when =
      second.number < 0 ? std::string("warm-up") : fmt::format("{:>5} s", second.number + 1);
  const auto latency = [&](std::int64_t us) {
    return second.done == 0 ? std::string("-") : format_us(us);
  };
  return fmt::format(
      "{}  sent {}/s  done {}/s  p50 {}  p99 {}  max {}  backlog {}  shed {}  errors {}", when,
      format_count(second.sent), format_count(second.done), latency(second.p50_us),
      latency(second.p99_us), latency(second.max_us), format_count(second.backlog),
      format_count(second.shed), format_count(second.errors));
}

}  // namespace payonce::bench
