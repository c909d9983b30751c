#include "sim/faults.h"

#include <algorithm>

namespace payonce::sim {
namespace {

constexpr std::array<std::string_view, kFaultCount> kNames{
    "crash", "torn",      "io",    "full",   "slow",  "read", "state",
    "loss",  "duplicate", "delay", "outage", "clock", "stop"};

// The mean time between two of a kind: from some minutes, or less in a short run, to all of it.
Duration now_and_then(Random& random, Duration busy, std::int64_t shortest_s) {
  const std::int64_t low =
      std::min(Duration::seconds(shortest_s).us, std::max<std::int64_t>(busy.us / 20, 1));
  return Duration{random.between(low, std::max(busy.us, low))};
}

std::uint32_t ppm(Random& random, std::int64_t low, std::int64_t high) {
  return static_cast<std::uint32_t>(random.between(low, high));
}

}  // namespace

std::string_view name(Fault fault) { return kNames[static_cast<std::size_t>(fault)]; }

FaultSet FaultSet::all() {
  FaultSet set;
  set.bits_.fill(true);
  return set;
}

std::optional<FaultSet> FaultSet::parse(std::string_view text) {
  if (text == "all") {
    return all();
  }
  FaultSet set;
  if (text == "none") {
    return set;
  }
  while (true) {
    const std::size_t comma = text.find(',');
    const auto found = std::ranges::find(kNames, text.substr(0, comma));
    if (found == kNames.end()) {
      return std::nullopt;
    }
    set.bits_[static_cast<std::size_t>(found - kNames.begin())] = true;
    if (comma == std::string_view::npos) {
      return set;
    }
    text.remove_prefix(comma + 1);
  }
}

std::string FaultSet::text() const {
  if (*this == all()) {
    return "all";
  }
  std::string out;
  for (std::size_t i = 0; i < kFaultCount; ++i) {
    if (bits_[i]) {
      out.append(out.empty() ? "" : ",").append(kNames[i]);
    }
  }
  return out.empty() ? "none" : out;
}

FaultSet FaultSet::without(Fault fault) const {
  FaultSet less = *this;
  less.bits_[static_cast<std::size_t>(fault)] = false;
  return less;
}

// All is drawn whether it is allowed or not: so taking one fault away leaves the others as they
// are, which is what makes a failing run small.
Rates Rates::draw(Random& random, const FaultSet& allowed, Duration busy) {
  const auto happens = [&](Fault fault) { return random.chance(75) && allowed.has(fault); };
  Rates rates;
  const auto set = [&](Fault fault, auto& field, auto value) {
    if (happens(fault)) {
      field = value;
    }
  };
  set(Fault::kCrash, rates.crash_every, now_and_then(random, busy, 60));
  set(Fault::kCrash, rates.crash_at_commit, ppm(random, 10, 5'000));
  set(Fault::kTorn, rates.torn, ppm(random, 800'000, 1'000'000));
  set(Fault::kIo, rates.commit_fails, static_cast<std::uint32_t>(random.magnitude(100'000)));
  set(Fault::kFull, rates.full_every, now_and_then(random, busy, 3'600));
  set(Fault::kSlow, rates.commit_slow, ppm(random, 100, 20'000));
  set(Fault::kRead, rates.read_fails, static_cast<std::uint32_t>(random.magnitude(100'000)));
  set(Fault::kState, rates.state_lost, ppm(random, 10'000, 200'000));
  set(Fault::kLoss, rates.lost, ppm(random, 1'000, 300'000));
  set(Fault::kDuplicate, rates.twice, ppm(random, 1'000, 500'000));
  set(Fault::kDelay, rates.delayed, ppm(random, 1'000, 300'000));
  set(Fault::kOutage, rates.outage_every, now_and_then(random, busy, 600));
  set(Fault::kClock, rates.clock_every, now_and_then(random, busy, 600));
  set(Fault::kStop, rates.stop_every, now_and_then(random, busy, 600));
  return rates;
}

}  // namespace payonce::sim
