// engine/retention.h: how much of the log's old history may go.
//
// An entry may go when it is older than the retention, seen from the newest entry; when the state
// holds it durably; and when no workflow that is still under way began at or before it. What waits
// for an operator alone holds nothing back, since it may do so for ever. The log drops what may go
// with later appends (LogStore::drop_below); the state keeps every row.
// The entries are looked at once each before they go, so that the page cache holds them when a
// commit drops them. A round looks at twice as many as have come since the last one, and at some
// more by the time that has passed: so it catches up, and a client that waits for a checkpoint is
// not held up by it. Nor does it look far ahead of what has been dropped.
// Threads: keep() by any; round() by the checkpointer's.
#pragma once

#include <atomic>
#include <chrono>
#include <utility>

#include "base/result.h"
#include "core/record.h"
#include "engine/ports.h"
#include "log/log_store.h"
#include "log/state_store.h"

namespace payonce::engine {

class Retention {
 public:
  struct Parts {
    log::LogStore& log;
    const log::StateStore& state;
    std::uint64_t salt = 0;
    SteadyClock steady = std::chrono::steady_clock::now;
  };

  explicit Retention(Parts parts) : parts_(std::move(parts)) {}

  // How long history is kept; 0: for ever.
  void keep(std::chrono::milliseconds kept) { kept_.store(kept, std::memory_order_release); }

  // Tells the log what may go, given that the state holds the entries up to `applied` durably. True
  // when less was dropped since the round before than might have been: then appends are too few.
  [[nodiscard]] Result<bool> round(core::Seq applied);

 private:
  [[nodiscard]] core::Seq allowance(core::Seq applied);
  [[nodiscard]] Result<Timestamp> time_of(core::Seq seq) const;
  // From floor_ on, the first entry below `end` that has to stay.
  [[nodiscard]] Result<core::Seq> look_on(core::Seq end, Timestamp cutoff) const;

  Parts parts_;
  std::atomic<std::chrono::milliseconds> kept_{std::chrono::milliseconds{0}};
  std::chrono::milliseconds used_{0};  // what floor_ was found with
  core::Seq floor_ = 0;
  core::Seq applied_ = 0;                              // at the round before
  std::chrono::steady_clock::time_point looked_at_{};  // when that was
};

}  // namespace payonce::engine
