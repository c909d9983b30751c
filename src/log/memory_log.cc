#include "log/memory_log.h"

#include <algorithm>

namespace payonce::log {

Result<void> MemoryLog::append(const Batch& batch, core::Seq expected_last) {
  const std::lock_guard lock(mutex_);
  if (last_ != expected_last) {
    return fail(Errc::kInvalid, "the log ends at " + std::to_string(last_) + ", not at " +
                                    std::to_string(expected_last));
  }
  drop(drop_quota(batch.size()));
  for (std::size_t i = 0; i < batch.size(); ++i) {
    entries_.emplace(++last_, batch.entry(i));
  }
  return {};
}

void MemoryLog::drop(std::size_t quota) {
  const core::Seq floor = std::min(floor_, last_);
  for (core::Seq seq = oldest_droppable(first_); seq < floor && quota > 0; ++seq, --quota) {
    entries_.erase(seq);
    first_ = seq + 1;
  }
}

Result<void> MemoryLog::read(core::Seq from, const Visit& visit) const {
  for (core::Seq seq = std::max<core::Seq>(from, 1);; ++seq) {
    std::string bytes;
    {
      const std::lock_guard lock(mutex_);
      if (seq > last_) {
        return {};
      }
      const auto found = entries_.find(seq);
      if (found == entries_.end()) {
        return dropped_error(seq, first_);
      }
      bytes = found->second;
    }
    if (!visit(seq, bytes)) {
      return {};
    }
  }
}

core::Seq MemoryLog::last_seq() const {
  const std::lock_guard lock(mutex_);
  return last_;
}

core::Seq MemoryLog::first_seq() const {
  const std::lock_guard lock(mutex_);
  return first_;
}

void MemoryLog::drop_below(core::Seq floor) {
  const std::lock_guard lock(mutex_);
  floor_ = floor;
}

}  // namespace payonce::log
