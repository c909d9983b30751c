#include "log/lmdb_env.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>

namespace payonce::log {
namespace {

// Readers at the same time: the readers of lists, the checkpointer, the engine.
constexpr unsigned kReadersMax = 5000;

Errc class_of(int code) {
  switch (code) {
    case MDB_INVALID:
    case MDB_VERSION_MISMATCH:
    case MDB_INCOMPATIBLE:
      return Errc::kForeign;
    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND:
    case MDB_PANIC:
    // None of these can follow from what we ask for; they follow from damaged pages.
    case MDB_BAD_TXN:
    case MDB_BAD_VALSIZE:
    case MDB_BAD_DBI:
    case MDB_CURSOR_FULL:
      return Errc::kCorrupt;
    case MDB_MAP_FULL:
    case ENOSPC:
      return Errc::kFull;
    default:
      return Errc::kIo;
  }
}

}  // namespace

std::unexpected<Error> lmdb_error(int code, const std::string& doing) {
  return fail(class_of(code), doing + ": " + mdb_strerror(code));
}

Result<void> LmdbEnv::open(const std::string& dir, std::uint64_t map_size, unsigned databases) {
  if (auto made = make_directory(dir); !made) {
    return made;
  }
  std::error_code trouble;
  const bool fresh = !std::filesystem::exists(dir + "/data.mdb", trouble);
  int code = mdb_env_create(&env_);
  if (code == 0) {
    code = mdb_env_set_mapsize(env_, map_size);
  }
  if (code == 0 && databases > 0) {
    code = mdb_env_set_maxdbs(env_, databases);
  }
  if (code == 0) {
    code = mdb_env_set_maxreaders(env_, kReadersMax);
  }
  if (code == 0) {
    // NOTLS: a reader belongs to its object, not to its thread. NORDAHEAD: lookups are random.
    code = mdb_env_open(env_, dir.c_str(), MDB_NOTLS | MDB_NORDAHEAD, 0640);
  }
  if (code != 0) {
    close();
    return lmdb_error(code, "cannot open " + dir + "/data.mdb");
  }
  int dead = 0;
  code = mdb_reader_check(env_, &dead);  // slots of a process that was killed
  if (code != 0) {
    close();
    return lmdb_error(code, "cannot clear dead readers of " + dir);
  }
  if (fresh) {
    return sync_directory(dir);
  }
  return {};
}

Result<void> LmdbEnv::check_length() const {
  MDB_envinfo info{};
  MDB_stat stat{};
  const char* dir = nullptr;
  int code = mdb_env_info(env_, &info);
  if (code == 0) {
    code = mdb_env_stat(env_, &stat);
  }
  if (code == 0) {
    code = mdb_env_get_path(env_, &dir);
  }
  if (code != 0) {
    return lmdb_error(code, "cannot ask for the size of the store");
  }
  const std::string file = std::string(dir) + "/data.mdb";
  std::error_code trouble;
  const auto size = std::filesystem::file_size(file, trouble);
  if (trouble) {
    return fail(Errc::kIo, "cannot ask for the size of " + file + ": " + trouble.message());
  }
  const std::uint64_t wanted = (std::uint64_t{info.me_last_pgno} + 1) * stat.ms_psize;
  if (size < wanted) {
    return fail(Errc::kCorrupt, file + " is cut short: it has " + std::to_string(size) +
                                    " bytes and should have " + std::to_string(wanted));
  }
  return {};
}

std::uint64_t LmdbEnv::free_map_bytes() const {
  MDB_envinfo info{};
  MDB_stat stat{};
  if (mdb_env_info(env_, &info) != 0 || mdb_env_stat(env_, &stat) != 0) {
    return 0;
  }
  const std::uint64_t used = (std::uint64_t{info.me_last_pgno} + 1) * stat.ms_psize;
  return info.me_mapsize > used ? info.me_mapsize - used : 0;
}

void LmdbEnv::close() {
  if (env_ != nullptr) {
    mdb_env_close(env_);
    env_ = nullptr;
  }
}

Result<LmdbTxn> LmdbTxn::begin(const LmdbEnv& env, Mode mode) {
  LmdbTxn txn;
  const int code =
      mdb_txn_begin(env.get(), nullptr, mode == Mode::kRead ? MDB_RDONLY : 0U, &txn.txn_);
  if (code != 0) {
    txn.txn_ = nullptr;
    return lmdb_error(code, "cannot begin a transaction");
  }
  return txn;
}

int LmdbTxn::commit() {
  MDB_txn* txn = txn_;
  txn_ = nullptr;
  return mdb_txn_commit(txn);
}

void LmdbTxn::abort() {
  if (txn_ != nullptr) {
    mdb_txn_abort(txn_);
    txn_ = nullptr;
  }
}

Result<void> make_directory(const std::string& dir) {
  std::error_code trouble;
  if (std::filesystem::is_directory(dir, trouble)) {
    return {};
  }
  std::string above = std::filesystem::path(dir).parent_path();
  if (above.empty()) {
    above = ".";
  }
  if (auto made = make_directory(above); !made) {
    return made;
  }
  std::filesystem::create_directory(dir, trouble);
  if (trouble) {
    return fail(Errc::kIo, "cannot create " + dir + ": " + trouble.message());
  }
  return sync_directory(above);
}

Result<void> sync_directory(const std::string& dir) {
  const int fd = ::open(dir.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) {
    return fail(Errc::kIo, "cannot open " + dir + ": " + std::strerror(errno));
  }
  const int code = ::fsync(fd) == 0 ? 0 : errno;
  ::close(fd);
  if (code != 0) {
    return fail(Errc::kIo, "cannot sync " + dir + ": " + std::strerror(code));
  }
  return {};
}

}  // namespace payonce::log
