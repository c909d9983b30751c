#include "bench/result.h"

#include <fmt/format.h>

#include <algorithm>

namespace payonce::bench {
namespace {

void check_answers(const StepResult& step, std::vector<std::string>& faults) {
  Counts all = step.measured;
  for (std::size_t i = 0; i < kOutcomes; ++i) {
    all.by_outcome[i] += step.warmup.by_outcome[i];
  }
  const auto complain = [&](Outcome outcome, const char* what) {
    if (const std::uint64_t count = all.of(outcome); count > 0) {
      faults.push_back(fmt::format("{} requests {}", count, what));
    }
  };
  complain(Outcome::kWrong, "were answered wrongly");
  if (!step.first_wrong.empty()) {
    faults.back().append(", the first with ").append(step.first_wrong);
  }
  complain(Outcome::kSocketError, "lost their connection");
  complain(Outcome::kTimeout, "were not answered in time");
  complain(Outcome::kNotSent, "were due and never sent");
  if (all.of(Outcome::kOk) == 0) {
    faults.emplace_back("no request was answered rightly");
  }
  if (step.rate == 0 && all.of(Outcome::kOk) < step.requests) {
    faults.push_back(
        fmt::format("{} of {} payments were accepted", all.of(Outcome::kOk), step.requests));
  }
}

void check_money(const Audit& audit, std::vector<std::string>& faults) {
  const auto least = static_cast<std::int64_t>(audit.accepted);
  const auto most = least + static_cast<std::int64_t>(audit.uncertain);
  if (audit.taken < least || audit.taken > most) {
    const std::string expected =
        least == most ? fmt::format("{}", least) : fmt::format("{} to {}", least, most);
    faults.push_back(
        fmt::format("{} payments were taken from the accounts, and {} should have been",
                    audit.taken, expected));
  }
  if (audit.held > 0 || audit.open > 0) {
    faults.push_back(
        fmt::format("{} payments still hold money, {} are open", audit.held, audit.open));
  }
  if (!audit.balanced) {
    faults.emplace_back("GET /v1/ledger does not say that the ledger is balanced");
  }
}

}  // namespace

double achieved_rate(const StepResult& step) {
  const std::int64_t ns = std::max({step.duration_ns, step.answering_ns, std::int64_t{1}});
  return static_cast<double>(step.measured.of(Outcome::kOk)) * static_cast<double>(kNsPerS) /
         static_cast<double>(ns);
}

std::vector<std::string> find_faults(const StepResult& step) {
  std::vector<std::string> faults;
  check_answers(step, faults);
  if (step.audit.done) {
    check_money(step.audit, faults);
  }
  return faults;
}

}  // namespace payonce::bench
