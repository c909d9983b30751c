#include "engine/waiters.h"

#include <algorithm>
#include <utility>

namespace payonce::engine {

Waiters::Registration::Registration(Waiters& waiters, std::vector<std::string> ids)
    : waiters_(&waiters), ids_(std::move(ids)) {
  const std::lock_guard lock(waiters_->mutex_);
  for (const std::string& id : ids_) {
    waiters_->waiting_.emplace(id, this);
  }
}

Waiters::Registration::~Registration() {
  const std::lock_guard lock(waiters_->mutex_);
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
  std::unique_lock lock(waiters_->mutex_);
  changed_.wait_for(lock, at_most, [&] { return ended_ || waiters_->closed_; });
  return ended_;
}

void Waiters::notify(std::string_view id) {
  const std::lock_guard lock(mutex_);
  const auto [begin, end] = waiting_.equal_range(id);
  for (auto at = begin; at != end; ++at) {
    at->second->ended_ = true;
    at->second->changed_.notify_one();
  }
}

void Waiters::wake_all() {
  const std::lock_guard lock(mutex_);
  closed_ = true;
  for (auto& [id, registration] : waiting_) {
    registration->changed_.notify_one();
  }
}

}  // namespace payonce::engine
