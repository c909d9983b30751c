// log/lmdb_env.h: the thin layer that keeps LMDB's handles owned and its codes named.
//
// Caveats taken from LMDB's manual: an environment is opened once per process; a write transaction
// belongs to the thread that began it; a reader that is kept open keeps old pages from being
// reused. Durability: environments are opened without NOSYNC, NOMETASYNC, MAPASYNC or WRITEMAP,
// always.
#pragma once

#include <lmdb.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace payonce::log {

// "cannot append to the log: No space left on device"
[[nodiscard]] std::unexpected<Error> lmdb_error(int code, const std::string& doing);

class LmdbEnv {
 public:
  LmdbEnv() = default;
  LmdbEnv(const LmdbEnv&) = delete;
  LmdbEnv& operator=(const LmdbEnv&) = delete;
  ~LmdbEnv() { close(); }

  // Opens or creates the environment in `dir`, which is created when absent. kForeign when the file
  // there is not LMDB's, kIo for everything else.
  [[nodiscard]] Result<void> open(const std::string& dir, std::uint64_t map_size,
                                  unsigned databases);
  void close();
  // kCorrupt when the file ends before the last page in use: reading on would raise SIGBUS. Where
  // things are deleted, LMDB may leave its last pages unwritten, so a false alarm is possible; it
  // costs the state store a rebuild, and cannot happen to the log.
  [[nodiscard]] Result<void> check_length() const;
  // Bytes of the map that have never been used; 0 when LMDB does not say.
  [[nodiscard]] std::uint64_t free_map_bytes() const;
  [[nodiscard]] MDB_env* get() const { return env_; }

 private:
  MDB_env* env_ = nullptr;
};

// A transaction that is aborted unless it was committed.
class LmdbTxn {
 public:
  LmdbTxn() = default;
  LmdbTxn(LmdbTxn&& other) noexcept : txn_(other.txn_) { other.txn_ = nullptr; }
  LmdbTxn& operator=(LmdbTxn&&) = delete;
  LmdbTxn(const LmdbTxn&) = delete;
  LmdbTxn& operator=(const LmdbTxn&) = delete;
  ~LmdbTxn() { abort(); }

  enum class Mode : std::uint8_t { kRead, kWrite };
  [[nodiscard]] static Result<LmdbTxn> begin(const LmdbEnv& env, Mode mode);
  [[nodiscard]] int commit();  // LMDB's code; the transaction is gone whatever it is
  void abort();
  [[nodiscard]] MDB_txn* get() const { return txn_; }

 private:
  MDB_txn* txn_ = nullptr;
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

// Creates the directory, and those above it, when they are absent, and makes their names durable.
[[nodiscard]] Result<void> make_directory(const std::string& dir);

// Makes a new name in a directory durable. The directory must exist.
[[nodiscard]] Result<void> sync_directory(const std::string& dir);

}  // namespace payonce::log
