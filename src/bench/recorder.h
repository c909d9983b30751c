// bench/recorder.h: what one run measured: outcomes, latencies, the course second by second.
//
// Latencies are those of right answers, from when the request was due to when the answer was there;
// all that the generator made a request wait for is in them. What was due during the warm-up is
// counted apart. One thread: the generator's. Times are nanoseconds of the monotonic clock.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "bench/histogram.h"
#include "bench/work.h"

namespace payonce::bench {

struct Counts {
  std::array<std::uint64_t, kOutcomes> by_outcome{};

  [[nodiscard]] std::uint64_t of(Outcome outcome) const {
    return by_outcome[static_cast<std::size_t>(outcome)];
  }
  void add(Outcome outcome, std::uint64_t count = 1) {
    by_outcome[static_cast<std::size_t>(outcome)] += count;
  }
  [[nodiscard]] std::uint64_t all() const;
  // Everything but right answers and orderly refusals.
  [[nodiscard]] std::uint64_t errors() const;
};

// One second of a run, by when answers came. Negative numbers are the warm-up.
struct Second {
  std::int64_t number = 0;
  std::uint64_t sent = 0;
  std::uint64_t done = 0;  // right answers
  std::uint64_t shed = 0;
  std::uint64_t errors = 0;
  std::uint64_t backlog = 0;  // at the end of the second: due and not sent
  std::uint64_t in_flight = 0;
  std::int64_t p50_us = 0;
  std::int64_t p99_us = 0;
  std::int64_t p999_us = 0;
  std::int64_t max_us = 0;
};

class Recorder {
 public:
  using Observer = std::function<void(const Second&)>;

  // The run starts at `start_ns`; what is due before `measured_ns` is warm-up.
  Recorder(std::int64_t start_ns, std::int64_t measured_ns, Observer observer);

  // A request became due at `due_ns`, and the generator saw that at `now_ns`.
  void due(std::int64_t due_ns, std::int64_t now_ns);
  void sent() { ++second_.sent; }
  void answered(std::int64_t due_ns, std::int64_t now_ns, Outcome outcome);
  // A request has ended without an answer.
  void failed(std::int64_t due_ns, Outcome outcome);
  // Those that still wait will have no answer: until now they were stalled.
  void give_up(std::int64_t now_ns);
  // Keeps the first wrong answer, to show it.
  void sample(const Response& response, const char* complaint);
  void tick(std::int64_t now_ns, std::uint64_t backlog, std::uint64_t in_flight);
  // The last, unfinished second.
  void finish(std::int64_t now_ns);

  [[nodiscard]] const Counts& measured() const { return measured_; }
  [[nodiscard]] const Counts& warmup() const { return warmup_; }
  [[nodiscard]] const Histogram& latency() const { return latency_; }
  [[nodiscard]] const Histogram& lateness() const { return lateness_; }
  [[nodiscard]] const std::vector<Second>& seconds() const { return seconds_; }
  // The longest time that no answer came although at least one request was due.
  [[nodiscard]] std::int64_t longest_stall_ns() const { return longest_stall_ns_; }
  // From the start of what is measured to its last answer; 0 when there is none.
  [[nodiscard]] std::int64_t answering_ns() const;
  [[nodiscard]] const std::string& first_wrong() const { return first_wrong_; }

 private:
  void count(std::int64_t due_ns, Outcome outcome);
  void close_stall(std::int64_t now_ns);
  void close_second();

  std::int64_t measured_ns_;
  std::int64_t second_ends_ns_;
  Observer observer_;
  Counts measured_;
  Counts warmup_;
  Histogram latency_;
  Histogram lateness_;  // of the generator itself: from due to noticed
  Histogram second_latency_;
  Second second_;
  std::vector<Second> seconds_;
  std::uint64_t waiting_ = 0;  // due and not ended
  std::int64_t stalled_since_ns_ = 0;
  std::int64_t longest_stall_ns_ = 0;
  std::int64_t last_answer_ns_ = 0;
  std::string first_wrong_;
};

}  // namespace payonce::bench
