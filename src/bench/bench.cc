#include "bench/bench.h"

#include <sys/prctl.h>

#include <chrono>
#include <cstdio>
#include <cstring>
#include <memory>
#include <optional>

#include "base/time.h"
#include "bench/books.h"
#include "bench/generator.h"
#include "bench/payments.h"
#include "bench/progress.h"
#include "bench/report.h"
#include "bench/svg.h"

namespace payonce::bench {
namespace {

constexpr std::int64_t kLeadNs = 20 * kNsPerMs;  // from the decision to start to the first request
constexpr std::int64_t kBatchLimitNs = 600 * kNsPerS;

struct FileCloser {
  void operator()(std::FILE* file) const { std::fclose(file); }
};
using File = std::unique_ptr<std::FILE, FileCloser>;

void print(const std::string& text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
}

void complain(const std::string& text) { std::fprintf(stderr, "payonce: %s\n", text.c_str()); }

std::int64_t wall_clock_us() {
  return std::chrono::duration_cast<std::chrono::microseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

// What is written besides the table. Files are opened before the load, so that it is not in vain.
class Files {
 public:
  // False after a complaint.
  bool open(const Options& options) {
    bool good = open_one(options.json, "a", json_) && open_one(options.svg, "w", svg_);
    for (std::size_t i = 0; good && !options.hgrm.empty() && i < options.rates.size(); ++i) {
      const std::string suffix =
          options.rates.size() == 1 ? "" : "." + std::to_string(options.rates[i]);
      good = open_one(options.hgrm + suffix, "w", hgrm_.emplace_back());
    }
    return good;
  }
  bool write_step(const StepResult& step, std::size_t number) {
    return write(json_, render_json(step)) &&
           (number >= hgrm_.size() || step.latency.print(hgrm_[number].get()));
  }
  bool write_drawing(const std::string& title, const std::vector<StepResult>& steps) {
    return !svg_ || write(svg_, render_svg(title, steps));
  }

 private:
  static bool open_one(const std::string& path, const char* mode, File& file) {
    if (path.empty()) {
      return true;
    }
    file.reset(std::fopen(path.c_str(), mode));
    if (!file) {
      complain("cannot write " + path + ": " + std::strerror(errno));
    }
    return file != nullptr;
  }
  static bool write(const File& file, const std::string& text) {
    return !file || (std::fwrite(text.data(), 1, text.size(), file.get()) == text.size() &&
                     std::fflush(file.get()) == 0);
  }

  File json_;
  File svg_;
  std::vector<File> hgrm_;
};

// One server, its accounts, and the steps of the load.
class Bench {
 public:
  explicit Bench(const Options& options)
      : options_(&options),
        host_(config::to_string(options.target)),
        tag_("bench-" + std::to_string(wall_clock_us()) + "-"),
        accounts_(options.scenario == Scenario::kHotAccount || options.scenario == Scenario::kHotKey
                      ? 1
                      : options.accounts),
        generator_(options.target, {.connections = options.connections,
                                    .backlog_max = options.backlog_max,
                                    .timeout_ns = options.timeout_ns}),
        books_(generator_, host_, tag_ + "a", accounts_) {}

  Result<void> prepare() {
    if (auto connected = generator_.connect(); !connected) {
      return connected;
    }
    return books_.open_accounts();
  }

  // The server is out of reach when the step has no audit.
  StepResult step(std::size_t number, std::uint64_t rate, Progress& progress);

 private:
  Result<void> load(Payments& payments, Recorder& recorder, std::int64_t start_ns,
                    StepResult& result);
  Result<void> audit(const Payments& payments, std::int64_t taken_before, StepResult& result);

  const Options* options_;
  std::string host_;
  std::string tag_;
  std::uint64_t accounts_;
  Generator generator_;
  Books books_;
  std::int64_t taken_ = 0;  // by the steps so far
};

Result<void> Bench::load(Payments& payments, Recorder& recorder, std::int64_t start_ns,
                         StepResult& result) {
  Pace pace{.rate = result.rate, .count = result.requests, .limit_ns = kBatchLimitNs};
  if (result.rate > 0) {
    pace.count += requests_in(result.rate, result.warmup_ns);
  }
  auto ran = generator_.run(payments, pace, start_ns, recorder);
  result.measured = recorder.measured();
  result.warmup = recorder.warmup();
  result.latency.add(recorder.latency());
  result.lateness_p99_us = recorder.lateness().percentile_us(99);
  result.lateness_max_us = recorder.lateness().max_us();
  result.seconds = recorder.seconds();
  result.longest_stall_ns = recorder.longest_stall_ns();
  result.answering_ns = recorder.answering_ns();
  result.first_wrong = recorder.first_wrong();
  if (result.rate == 0) {
    result.duration_ns = result.answering_ns;
  }
  return ran;
}

Result<void> Bench::audit(const Payments& payments, std::int64_t taken_before, StepResult& result) {
  const std::int64_t begin_ns = monotonic_ns();
  const auto open = books_.settle(options_->settle_ns);
  result.settle_ns = monotonic_ns() - begin_ns;
  if (!open) {
    return std::unexpected(open.error());
  }
  const auto money = books_.money();
  if (!money) {
    return std::unexpected(money.error());
  }
  const auto balanced = books_.balanced();
  if (!balanced) {
    return std::unexpected(balanced.error());
  }
  taken_ = money->taken;
  result.audit = {.done = true,
                  .accepted = payments.accepted(),
                  .uncertain = payments.uncertain(),
                  .taken = money->taken - taken_before,
                  .held = money->held,
                  .open = *open,
                  .balanced = *balanced};
  return {};
}

StepResult Bench::step(std::size_t number, std::uint64_t rate, Progress& progress) {
  StepResult result;
  result.scenario = options_->scenario;
  result.connections = options_->connections;
  result.rate = rate;
  result.requests = options_->count;
  if (rate > 0) {
    result.duration_ns = options_->duration_ns;
    result.warmup_ns = options_->warmup_ns;
    result.requests = requests_in(rate, options_->duration_ns);
  }
  result.started_at = format_rfc3339(Timestamp{wall_clock_us()});
  Payments payments(
      options_->scenario,
      {.host = host_, .accounts = tag_ + "a", .step = tag_ + "s" + std::to_string(number) + "-"},
      accounts_);
  const std::int64_t start_ns = monotonic_ns() + (rate > 0 ? kLeadNs : 0);
  Recorder recorder(start_ns, start_ns + result.warmup_ns,
                    [&](const Second& second) { progress.show(second); });
  const auto loaded = load(payments, recorder, start_ns, result);
  progress.clear();
  const auto audited = loaded ? audit(payments, taken_, result) : loaded;
  result.complaints = find_faults(result);
  if (!audited) {
    result.complaints.insert(result.complaints.begin(),
                             audited.error().message + "; the money could not be checked");
  }
  return result;
}

std::string title_of(const Options& options) {
  return "payonce bench: " + std::string(name(options.scenario)) + ", " +
         std::to_string(options.connections) + " connections";
}

}  // namespace

Verdict run(const Options& options) {
  Files files;
  if (!files.open(options)) {
    return Verdict::kCannotWrite;
  }
  // Sleeps end when they should, not up to 50 µs later.
  ::prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
  Bench bench(options);
  if (const auto prepared = bench.prepare(); !prepared) {
    complain(prepared.error().message);
    return Verdict::kBad;
  }
  print(render_intent(options) + render_header());
  Progress progress(Progress::fitting(options.quiet));
  std::vector<StepResult> steps;
  std::vector<std::uint64_t> rates = options.rates;
  if (options.scenario == Scenario::kBatch) {
    rates = {0};
  }
  bool written = true;
  for (std::size_t i = 0; i < rates.size(); ++i) {
    const StepResult& step = steps.emplace_back(bench.step(i, rates[i], progress));
    print(render_row(step) + render_notes(step));
    written = files.write_step(step, i) && written;
    if (!step.audit.done) {  // nobody is there to load any more
      if (i + 1 < rates.size()) {
        print("          the steps after it are left out\n");
      }
      break;
    }
  }
  written = files.write_drawing(title_of(options), steps) && written;
  bool good = written && steps.size() == rates.size();
  for (const StepResult& step : steps) {
    for (const std::string& complaint : step.complaints) {
      print("FAULT at " +
            (step.rate == 0 ? std::string("full speed") : std::to_string(step.rate) + "/s") + ": " +
            complaint + "\n");
      good = false;
    }
  }
  if (!written) {
    complain("not all results could be written");
  }
  print(good ? "good: every answer was right, every payment took its money once\n"
             : "BAD: see the faults above\n");
  return good ? Verdict::kGood : Verdict::kBad;
}

}  // namespace payonce::bench
