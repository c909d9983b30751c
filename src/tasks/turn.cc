// The scheduler without threads of its own: one round at a time, by whoever drives it.
#include <algorithm>
#include <limits>

#include "tasks/scheduler.h"

namespace payonce::tasks {

bool Scheduler::turn() {
  {
    const std::lock_guard lock(timer_mutex_);
    static_cast<void>(promote(clock_->now()));
  }
  bool moved = false;
  std::vector<Ready> batch;
  for (const auto& queue : queues_) {
    // What this round makes ready is for the next one.
    for (std::size_t left = queue->ready.size_approx(); left > 0; left -= batch.size()) {
      batch.resize(std::min(left, queue->options.batch_max));
      batch.resize(queue->ready.try_dequeue_bulk(batch.begin(), batch.size()));
      if (batch.empty()) {
        break;
      }
      moved = true;
      if (queue->call) {
        take(*queue, batch);
      } else {
        work_on(*queue, batch);
      }
    }
    if (queue->call) {
      settle(*queue);
      begin(*queue);
    }
  }
  return moved;
}

std::optional<Duration> Scheduler::next_due() {
  const std::lock_guard lock(timer_mutex_);
  const Timestamp now = clock_->now();
  Duration nearest{std::numeric_limits<std::int64_t>::max()};
  for (const auto& queue : queues_) {
    if (!queue->held.empty() && queue->ready_count.load() < queue->options.ready_max) {
      nearest = std::min(nearest, std::max(queue->held.front().due - now, Duration{}));
    }
  }
  return nearest.us == std::numeric_limits<std::int64_t>::max() ? std::nullopt
                                                                : std::optional(nearest);
}

}  // namespace payonce::tasks
