// adapters/due_queue.h: items that wait for their time, handed out in its order.
//
// Threads: all functions from any thread; several may wait in pop(). Lifetime: stop() ends every
// wait and returns what has not been handed out, in its order. Unbounded: whoever pushes bounds it.
#pragma once

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

namespace payonce::adapters {

template <class T>
class DueQueue {
 public:
  using Clock = std::chrono::steady_clock;

  void push(Clock::time_point due, T item) {
    {
      const std::lock_guard lock(mutex_);
      heap_.push_back({due, next_order_++, std::move(item)});
      std::ranges::push_heap(heap_, later_first);
    }
    changed_.notify_one();
  }

  // Waits for the earliest item to be due; nothing once the queue has been stopped.
  [[nodiscard]] std::optional<T> pop() {
    std::unique_lock lock(mutex_);
    while (!stopping_) {
      if (heap_.empty()) {
        changed_.wait(lock);
      } else if (const auto due = heap_.front().due; due > Clock::now()) {
        changed_.wait_until(lock, due);
      } else {
        std::ranges::pop_heap(heap_, later_first);
        T item = std::move(heap_.back().item);
        heap_.pop_back();
        // Others may be sleeping until the time of an item that is still there.
        changed_.notify_one();
        return item;
      }
    }
    return std::nullopt;
  }

  std::vector<T> stop() {
    std::vector<Held> held;
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
      held.swap(heap_);
    }
    changed_.notify_all();
    std::ranges::sort(held, [](const Held& a, const Held& b) { return later_first(b, a); });
    std::vector<T> left;
    left.reserve(held.size());
    for (Held& one : held) {
      left.push_back(std::move(one.item));
    }
    return left;
  }

 private:
  struct Held {
    Clock::time_point due;
    std::uint64_t order;  // breaks ties: first in, first out
    T item;
  };
  static bool later_first(const Held& a, const Held& b) {
    return a.due != b.due ? a.due > b.due : a.order > b.order;
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Held> heap_;
  std::uint64_t next_order_ = 0;
  bool stopping_ = false;
};

}  // namespace payonce::adapters
