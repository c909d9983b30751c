// log/memory_log.h: a log that lives in memory, for tests and simulation. Durable as long as the
// object lives. Thread-safe.
#pragma once

#include <mutex>
#include <string>
#include <vector>

#include "log/log_store.h"

namespace payonce::log {

class MemoryLog final : public LogStore {
 public:
  [[nodiscard]] Result<void> append(const Batch& batch, core::Seq expected_last) override;
  [[nodiscard]] Result<void> read(core::Seq from, const Visit& visit) const override;
  [[nodiscard]] core::Seq last_seq() const override;

 private:
  mutable std::mutex mutex_;
  std::vector<std::string> entries_;  // entry of seq n at n - 1
};

}  // namespace payonce::log
