#include "engine/waiters.h"

#include <algorithm>
#include <utility>

namespace payonce::engine {

Waiters::Registration::Registration(Waiters& waiters, std::vector<std::string> ids)
    : waiters_(&waiters), ids_(std::move(ids)), waiter_(Parker::current()) {
  const std::lock_guard lock(waiters_->mutex_);
  waiters_->count_.fetch_add(1);
  for (const std::string& id : ids_) {
    waiters_->waiting_.emplace(id, this);
  }
}

Waiters::Registration::~Registration() {
  const std::lock_guard lock(waiters_->mutex_);
  waiters_->count_.fetch_sub(1);
  for (const std::string& id : ids_) {
    const auto [begin, end] = waiters_->waiting_.equal_range(id);
    const auto mine =
        std::find_if(begin, end, [this](const auto& entry) { return entry.second == this; });
    if (mine != end) {
      waiters_->waiting_.erase(mine);
    }
  }
}

bool Waiters::Registration::wait(std::chrono::milliseconds at_most) {
  const auto deadline = Parker::Clock::now() + at_most;
  const Parker::LongWait aside(waiter_);
  while (true) {
    {
      const std::lock_guard lock(waiters_->mutex_);
      if (ended_ || waiters_->closed_) {
        return ended_;
      }
    }
    if (Parker::Clock::now() >= deadline || waiter_.deserted()) {
      return false;
    }
    waiter_.park_until(deadline);
  }
}

// Whoever registers after this has looked looks at the workflow after that, and sees its end.
void Waiters::notify(std::string_view id) {
  if (!any()) {
    return;
  }
  const std::lock_guard lock(mutex_);
  const auto [begin, end] = waiting_.equal_range(id);
  for (auto at = begin; at != end; ++at) {
    at->second->ended_ = true;
    at->second->waiter_.unpark();
  }
}

void Waiters::wake_all() {
  const std::lock_guard lock(mutex_);
  closed_ = true;
  for (auto& [id, registration] : waiting_) {
    registration->waiter_.unpark();
  }
}

}  // namespace payonce::engine
