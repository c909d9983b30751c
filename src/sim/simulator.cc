#include "sim/simulator.h"

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <utility>

#include "sim/audit.h"
#include "sim/clients.h"
#include "sim/outside.h"
#include "sim/server.h"
#include "sim/setup.h"

namespace payonce::sim {
namespace {

// Longest that everything may take to end once nothing goes wrong any more.
constexpr Duration kPatience = Duration::seconds(std::int64_t{14} * 86'400);
constexpr Duration kLookEvery = Duration::seconds(3'600);
constexpr Duration kShortest = Duration::seconds(60);

class Run {
 public:
  Run(const Plan& plan, const std::string& dir, Trace trace)
      : plan_(plan),
        world_(plan.seed, plan.faults, plan.busy),
        setup_(Setup::draw(world_.random)),
        outside_(world_, [this](const core::RecordCallback& call) { clients_.pass_on(call); }),
        server_(world_, outside_, setup_, dir),
        clients_(world_, server_, setup_),
        audit_(world_, server_, clients_, outside_) {
    world_.set_trace(std::move(trace));
  }

  Report go() {
    server_.begin();
    clients_.begin();
    look_often();
    run_to(plan_.busy.us);
    world_.rates = Rates::none();
    server_.heal();
    outside_.heal();
    clients_.retire();
    end();
    return report();
  }

 private:
  [[nodiscard]] bool sound() const { return !world_.violation().has_value(); }
  void run_to(std::int64_t limit_us) {
    while (sound() && world_.step(limit_us)) {
    }
  }

  void look_often() {
    world_.after(std::min(kLookEvery, Duration{plan_.busy.us / 20 + 1}), [this] {
      static_cast<void>(audit_.at_any_time());
      look_often();
    });
  }

  void end() {
    const std::int64_t limit = world_.steady_us() + kPatience.us;
    std::string waits_for;
    while (sound() && !audit_.ended(waits_for)) {
      if (world_.steady_us() >= limit) {
        world_.violate("ended", "it still waits for " + waits_for);
        return;
      }
      run_to(world_.steady_us() + Duration::seconds(60).us);
    }
    if (sound()) {
      audit_.at_the_end();
    }
  }

  [[nodiscard]] Report report() {
    world_.note(std::to_string(server_.disk().last_seq()));
    const Server::Counts& counts = server_.counts();
    return {.violation = world_.violation(),
            .hash = world_.hash(),
            .simulated = Duration{world_.steady_us()},
            .answers = clients_.answers(),
            .payments = clients_.payments().size(),
            .commits = server_.disk().commits(),
            .starts = counts.starts,
            .crashes = counts.crashes,
            .rebuilds = counts.rebuilds,
            .trace = {}};
  }

  Plan plan_;
  World world_;
  Setup setup_;
  Outside outside_;
  Server server_;
  Clients clients_;
  Audit audit_;
};

}  // namespace

Report simulate(const Plan& plan, const std::string& dir, Trace trace) {
  std::error_code ignored;
  std::filesystem::remove_all(dir, ignored);
  std::filesystem::create_directories(dir, ignored);
  Report report;
  {
    Run run(plan, dir, std::move(trace));
    report = run.go();
  }
  std::filesystem::remove_all(dir, ignored);
  return report;
}

Plan shrink(const Plan& plan, const std::function<bool(const Plan&)>& fails) {
  Plan least = plan;
  const auto attempt = [&](const Plan& smaller) {
    if (smaller != least && fails(smaller)) {
      least = smaller;
      return true;
    }
    return false;
  };
  // Once more after each success: with one fault less, another may not be needed any more.
  for (bool less = true; less;) {
    less = false;
    for (std::size_t fault = 0; fault < kFaultCount; ++fault) {
      Plan smaller = least;
      smaller.faults = least.faults.without(static_cast<Fault>(fault));
      less = attempt(smaller) || less;
    }
  }
  for (Duration cut{least.busy.us / 2}; cut >= kShortest; cut.us /= 2) {
    Plan smaller = least;
    smaller.busy = std::max(Duration{least.busy.us - cut.us}, kShortest);
    while (attempt(smaller) && smaller.busy > kShortest) {
      smaller.busy = std::max(Duration{least.busy.us - cut.us}, kShortest);
    }
  }
  return least;
}

}  // namespace payonce::sim
