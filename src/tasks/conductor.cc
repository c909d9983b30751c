// The worker of a queue whose call is asynchronous: it starts calls and settles those that have
// come to their end, and waits for neither. Ready tasks come to it through the queue, as to any
// worker; so does word that calls have ended: an effect that is no task.
#include <array>
#include <span>
#include <utility>
#include <variant>

#include "base/assert.h"
#include "tasks/scheduler.h"

namespace payonce::tasks {
namespace {

constexpr std::size_t kTakenAtOnce = 64;

}  // namespace

void Scheduler::conduct(Queue& queue) {
  std::array<Ready, kTakenAtOnce> batch;
  while (true) {
    const std::size_t count = queue.ready.wait_dequeue_bulk(batch.begin(), batch.size());
    take(queue, std::span(batch).first(count));
    const bool stopping = stopping_.load(std::memory_order_acquire);
    settle(queue);
    if (!stopping) {
      begin(queue);
    } else if (queue.in_flight == 0) {
      return;
    }
  }
}

void Scheduler::take(Queue& queue, std::span<Ready> batch) {
  for (Ready& ready : batch) {
    if (!std::holds_alternative<core::WorkflowEnded>(ready.task)) {
      queue.taken.push_back(std::move(ready));
    }
  }
}

// Starts what there is room for, in order. A task whose charge has its turn goes behind that.
void Scheduler::begin(Queue& queue) {
  while (queue.in_flight < queue.options.calls_max && !queue.taken.empty()) {
    std::vector<core::Effect> tasks;
    std::vector<std::string> charges;
    while (queue.in_flight + tasks.size() < queue.options.calls_max && !queue.taken.empty()) {
      Ready ready = std::move(queue.taken.front());
      queue.taken.pop_front();
      leave_ready(queue, 1, ready.since);
      std::string charge = charge_of(ready.task);
      if (!charge.empty() && !take_turn(queue, charge, ready)) {
        queue.running.fetch_sub(1);
        continue;
      }
      tasks.push_back(std::move(ready.task));
      charges.push_back(std::move(charge));
    }
    if (!tasks.empty()) {
      begin_calls(queue, tasks, std::move(charges));
    }
  }
}

void Scheduler::begin_calls(Queue& queue, std::span<const core::Effect> tasks,
                            std::vector<std::string> charges) {
  const std::vector<bool> wanted = ask_wanted(tasks);
  for (std::size_t i = 0; i < tasks.size(); ++i) {
    if (wanted[i]) {
      ++queue.in_flight;
      queue.call(tasks[i], [&queue, charge = std::move(charges[i])](
                               std::optional<core::Command> result) mutable {
        end(queue, {std::move(charge), std::move(result)});
      });
    } else {
      if (!charges[i].empty()) {
        pass_turn(queue, charges[i]);
      }
      pending_.fetch_sub(queue.counted() ? 1 : 0, std::memory_order_relaxed);
      queue.running.fetch_sub(1);
    }
  }
}

// By whichever thread has the result. The conductor is told once for all that it has not seen yet;
// with the lock held, since the queue may be gone as soon as it has seen the last of them.
void Scheduler::end(Queue& queue, Ended ended) {
  const std::lock_guard lock(queue.ended_mutex);
  queue.ended.push_back(std::move(ended));
  if (queue.ended.size() == 1) {
    const bool queued = queue.ready.enqueue(Ready{.task = core::WorkflowEnded{}, .since = {}});
    PAYONCE_ASSERT(queued);  // fails only when memory is exhausted
  }
}

// Hands over the results of what has ended, and only then passes the turns on.
void Scheduler::settle(Queue& queue) {
  std::vector<Ended> ended;
  {
    const std::lock_guard lock(queue.ended_mutex);
    ended.swap(queue.ended);
  }
  if (ended.empty()) {
    return;
  }
  std::vector<core::Command> results;
  for (Ended& one : ended) {
    if (one.result) {
      results.push_back(*std::move(one.result));
    }
  }
  queue.completed.fetch_add(results.size());
  if (!results.empty()) {
    post_(std::move(results));
  }
  for (const Ended& one : ended) {
    if (!one.charge.empty()) {
      pass_turn(queue, one.charge);
    }
  }
  queue.in_flight -= ended.size();
  pending_.fetch_sub(queue.counted() ? ended.size() : 0, std::memory_order_relaxed);
  queue.running.fetch_sub(ended.size());
}

}  // namespace payonce::tasks
