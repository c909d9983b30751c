// log/lmdb_log.h: the log on LMDB, in an environment of its own.
//
// Keys are the sequence as a native 64-bit integer (MDB_INTEGERKEY), values the encoded entries,
// appended in order (MDB_APPEND) to the environment's main database: no named database means one
// page less per commit. One commit per batch, synchronous.
// Threads: append() by one thread at a time, which may be another one each time; read() by any.
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "log/lmdb_env.h"
#include "log/log_store.h"

namespace payonce::log {

class LmdbLog final : public LogStore {
 public:
  // Opens or creates. kForeign: the files belong to something else.
  [[nodiscard]] static Result<std::unique_ptr<LmdbLog>> open(const std::string& dir,
                                                             std::uint64_t map_size);

  [[nodiscard]] Result<void> append(const Batch& batch, core::Seq expected_last) override;
  [[nodiscard]] Result<void> read(core::Seq from, const Visit& visit) const override;
  [[nodiscard]] core::Seq last_seq() const override {
    return last_.load(std::memory_order_acquire);
  }
  [[nodiscard]] std::uint64_t free_map_bytes() const { return env_.free_map_bytes(); }

 private:
  LmdbLog() = default;

  LmdbEnv env_;
  MDB_dbi dbi_ = 0;
  std::atomic<core::Seq> last_{0};
};

}  // namespace payonce::log
