#include "engine/parker.h"

#include <condition_variable>
#include <memory>
#include <mutex>
#include <vector>

namespace payonce::engine {
namespace {

class ThreadParker final : public Parker {
 public:
  void park() override {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return permit_; });
    permit_ = false;
  }
  void park_until(Clock::time_point deadline) override {
    std::unique_lock lock(mutex_);
    changed_.wait_until(lock, deadline, [&] { return permit_; });
    permit_ = false;
  }
  void unpark() override {
    {
      const std::lock_guard lock(mutex_);
      permit_ = true;
    }
    changed_.notify_one();
  }
  bool put_off(Chore& /*chore*/) override { return false; }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool permit_ = false;
};

// Parkers of threads that have ended, for threads to come.
struct Spare {
  std::mutex mutex;
  std::vector<std::unique_ptr<ThreadParker>> parkers;
};

Spare& spare() {
  static Spare* const forever = new Spare;  // used by threads until the very end
  return *forever;
}

class Own {
 public:
  Own() {
    const std::lock_guard lock(spare().mutex);
    if (spare().parkers.empty()) {
      parker_ = std::make_unique<ThreadParker>();
    } else {
      parker_ = std::move(spare().parkers.back());
      spare().parkers.pop_back();
    }
  }
  ~Own() {
    const std::lock_guard lock(spare().mutex);
    spare().parkers.push_back(std::move(parker_));
  }
  Own(const Own&) = delete;
  Own& operator=(const Own&) = delete;

  [[nodiscard]] Parker& get() const { return *parker_; }

 private:
  std::unique_ptr<ThreadParker> parker_;
};

thread_local Parker* t_current = nullptr;

}  // namespace

Parker& Parker::current() {
  if (t_current != nullptr) {
    return *t_current;
  }
  thread_local const Own own;
  return own.get();
}

void Parker::set_current(Parker* parker) { t_current = parker; }

}  // namespace payonce::engine
