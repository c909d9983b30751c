#include "bench/recorder.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "bench/options.h"

namespace payonce::bench {
namespace {

constexpr std::size_t kSampleBytesMax = 300;

std::int64_t whole_seconds(std::int64_t ns) { return (ns + kNsPerS - 1) / kNsPerS; }

}  // namespace

std::uint64_t Counts::all() const {
  return std::accumulate(by_outcome.begin(), by_outcome.end(), std::uint64_t{0});
}

std::uint64_t Counts::errors() const { return all() - of(Outcome::kOk) - of(Outcome::kShed); }

Recorder::Recorder(std::int64_t start_ns, std::int64_t measured_ns, Observer observer)
    : measured_ns_(measured_ns), observer_(std::move(observer)) {
  // Seconds are counted from the start of what is measured, the warm-up's backwards.
  second_.number = -whole_seconds(measured_ns - start_ns);
  second_ends_ns_ = measured_ns + (second_.number + 1) * kNsPerS;
}

void Recorder::due(std::int64_t due_ns, std::int64_t now_ns) {
  lateness_.record_ns(now_ns - due_ns);
  if (waiting_++ == 0) {
    stalled_since_ns_ = due_ns;
  }
}

void Recorder::count(std::int64_t due_ns, Outcome outcome) {
  (due_ns < measured_ns_ ? warmup_ : measured_).add(outcome);
  if (outcome == Outcome::kShed) {
    ++second_.shed;
  } else if (outcome != Outcome::kOk) {
    ++second_.errors;
  }
  waiting_ -= waiting_ > 0 ? 1 : 0;
}

void Recorder::close_stall(std::int64_t now_ns) {
  const std::int64_t since = std::max(stalled_since_ns_, measured_ns_);
  longest_stall_ns_ = std::max(longest_stall_ns_, now_ns - since);
  stalled_since_ns_ = now_ns;
}

void Recorder::answered(std::int64_t due_ns, std::int64_t now_ns, Outcome outcome) {
  close_stall(now_ns);
  count(due_ns, outcome);
  if (due_ns >= measured_ns_) {
    last_answer_ns_ = now_ns;
  }
  if (outcome != Outcome::kOk) {
    return;
  }
  ++second_.done;
  second_latency_.record_ns(now_ns - due_ns);
  if (due_ns >= measured_ns_) {
    latency_.record_ns(now_ns - due_ns);
  }
}

void Recorder::failed(std::int64_t due_ns, Outcome outcome) { count(due_ns, outcome); }

void Recorder::give_up(std::int64_t now_ns) {
  if (waiting_ > 0) {
    close_stall(now_ns);
  }
}

void Recorder::sample(const Response& response, const char* complaint) {
  if (first_wrong_.empty()) {
    first_wrong_ = std::to_string(response.status) + " " +
                   response.body.substr(0, kSampleBytesMax) +
                   (complaint == nullptr ? "" : std::string(" (") + complaint + ")");
  }
}

void Recorder::tick(std::int64_t now_ns, std::uint64_t backlog, std::uint64_t in_flight) {
  while (now_ns >= second_ends_ns_) {
    second_.backlog = backlog;
    second_.in_flight = in_flight;
    close_second();
  }
}

void Recorder::close_second() {
  second_.p50_us = second_latency_.percentile_us(50);
  second_.p99_us = second_latency_.percentile_us(99);
  second_.p999_us = second_latency_.percentile_us(99.9);
  second_.max_us = second_latency_.max_us();
  seconds_.push_back(second_);
  if (observer_) {
    observer_(second_);
  }
  second_ = Second{.number = second_.number + 1};
  second_latency_.reset();
  second_ends_ns_ += kNsPerS;
}

void Recorder::finish(std::int64_t now_ns) {
  tick(now_ns, 0, 0);
  if (second_.sent + second_.done + second_.shed + second_.errors > 0) {
    close_second();
  }
}

std::int64_t Recorder::answering_ns() const {
  return std::max<std::int64_t>(0, last_answer_ns_ - measured_ns_);
}

}  // namespace payonce::bench
