#include "log/memory_log.h"

#include <algorithm>

namespace payonce::log {

Result<void> MemoryLog::append(const Batch& batch, core::Seq expected_last) {
  const std::lock_guard lock(mutex_);
  if (entries_.size() != expected_last) {
    return fail(Errc::kInvalid, "the log ends at " + std::to_string(entries_.size()) + ", not at " +
                                    std::to_string(expected_last));
  }
  for (std::size_t i = 0; i < batch.size(); ++i) {
    entries_.emplace_back(batch.entry(i));
  }
  return {};
}

Result<void> MemoryLog::read(core::Seq from, const Visit& visit) const {
  for (core::Seq seq = std::max<core::Seq>(from, 1);; ++seq) {
    std::string bytes;
    {
      const std::lock_guard lock(mutex_);
      if (seq > entries_.size()) {
        return {};
      }
      bytes = entries_[seq - 1];
    }
    if (!visit(seq, bytes)) {
      return {};
    }
  }
}

core::Seq MemoryLog::last_seq() const {
  const std::lock_guard lock(mutex_);
  return entries_.size();
}

}  // namespace payonce::log
