// sim/faults.h: what may go wrong in a simulation, and how often it does under one seed.
//
// Each seed draws which of the permitted faults happen and at which rates, so that some runs bear
// everything at once and others one fault alone, but often.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/time.h"
#include "sim/random.h"

namespace payonce::sim {

enum class Fault : std::uint8_t {
  kCrash = 0,      // the process dies, at a commit or between two
  kTorn = 1,       // of a write that a crash cut short any sectors may be there
  kIo = 2,         // a commit fails
  kFull = 3,       // the disk fills up, and has room again later
  kSlow = 4,       // a commit takes long
  kRead = 5,       // the log cannot be read for a moment
  kState = 6,      // the state is lost, or an old copy, when the process starts
  kLoss = 7,       // a message gets lost
  kDuplicate = 8,  // a message arrives twice
  kDelay = 9,      // a message takes long, and is overtaken
  kOutage = 10,    // somebody out there answers nobody for a while
  kClock = 11,     // the wall clock jumps
  kStop = 12,      // an orderly stop and start
};
inline constexpr std::size_t kFaultCount = 13;
[[nodiscard]] std::string_view name(Fault fault);

class FaultSet {
 public:
  [[nodiscard]] static FaultSet all();
  // "all", "none", or names with commas between them. Nothing for anything else.
  [[nodiscard]] static std::optional<FaultSet> parse(std::string_view text);
  [[nodiscard]] std::string text() const;

  [[nodiscard]] bool has(Fault fault) const { return bits_[static_cast<std::size_t>(fault)]; }
  [[nodiscard]] FaultSet without(Fault fault) const;
  bool operator==(const FaultSet&) const = default;

 private:
  std::array<bool, kFaultCount> bits_{};
};

// Rates in parts of a million; times between two of a kind as means. Zero: it does not happen.
struct Rates {
  Duration crash_every;
  std::uint32_t crash_at_commit = 0;
  std::uint32_t torn = 0;  // of the crashes at a commit
  std::uint32_t commit_fails = 0;
  Duration full_every;
  std::uint32_t commit_slow = 0;
  std::uint32_t read_fails = 0;  // of the reads of a whole range
  std::uint32_t state_lost = 0;  // of the starts
  std::uint32_t lost = 0;        // of the messages, each way
  std::uint32_t twice = 0;
  std::uint32_t delayed = 0;
  Duration outage_every;
  Duration clock_every;
  Duration stop_every;

  // No faults at all: what a run ends with.
  [[nodiscard]] static Rates none() { return {}; }
  // `busy`: how long there are faults. What happens now and then happens within that.
  [[nodiscard]] static Rates draw(Random& random, const FaultSet& allowed, Duration busy);
};

}  // namespace payonce::sim
