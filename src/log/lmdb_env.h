// log/lmdb_env.h: the thin layer that keeps LMDB's handles owned and its codes named.
//
// Caveats taken from LMDB's manual: an environment is opened once per process; a write transaction
// belongs to the thread that began it; a reader that is kept open keeps old pages from being
// reused. Durability: environments are opened without NOMETASYNC, MAPASYNC or WRITEMAP always, and
// without NOSYNC unless their owner says that nobody needs them after the process (Sync::kNever).
// LMDB can map a file anew, larger, only while nobody in the process has a transaction. So each
// transaction holds a lock in shared mode as long as it is active, and grow() takes it alone. The
// lock prefers those who share it, so that nobody can wait for a grow() that waits for him; but
// while one waits, new transactions begin a little later, so that its moment comes.
#pragma once

#include <lmdb.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace payonce::log {

// "cannot append to the log: No space left on device"
[[nodiscard]] std::unexpected<Error> lmdb_error(int code, const std::string& doing);

// Whether a commit waits until it is on the disk. kNever is for stores that end with their process,
// as a simulation's do.
enum class Sync : std::uint8_t { kEachCommit, kNever };

class LmdbEnv {
 public:
  LmdbEnv() = default;
  LmdbEnv(const LmdbEnv&) = delete;
  LmdbEnv& operator=(const LmdbEnv&) = delete;
  ~LmdbEnv() { close(); }

  // Opens or creates the environment in `dir`, which is created when absent. Before LMDB opens it,
  // the newest pages of the file are looked at (page_check.h), and nothing is changed when they are
  // not sound. kForeign when the file is not LMDB's, kCorrupt when it is damaged or ends before the
  // last page in use, kIo for everything else. Last pages that are free may be absent, since LMDB
  // does not write those.
  [[nodiscard]] Result<void> open(const std::string& dir, std::uint64_t map_size,
                                  unsigned databases, Sync sync = Sync::kEachCommit);
  void close();
  // Bytes of the map that can still be filled; 0 when LMDB does not say. At least those that have
  // never been used; the free pages below, whose list it takes some time to go through, are counted
  // only when those are less than `enough`.
  [[nodiscard]] std::uint64_t free_map_bytes(std::uint64_t enough) const;
  // What the file takes, free pages included.
  [[nodiscard]] std::uint64_t file_bytes() const;
  // What the file takes of the disk: no holes, but what is allocated ahead. 0: not known.
  [[nodiscard]] std::uint64_t disk_bytes() const;
  // What it may grow to.
  [[nodiscard]] std::uint64_t map_bytes() const;
  // Makes that more while others use the environment; they wait for the few microseconds that it
  // takes. Any thread without a transaction. kInvalid: not more than it is. kInUse: for as long as
  // `patience` somebody had a transaction at any time. kFull: no room among the addresses. In all
  // these cases nothing has changed. kIo: the old map is gone as well, and the process has to end.
  [[nodiscard]] Result<void> grow(std::uint64_t map_size, std::chrono::milliseconds patience);
  // Writes zeros behind the last page that was ever used, until the file has `ahead` bytes of them
  // or is as long as the map. A commit that finds its blocks on the disk changes nothing in the
  // file system's own records, and does not wait for what others have to write there. In steps of a
  // MiB; others' write transactions wait for one of them at most. Any thread without a transaction.
  // kFull: the file is as long as it was, and all goes on without. kIo: the process has to end. The
  // kernel tells an error of a sync once: what we were told may have been about a commit's pages.
  [[nodiscard]] Result<void> allocate_ahead(std::uint64_t ahead);
  [[nodiscard]] MDB_env* get() const { return env_; }

 private:
  friend class LmdbTxn;
  using Users = std::shared_timed_mutex;
  struct Extent {
    std::uint64_t pages = 0;  // that LMDB has ever used
    std::uint64_t page_size = 0;
    std::uint64_t map_size = 0;
  };
  // The map as it is cannot go while this is held.
  [[nodiscard]] std::shared_lock<Users> use() const;
  // All zero when LMDB does not say.
  [[nodiscard]] Extent extent() const;
  [[nodiscard]] Extent extent_in_use() const;  // for who holds use() already
  // Where nothing is any more, neither of the file nor of the pages.
  [[nodiscard]] static Result<std::uint64_t> end_of(int file, const Extent& held);
  [[nodiscard]] Result<void> lengthen(int file);  // by one step, if the map has room

  MDB_env* env_ = nullptr;
  mutable Users users_;
  std::atomic<bool> growing_{false};
};

// A transaction that is aborted unless it was committed.
class LmdbTxn {
 public:
  LmdbTxn() = default;
  LmdbTxn(LmdbTxn&& other) noexcept
      : env_(other.env_), txn_(std::exchange(other.txn_, nullptr)), use_(std::move(other.use_)) {}
  LmdbTxn& operator=(LmdbTxn&&) = delete;
  LmdbTxn(const LmdbTxn&) = delete;
  LmdbTxn& operator=(const LmdbTxn&) = delete;
  ~LmdbTxn() { abort(); }

  enum class Mode : std::uint8_t { kRead, kWrite };
  [[nodiscard]] static Result<LmdbTxn> begin(const LmdbEnv& env, Mode mode);
  [[nodiscard]] int commit();  // LMDB's code; the transaction is gone whatever it is
  void abort();
  // Of one that reads: lets its view go and keeps the rest for renew(), which takes the newest view
  // and gives LMDB's code.
  void reset();
  [[nodiscard]] int renew();
  [[nodiscard]] MDB_txn* get() const { return txn_; }

 private:
  explicit LmdbTxn(const LmdbEnv& env) : env_(&env), use_(env.use()) {}

  const LmdbEnv* env_ = nullptr;
  MDB_txn* txn_ = nullptr;
  std::shared_lock<LmdbEnv::Users> use_;
};

[[nodiscard]] inline MDB_val to_val(std::string_view bytes) {
  return MDB_val{bytes.size(), const_cast<char*>(bytes.data())};
}
[[nodiscard]] inline std::string_view to_view(const MDB_val& value) {
  return {static_cast<const char*>(value.mv_data), value.mv_size};
}

// A cursor that is closed at the end of its scope.
class LmdbCursor {
 public:
  LmdbCursor(MDB_txn* txn, MDB_dbi dbi) : code_(mdb_cursor_open(txn, dbi, &cursor_)) {}
  LmdbCursor(const LmdbCursor&) = delete;
  LmdbCursor& operator=(const LmdbCursor&) = delete;
  ~LmdbCursor() {
    if (cursor_ != nullptr) {
      mdb_cursor_close(cursor_);
    }
  }
  // LMDB's code: 0, MDB_NOTFOUND or a failure.
  [[nodiscard]] int get(MDB_val& key, MDB_val& value, MDB_cursor_op op) const {
    return cursor_ == nullptr ? code_ : mdb_cursor_get(cursor_, &key, &value, op);
  }
  // Through one cursor, keys in order find their place without a search from the root.
  [[nodiscard]] int put(MDB_val& key, MDB_val& value) const {
    return cursor_ == nullptr ? code_ : mdb_cursor_put(cursor_, &key, &value, 0);
  }
  // MDB_NOTFOUND when there is no such key.
  [[nodiscard]] int erase(MDB_val& key) const {
    MDB_val value{};
    const int code = get(key, value, MDB_SET);
    return code == 0 ? mdb_cursor_del(cursor_, 0) : code;
  }

 private:
  MDB_cursor* cursor_ = nullptr;
  int code_;
};

// LMDB's list of free pages is a database of its own, which it shows to those who read alone: under
// the number of each commit, how many pages that has freed, and their numbers (as mdb_stat, which
// comes with LMDB, reads it).
inline constexpr MDB_dbi kFreeList = 0;

// The pages of one value of that database, in LMDB's order; none when it is no such list.
[[nodiscard]] std::vector<std::uint64_t> free_pages(const MDB_val& value);
// How many there are in all, in the view of a transaction that reads; 0 when the list is none.
[[nodiscard]] std::uint64_t count_free_pages(MDB_txn* txn);

// Creates the directory, and those above it, when they are absent, and makes their names durable.
[[nodiscard]] Result<void> make_directory(const std::string& dir);

// Makes a new name in a directory durable. The directory must exist.
[[nodiscard]] Result<void> sync_directory(const std::string& dir);

}  // namespace payonce::log
