// engine/waiters.h: requests that wait for a workflow's end, or for the answer to a key.
//
// A waiter registers first, then looks whether the end has come already, then sleeps: so an end
// between the two cannot be missed. Thread-safe. Bounded by the caller (http limits waiters).
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "core/rows.h"
#include "engine/parker.h"

namespace payonce::engine {

class Waiters {
 public:
  class Registration {
   public:
    Registration(Waiters& waiters, std::string id)
        : Registration(waiters, std::vector<std::string>{std::move(id)}) {}
    // Waits for whichever comes first.
    Registration(Waiters& waiters, std::vector<std::string> ids);
    ~Registration();
    Registration(const Registration&) = delete;
    Registration& operator=(const Registration&) = delete;

    // True when the workflow ended (durably) since the registration, false when the time is up,
    // wake_all() was called, or the client has hung up (Parker::deserted()).
    bool wait(std::chrono::milliseconds at_most);

   private:
    friend class Waiters;
    Waiters* waiters_;
    std::vector<std::string> ids_;
    Parker& waiter_;
    bool ended_ = false;  // guarded by the mutex of waiters_
  };

  // What the answer to an Idempotency-Key is called here; no workflow's id looks like it.
  [[nodiscard]] static std::string key_id(std::string_view key) {
    return std::string("key\n").append(key);
  }

  [[nodiscard]] bool any() const { return count_.load() > 0; }
  void notify(std::string_view id);  // after the commit that ended the workflow
  void wake_all();                   // at shutdown: all present and future waits return at once

 private:
  std::mutex mutex_;
  std::unordered_multimap<std::string, Registration*, core::StringHash, std::equal_to<>> waiting_;
  bool closed_ = false;
  // Registrations that exist: mostly none, and then notify() has nothing to look for.
  std::atomic<std::size_t> count_{0};
};

}  // namespace payonce::engine
