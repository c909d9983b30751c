// sim/world.h: virtual time, what is going to happen in it, and what went wrong.
//
// Nothing here waits: time moves to the next action that is due. The wall clock may be told to jump
// (Fault::kClock); the steady clock never does. Owner: one simulation, one thread.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <optional>
#include <queue>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/time.h"
#include "sim/faults.h"
#include "sim/random.h"

namespace payonce::sim {

// A rule that a run has broken.
struct Violation {
  std::string rule;  // a word
  std::string what;  // a sentence
  std::int64_t at_us = 0;
};

// A line about something that happened.
using Trace = std::function<void(const std::string&)>;

class World {
 public:
  using Action = std::function<void()>;

  World(std::uint64_t seed, const FaultSet& faults, Duration busy)
      : random(seed), rates(Rates::draw(random, faults, busy)) {}

  [[nodiscard]] std::int64_t steady_us() const { return now_us_; }
  [[nodiscard]] std::int64_t wall_us() const { return kEpochUs + now_us_ + wall_offset_us_; }
  // What it would show if it had never been set back: the server's time is not after that.
  [[nodiscard]] std::int64_t wall_max_us() const { return kEpochUs + now_us_ + offset_max_us_; }
  void jump(Duration by) {
    wall_offset_us_ += by.us;
    offset_max_us_ = std::max(offset_max_us_, wall_offset_us_);
    ++jumps_;
  }
  [[nodiscard]] std::uint64_t jumps() const { return jumps_; }
  // For work that takes time and holds everything up meanwhile.
  void spend(Duration time) { now_us_ += time.us; }

  // In order of time, and of being asked for.
  void after(Duration delay, Action action);
  // Runs the next action. False: there is none before `limit`, and it is that time now.
  bool step(std::int64_t limit_us);

  // Keeps the first violation; the run ends with it.
  void violate(std::string_view rule, std::string what);
  [[nodiscard]] const std::optional<Violation>& violation() const { return violation_; }

  // What clients and others saw, in its order: the same for the same seed.
  void note(std::string_view what);
  [[nodiscard]] std::uint64_t hash() const { return hash_; }

  // Tells whoever listens what happens; `text` makes the line, and is called only then.
  void set_trace(Trace trace) { trace_ = std::move(trace); }
  template <class Text>
  void trace(Text&& text) {
    if (trace_) {
      trace_(stamp() + text());
    }
  }

  Random random;
  Rates rates;

 private:
  static constexpr std::int64_t kEpochUs = 1'800'000'000'000'000;

  struct Planned {
    std::int64_t at_us;
    std::uint64_t order;
    Action action;
  };
  struct LaterFirst {
    bool operator()(const Planned& a, const Planned& b) const {
      return a.at_us != b.at_us ? a.at_us > b.at_us : a.order > b.order;
    }
  };
  [[nodiscard]] std::string stamp() const;

  std::int64_t now_us_ = 0;
  std::int64_t wall_offset_us_ = 0;
  std::int64_t offset_max_us_ = 0;
  std::uint64_t jumps_ = 0;
  std::uint64_t next_order_ = 0;
  std::vector<Planned> plan_;  // a heap by LaterFirst
  std::optional<Violation> violation_;
  std::uint64_t hash_ = 0;
  Trace trace_;
};

}  // namespace payonce::sim
