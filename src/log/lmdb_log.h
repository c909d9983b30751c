// log/lmdb_log.h: the log on LMDB, in an environment of its own.
//
// Keys are the sequence as a native 64-bit integer (MDB_INTEGERKEY), values the encoded entries,
// appended in order (MDB_APPEND) to the environment's main database: no named database means one
// page less per commit. One commit per batch, synchronous. Entries are dropped in the same
// transaction; LMDB uses their pages again, so the file stops growing.
// Threads: append() by one thread at a time, which may be another one each time; all else by any.
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
  [[nodiscard]] core::Seq first_seq() const override {
    return first_.load(std::memory_order_acquire);
  }
  void drop_below(core::Seq floor) override { floor_.store(floor, std::memory_order_release); }
  [[nodiscard]] std::uint64_t file_bytes() const { return env_.file_bytes(); }
  [[nodiscard]] std::uint64_t disk_bytes() const { return env_.disk_bytes(); }
  [[nodiscard]] LmdbEnv& env() { return env_; }

 private:
  LmdbLog() = default;
  // Where the sequence begins once the transaction is committed.
  [[nodiscard]] Result<core::Seq> drop(MDB_txn* txn, std::size_t quota) const;

  LmdbEnv env_;
  MDB_dbi dbi_ = 0;
  std::atomic<core::Seq> last_{0};
  std::atomic<core::Seq> first_{1};
  std::atomic<core::Seq> floor_{0};
};

}  // namespace payonce::log
