// log/memory_log.h: a log that lives in memory, for tests and simulation. Durable as long as the
// object lives. Thread-safe.
#pragma once

#include <map>
#include <mutex>
#include <string>

#include "log/log_store.h"

namespace payonce::log {

class MemoryLog final : public LogStore {
 public:
  [[nodiscard]] Result<void> append(const Batch& batch, core::Seq expected_last) override;
  [[nodiscard]] Result<void> read(core::Seq from, const Visit& visit) const override;
  [[nodiscard]] core::Seq last_seq() const override;
  [[nodiscard]] core::Seq first_seq() const override;
  void drop_below(core::Seq floor) override;

 private:
  void drop(std::size_t quota);

  mutable std::mutex mutex_;
  std::map<core::Seq, std::string> entries_;
  core::Seq first_ = 1;
  core::Seq last_ = 0;
  core::Seq floor_ = 0;
};

}  // namespace payonce::log
