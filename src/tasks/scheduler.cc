#include "tasks/scheduler.h"

#include <algorithm>
#include <limits>
#include <utility>
#include <variant>

#include "base/assert.h"
#include "base/planted.h"
#include "observe/thread_name.h"

namespace payonce::tasks {
namespace {

// The timer's longest sleep: bounds how late a task is after the wall clock was set forward.
constexpr std::chrono::microseconds kTimerNap{1'000'000};

}  // namespace

Scheduler::Scheduler(engine::Clock& clock, std::size_t pending_max)
    : clock_(&clock), pending_max_(pending_max) {}

Scheduler::~Scheduler() { stop(); }

void Scheduler::add_queue(QueueOptions options, Activity activity) {
  auto queue = std::make_unique<Queue>();
  queue->options = std::move(options);
  queue->activity = std::move(activity);
  queues_.push_back(std::move(queue));
}

void Scheduler::add_queue(QueueOptions options, Call call) {
  PAYONCE_ASSERT(options.calls_max > 0);
  auto queue = std::make_unique<Queue>();
  queue->options = std::move(options);
  queue->options.workers = 1;
  queue->options.batch_max = 1;
  queue->call = std::move(call);
  queues_.push_back(std::move(queue));
}

void Scheduler::start() {
  PAYONCE_ASSERT(post_ != nullptr);
  timer_ = std::thread([this] { run_timer(); });
  for (const auto& queue : queues_) {
    for (std::size_t i = 0; i < queue->options.workers; ++i) {
      queue->workers.emplace_back([this, &queue = *queue] {
        observe::name_thread("task " + queue.options.name);
        queue.call ? conduct(queue) : work(queue);
      });
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
    // An effect that is no task wakes a worker, which then sees that it is over. One worker may
    // take as many as make a batch.
    for (std::size_t i = 0; i < queue->workers.size() * queue->options.batch_max; ++i) {
      queue->ready.enqueue(Ready{.task = core::WorkflowEnded{}, .since = {}});
    }
    for (std::thread& worker : queue->workers) {
      worker.join();
    }
    queue->workers.clear();
  }
}

void Scheduler::release(core::Effect effect) { release_at(clock_->now(), std::move(effect)); }

void Scheduler::release_all(std::vector<core::Effect>& effects) {
  if (effects.empty()) {
    return;
  }
  const Timestamp now = clock_->now();
  for (core::Effect& effect : effects) {
    release_at(now, std::move(effect));
  }
  effects.clear();
}

void Scheduler::release_at(Timestamp now, core::Effect effect) {
  const auto task = core::task_class(effect);
  PAYONCE_ASSERT(task.has_value());
  Queue* const found = queue_of(*task);
  PAYONCE_ASSERT(found != nullptr);
  Queue& queue = *found;
  pending_.fetch_add(queue.counted() ? 1 : 0, std::memory_order_relaxed);
  const Timestamp due = core::due_of(effect);
  if (due <= now && !queue.backlogged.load() &&
      queue.ready_count.load() < queue.options.ready_max) {
    make_ready(queue, now, std::move(effect));
  } else {
    hold_back(queue, now, due, std::move(effect));
  }
}

Scheduler::Queue* Scheduler::queue_of(core::TaskClass task) const {
  const auto found = std::ranges::find_if(
      queues_, [&](const auto& queue) { return queue->options.takes == task; });
  return found == queues_.end() ? nullptr : found->get();
}

std::size_t Scheduler::room(core::TaskClass task) const {
  const Queue* const queue = queue_of(task);
  if (queue == nullptr || !queue->options.memory_max) {
    return std::numeric_limits<std::size_t>::max();
  }
  const std::size_t waiting = queue->waiting();
  return *queue->options.memory_max > waiting ? *queue->options.memory_max - waiting : 0;
}

void Scheduler::make_ready(Queue& queue, Timestamp now, core::Effect task, bool has_turn) {
  if (queue.ready_count.fetch_add(1) == 0) {
    queue.last_since_us.store(now.us);
  }
  const bool queued =
      queue.ready.enqueue(Ready{.task = std::move(task), .since = now, .has_turn = has_turn});
  PAYONCE_ASSERT(queued);  // fails only when memory is exhausted
}

void Scheduler::hold_back(Queue& queue, Timestamp now, Timestamp due, core::Effect task) {
  const std::lock_guard lock(timer_mutex_);
  queue.held.push_back(Held{due, next_order_++, std::move(task)});
  queue.held_count.store(queue.held.size());
  if (due <= now) {
    queue.backlogged.store(true);
  }
  std::ranges::push_heap(queue.held, LaterFirst{});
  if (queue.held.front().order + 1 == next_order_) {
    poked_ = true;  // it is the earliest now: the timer's sleep is too long
    timer_wake_.notify_one();
  }
}

void Scheduler::leave_ready(Queue& queue, std::size_t count, Timestamp since) {
  queue.running.fetch_add(count);
  queue.last_since_us.store(since.us);
  queue.ready_count.fetch_sub(count);
  if (queue.backlogged.load()) {
    const std::lock_guard lock(timer_mutex_);
    poked_ = true;  // there is room again for what was held back
    timer_wake_.notify_one();
  }
}

void Scheduler::work(Queue& queue) {
  std::vector<Ready> batch;
  while (true) {
    batch.resize(queue.options.batch_max);
    batch.resize(queue.ready.wait_dequeue_bulk(batch.begin(), batch.size()));
    if (stopping_.load(std::memory_order_acquire)) {
      return;
    }
    work_on(queue, batch);
  }
}

void Scheduler::work_on(Queue& queue, std::vector<Ready>& batch) {
  leave_ready(queue, batch.size(), batch.back().since);
  run(queue, batch);
  queue.running.fetch_sub(batch.size());
}

void Scheduler::run(Queue& queue, std::vector<Ready>& batch) {
  std::vector<core::Effect> tasks;
  std::vector<std::string> turns;
  for (Ready& ready : batch) {
    std::string charge = charge_of(ready.task);
    if (!charge.empty()) {
      if (!take_turn(queue, charge, ready)) {
        continue;
      }
      turns.push_back(std::move(charge));
    }
    tasks.push_back(std::move(ready.task));
  }
  if (tasks.empty()) {
    return;
  }
  perform(queue, tasks);
  for (const std::string& charge : turns) {
    pass_turn(queue, charge);
  }
  pending_.fetch_sub(queue.counted() ? tasks.size() : 0, std::memory_order_relaxed);
}

std::vector<bool> Scheduler::ask_wanted(std::span<const core::Effect> tasks) const {
  return wanted_ && !planted(Bug::kUnwantedCallMade) ? wanted_(tasks)
                                                     : std::vector<bool>(tasks.size(), true);
}

void Scheduler::perform(Queue& queue, std::span<const core::Effect> tasks) {
  const std::vector<bool> wanted = ask_wanted(tasks);
  std::vector<core::Command> results;
  for (std::size_t i = 0; i < tasks.size(); ++i) {
    if (wanted[i]) {
      if (auto result = queue.activity(tasks[i])) {
        results.push_back(*std::move(result));
      }
    }
  }
  queue.completed.fetch_add(results.size());
  if (!results.empty()) {
    post_(std::move(results));
  }
}

std::string Scheduler::charge_of(const core::Effect& task) {
  if (const auto* call = std::get_if<core::CallGateway>(&task)) {
    return call->payment_id;
  }
  if (const auto* inquiry = std::get_if<core::InquireGateway>(&task)) {
    return inquiry->payment_id;
  }
  if (const auto* undo = std::get_if<core::UndoAtGateway>(&task)) {
    return undo->payment_id;
  }
  if (const auto* refund = std::get_if<core::RefundAtGateway>(&task)) {
    return refund->payment_id;
  }
  return {};
}

bool Scheduler::take_turn(Queue& queue, const std::string& charge, Ready& ready) {
  if (ready.has_turn) {
    return true;
  }
  const std::lock_guard lock(queue.busy_mutex);
  const auto [place, free] = queue.busy.try_emplace(charge);
  if (planted(Bug::kTurnNotTaken)) {
    return true;
  }
  if (!free) {
    place->second.push_back(std::move(ready.task));
    queue.behind.fetch_add(1);
  }
  return free;
}

void Scheduler::pass_turn(Queue& queue, const std::string& charge) {
  std::optional<core::Effect> next;
  {
    const std::lock_guard lock(queue.busy_mutex);
    const auto place = queue.busy.find(charge);
    if (planted(Bug::kTurnNotTaken) && place == queue.busy.end()) {
      return;
    }
    if (place->second.empty()) {
      queue.busy.erase(place);
      return;
    }
    next = std::move(place->second.front());
    place->second.pop_front();
  }
  make_ready(queue, clock_->now(), *std::move(next), /*has_turn=*/true);
  queue.behind.fetch_sub(1);
}

void Scheduler::run_timer() {
  observe::name_thread("timer");
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
      make_ready(*queue, now, std::move(task));
      queue->held_count.store(queue->held.size());
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
  const Timestamp now = clock_->now();
  const std::lock_guard lock(timer_mutex_);  // a task on its way to its queue counts once
  for (const auto& queue : queues_) {
    const bool idle = queue->ready_count.load() == 0;
    const std::int64_t age_us = idle ? 0 : std::max<std::int64_t>(now.us - queue->last_since_us, 0);
    all.push_back(QueueStats{.name = queue->options.name,
                             .takes = queue->options.takes,
                             .waiting = queue->waiting(),
                             .running = queue->running.load(),
                             .completed = queue->completed.load(),
                             .oldest_age = std::chrono::milliseconds(age_us / 1000)});
  }
  return all;
}

}  // namespace payonce::tasks
