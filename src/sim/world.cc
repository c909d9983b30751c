#include "sim/world.h"

#include <algorithm>
#include <utility>

#include "base/ids.h"

namespace payonce::sim {

void World::after(Duration delay, Action action) {
  plan_.push_back(
      {now_us_ + std::max<std::int64_t>(delay.us, 0), next_order_++, std::move(action)});
  std::ranges::push_heap(plan_, LaterFirst{});
}

bool World::step(std::int64_t limit_us) {
  if (plan_.empty() || plan_.front().at_us > limit_us) {
    now_us_ = std::max(now_us_, limit_us);
    return false;
  }
  std::ranges::pop_heap(plan_, LaterFirst{});
  const Planned next = std::move(plan_.back());
  plan_.pop_back();
  now_us_ = std::max(now_us_, next.at_us);
  next.action();
  return true;
}

void World::violate(std::string_view rule, std::string what) {
  trace([&] { return "VIOLATION " + std::string(rule) + ": " + what; });
  if (!violation_) {
    violation_ = Violation{.rule = std::string(rule), .what = std::move(what), .at_us = now_us_};
  }
}

void World::note(std::string_view what) {
  hash_ = mix64(hash_ ^ static_cast<std::uint64_t>(now_us_));
  for (const char c : what) {
    hash_ = mix64(hash_ ^ static_cast<unsigned char>(c));
  }
}

std::string World::stamp() const { return std::to_string(now_us_ / 1000) + " ms  "; }

}  // namespace payonce::sim
