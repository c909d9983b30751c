#include "tasks/scheduler.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "base/assert.h"

namespace payonce::tasks {
namespace {

// The timer's longest sleep: bounds how late a task is after the wall clock was set forward.
constexpr std::chrono::microseconds kTimerNap{1'000'000};

Timestamp due_of(const core::Effect& effect) {
  if (const auto* call = std::get_if<core::CallGateway>(&effect)) {
    return call->not_before;
  }
  if (const auto* send = std::get_if<core::SendNotification>(&effect)) {
    return send->not_before;
  }
  return {};
}

}  // namespace

Scheduler::Scheduler(engine::Clock& clock, std::size_t pending_max)
    : clock_(&clock), pending_max_(pending_max) {}

Scheduler::~Scheduler() { stop(); }

void Scheduler::add_queue(QueueOptions options, Activity activity,
                          std::function<bool(const core::Effect&)> takes) {
  auto queue = std::make_unique<Queue>();
  queue->options = std::move(options);
  queue->activity = std::move(activity);
  queue->takes = std::move(takes);
  queues_.push_back(std::move(queue));
}

void Scheduler::start() {
  PAYONCE_ASSERT(post_ != nullptr);
  timer_ = std::thread([this] { run_timer(); });
  for (const auto& queue : queues_) {
    for (std::size_t i = 0; i < queue->options.workers; ++i) {
      queue->workers.emplace_back([this, &queue = *queue] { work(queue); });
    }
  }
}

void Scheduler::stop() {
  if (stopping_.exchange(true)) {
    return;
  }
  {
    const std::lock_guard lock(timer_mutex_);
    poked_ = true;
  }
  timer_wake_.notify_all();
  if (timer_.joinable()) {
    timer_.join();
  }
  for (const auto& queue : queues_) {
    // An effect that is no task wakes one worker, which then sees that it is over.
    for (std::size_t i = 0; i < queue->workers.size(); ++i) {
      queue->ready.enqueue(core::WorkflowEnded{});
    }
    for (std::thread& worker : queue->workers) {
      worker.join();
    }
    queue->workers.clear();
  }
}

void Scheduler::release(core::Effect effect) {
  const auto takes = [&](const auto& queue) { return queue->takes(effect); };
  const auto found = std::ranges::find_if(queues_, takes);
  PAYONCE_ASSERT(found != queues_.end());
  Queue& queue = **found;
  pending_.fetch_add(1, std::memory_order_relaxed);
  const Timestamp due = due_of(effect);
  if (due <= clock_->now() && !queue.backlogged.load() &&
      queue.ready_count.load() < queue.options.ready_max) {
    make_ready(queue, std::move(effect));
  } else {
    hold_back(queue, due, std::move(effect));
  }
}

void Scheduler::make_ready(Queue& queue, core::Effect task) {
  queue.ready_count.fetch_add(1);
  const bool queued = queue.ready.enqueue(std::move(task));
  PAYONCE_ASSERT(queued);  // fails only when memory is exhausted
}

void Scheduler::hold_back(Queue& queue, Timestamp due, core::Effect task) {
  const std::lock_guard lock(timer_mutex_);
  queue.held.push_back(Held{due, next_order_++, std::move(task)});
  if (due <= clock_->now()) {
    queue.backlogged.store(true);
  }
  std::ranges::push_heap(queue.held, LaterFirst{});
  if (queue.held.front().order + 1 == next_order_) {
    poked_ = true;  // it is the earliest now: the timer's sleep is too long
    timer_wake_.notify_one();
  }
}

void Scheduler::work(Queue& queue) {
  while (true) {
    core::Effect task;
    queue.ready.wait_dequeue(task);
    if (stopping_.load(std::memory_order_acquire)) {
      return;
    }
    queue.running.fetch_add(1);
    queue.ready_count.fetch_sub(1);
    if (queue.backlogged.load()) {
      const std::lock_guard lock(timer_mutex_);
      poked_ = true;  // there is room again for what was held back
      timer_wake_.notify_one();
    }
    core::Command result = queue.activity(task);
    queue.running.fetch_sub(1);
    queue.completed.fetch_add(1);
    pending_.fetch_sub(1, std::memory_order_relaxed);
    post_(std::move(result));
  }
}

void Scheduler::run_timer() {
  while (!stopping_.load(std::memory_order_acquire)) {
    const Timestamp now = clock_->now();
    std::unique_lock lock(timer_mutex_);
    poked_ = false;
    const auto nap = promote(now);
    timer_wake_.wait_for(lock, nap, [&] { return poked_; });
  }
}

// Moves what is due and finds room to the ready queues; returns how long until the next one.
std::chrono::microseconds Scheduler::promote(Timestamp now) {
  std::chrono::microseconds nap = kTimerNap;
  for (const auto& queue : queues_) {
    while (!queue->held.empty() && queue->held.front().due <= now &&
           queue->ready_count.load() < queue->options.ready_max) {
      std::ranges::pop_heap(queue->held, LaterFirst{});
      core::Effect task = std::move(queue->held.back().task);
      queue->held.pop_back();
      make_ready(*queue, std::move(task));
    }
    // When the next one is due but finds no room, a worker pokes us as soon as there is some.
    const bool full = !queue->held.empty() && queue->held.front().due <= now;
    queue->backlogged.store(full);
    if (!queue->held.empty() && !full) {
      const Duration left = queue->held.front().due - now;
      nap = std::min(nap, std::chrono::microseconds(left.us));
    }
  }
  return nap;
}

std::vector<QueueStats> Scheduler::stats() const {
  std::vector<QueueStats> all;
  all.reserve(queues_.size());
  const std::lock_guard lock(timer_mutex_);
  for (const auto& queue : queues_) {
    all.push_back(QueueStats{.name = queue->options.name,
                             .waiting = queue->ready_count.load() + queue->held.size(),
                             .running = queue->running.load(),
                             .completed = queue->completed.load()});
  }
  return all;
}

}  // namespace payonce::tasks
