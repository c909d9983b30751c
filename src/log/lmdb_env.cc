#include "log/lmdb_env.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <mutex>
#include <optional>
#include <system_error>
#include <thread>

#include "log/page_check.h"

namespace payonce::log {
namespace {

// Readers at the same time: the readers of lists, the checkpointer, the engine.
constexpr unsigned kReadersMax = 5000;

// How much later a transaction begins while somebody waits for the map: longer than most others
// take that run already.
constexpr std::chrono::milliseconds kGiveWay{1};

// Looked at before LMDB does: 16 MiB, which takes some milliseconds. `payonce verify` looks at all.
constexpr std::uint64_t kPagesAtOpen = 4096;

// Of allocate_ahead(): takes well below a millisecond.
constexpr std::size_t kStep = std::size_t{1} << 20;

Errc class_of(int code) {
  switch (code) {
    case MDB_INVALID:
    case MDB_VERSION_MISMATCH:
    case MDB_INCOMPATIBLE:
      return Errc::kForeign;
    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND:
    case MDB_PANIC:
    // None of these can follow from what we ask for; they follow from damaged pages. What need not
    // be there is asked for without an error.
    case MDB_NOTFOUND:
    case MDB_BAD_TXN:
    case MDB_BAD_VALSIZE:
    case MDB_BAD_DBI:
    case MDB_CURSOR_FULL:
      return Errc::kCorrupt;
    case MDB_MAP_FULL:
    case ENOSPC:
    case EDQUOT:  // of the user
    case EFBIG:   // RLIMIT_FSIZE
      return Errc::kFull;
    default:
      return Errc::kIo;
  }
}

// Whether there is room for another map of that size beside the one that is there.
bool address_room(std::uint64_t size) {
  void* const place =
      ::mmap(nullptr, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  return place != MAP_FAILED && ::munmap(place, size) == 0;
}

// What a value of the free list begins with; nothing when the rest is not as long as that.
std::optional<std::uint64_t> free_count(const MDB_val& value) {
  std::uint64_t count = 0;
  if (value.mv_size < sizeof count) {
    return std::nullopt;
  }
  std::memcpy(&count, value.mv_data, sizeof count);
  return count < value.mv_size / sizeof count ? std::optional(count) : std::nullopt;
}

// Makes an empty environment elsewhere first: after a power cut the file is there as a whole or not
// at all, and is never taken for a damaged one.
Result<void> make_file(const std::string& dir) {
  const std::string fresh = dir + "/new";
  std::error_code trouble;
  std::filesystem::remove_all(fresh, trouble);
  std::filesystem::create_directory(fresh, trouble);
  MDB_env* env = nullptr;
  int code = mdb_env_create(&env);
  if (code == 0) {
    code = mdb_env_open(env, fresh.c_str(), 0, 0640);
  }
  if (code == 0) {
    code = mdb_env_sync(env, /*force=*/1);
  }
  if (env != nullptr) {
    mdb_env_close(env);
  }
  if (code != 0) {
    return lmdb_error(code, "cannot create " + fresh + "/data.mdb");
  }
  std::filesystem::rename(fresh + "/data.mdb", dir + "/data.mdb", trouble);
  if (trouble) {
    return fail(Errc::kIo, "cannot create " + dir + "/data.mdb: " + trouble.message());
  }
  std::filesystem::remove_all(fresh, trouble);
  return sync_directory(dir);
}

}  // namespace

std::unexpected<Error> lmdb_error(int code, const std::string& doing) {
  return fail(class_of(code), doing + ": " + mdb_strerror(code));
}

Result<void> LmdbEnv::open(const std::string& dir, std::uint64_t map_size, unsigned databases,
                           Sync sync) {
  if (auto made = make_directory(dir); !made) {
    return made;
  }
  const std::string file = dir + "/data.mdb";
  std::error_code trouble;
  const auto size = std::filesystem::file_size(file, trouble);
  if (trouble || size == 0) {
    if (auto made = make_file(dir); !made) {
      return made;
    }
  }
  if (const auto sound = check_pages(file, kPagesAtOpen); !sound) {
    return std::unexpected(sound.error());
  }
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
    const unsigned flags =
        MDB_NOTLS | MDB_NORDAHEAD | (sync == Sync::kNever ? static_cast<unsigned>(MDB_NOSYNC) : 0U);
    code = mdb_env_open(env_, dir.c_str(), flags, 0640);
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
  return {};
}

LmdbEnv::Extent LmdbEnv::extent() const {
  const auto held = use();  // LMDB reads its answers from the map
  return extent_in_use();
}

LmdbEnv::Extent LmdbEnv::extent_in_use() const {
  MDB_envinfo info{};
  MDB_stat stat{};
  if (mdb_env_info(env_, &info) != 0 || mdb_env_stat(env_, &stat) != 0) {
    return {};
  }
  return {.pages = std::uint64_t{info.me_last_pgno} + 1,
          .page_size = stat.ms_psize,
          .map_size = info.me_mapsize};
}

std::uint64_t LmdbEnv::free_map_bytes(std::uint64_t enough) const {
  const Extent held = extent();
  const std::uint64_t used = held.pages * held.page_size;
  const std::uint64_t unused = held.map_size > used ? held.map_size - used : 0;
  if (unused >= enough) {
    return unused;
  }
  const auto txn = LmdbTxn::begin(*this, LmdbTxn::Mode::kRead);
  return unused + (txn ? count_free_pages(txn->get()) : 0) * held.page_size;
}

Result<void> LmdbEnv::allocate_ahead(std::uint64_t ahead) {
  int file = -1;
  if (const int code = mdb_env_get_fd(env_, &file); code != 0) {
    return lmdb_error(code, "cannot get at the file of the store");
  }
  // Looked at without a lock: nearly always there is enough, and nobody has to wait for that.
  while (true) {
    const Extent held = extent();
    const auto begin = end_of(file, held);
    if (!begin) {
      return std::unexpected(begin.error());
    }
    if (*begin >= held.pages * held.page_size + ahead || *begin + kStep > held.map_size) {
      return {};
    }
    if (auto longer = lengthen(file); !longer) {
      return longer;
    }
    if (::fdatasync(file) != 0) {
      return fail(Errc::kIo, std::string("cannot sync zeros: ") + std::strerror(errno));
    }
  }
}

Result<std::uint64_t> LmdbEnv::end_of(int file, const Extent& held) {
  struct stat status {};
  if (held.pages == 0 || ::fstat(file, &status) != 0) {
    return fail(Errc::kIo, "cannot ask for the size of the store");
  }
  return std::max(static_cast<std::uint64_t>(status.st_size), held.pages * held.page_size);
}

// Whoever writes pages holds LMDB's lock for writers; while we hold it, what is behind the end of
// the file is nobody's.
Result<void> LmdbEnv::lengthen(int file) {
  static constexpr std::array<char, 64 << 10> kZeros{};
  const auto lock = LmdbTxn::begin(*this, LmdbTxn::Mode::kWrite);
  if (!lock) {
    return std::unexpected(lock.error());
  }
  const Extent held = extent_in_use();
  const auto end = end_of(file, held);
  if (!end) {
    return std::unexpected(end.error());
  }
  const std::uint64_t begin = *end;
  if (begin + kStep > held.map_size) {
    return {};
  }
  std::uint64_t done = 0;
  while (done < kStep) {
    const ssize_t wrote =
        ::pwrite(file, kZeros.data(), std::min<std::size_t>(kStep - done, kZeros.size()),
                 static_cast<off_t>(begin + done));
    if (wrote < 0 && errno == EINTR) {
      continue;
    }
    if (wrote <= 0) {
      const int code = wrote < 0 ? errno : ENOSPC;
      // Room that others need is given back; a file that stays longer does no harm.
      static_cast<void>(::ftruncate(file, static_cast<off_t>(begin)) == 0);
      return lmdb_error(code, "cannot write zeros");
    }
    done += static_cast<std::uint64_t>(wrote);
  }
  return {};
}

std::uint64_t LmdbEnv::file_bytes() const {
  const Extent held = extent();
  return held.pages * held.page_size;
}

std::uint64_t LmdbEnv::disk_bytes() const {
  int file = -1;
  struct stat status {};
  const bool known = mdb_env_get_fd(env_, &file) == 0 && ::fstat(file, &status) == 0;
  return known ? static_cast<std::uint64_t>(status.st_blocks) * 512 : 0;
}

std::uint64_t LmdbEnv::map_bytes() const { return extent().map_size; }

std::shared_lock<LmdbEnv::Users> LmdbEnv::use() const {
  if (growing_.load(std::memory_order_relaxed)) {
    std::this_thread::sleep_for(kGiveWay);
  }
  return std::shared_lock(users_);
}

Result<void> LmdbEnv::grow(std::uint64_t map_size, std::chrono::milliseconds patience) {
  if (map_size <= map_bytes()) {
    return fail(Errc::kInvalid, "the map can only grow");
  }
  growing_.store(true, std::memory_order_relaxed);
  // By the wall clock, since the thread sanitizer does not know the wait by the steady one.
  const std::unique_lock alone(users_, std::chrono::system_clock::now() + patience);
  growing_.store(false, std::memory_order_relaxed);
  if (!alone.owns_lock()) {
    return fail(Errc::kInUse, "the map is in use all the time");
  }
  MDB_envinfo info{};
  if (const int code = mdb_env_info(env_, &info); code != 0) {
    return lmdb_error(code, "cannot ask for the size of the map");
  }
  if (map_size <= info.me_mapsize) {
    return fail(Errc::kInvalid, "the map can only grow");
  }
  if (!address_room(map_size)) {
    return fail(Errc::kFull, "there is no room for a map of that size among the addresses");
  }
  if (const int code = mdb_env_set_mapsize(env_, map_size); code != 0) {
    return fail(Errc::kIo, std::string("the map is lost: ") + mdb_strerror(code));
  }
  return {};
}

void LmdbEnv::close() {
  if (env_ != nullptr) {
    mdb_env_close(env_);
    env_ = nullptr;
  }
}

Result<LmdbTxn> LmdbTxn::begin(const LmdbEnv& env, Mode mode) {
  LmdbTxn txn(env);
  const int code =
      mdb_txn_begin(env.get(), nullptr, mode == Mode::kRead ? MDB_RDONLY : 0U, &txn.txn_);
  if (code != 0) {
    txn.txn_ = nullptr;
    return lmdb_error(code, "cannot begin a transaction");
  }
  return txn;
}

int LmdbTxn::commit() {
  const int code = mdb_txn_commit(std::exchange(txn_, nullptr));
  use_.unlock();
  return code;
}

void LmdbTxn::abort() {
  if (txn_ != nullptr) {
    mdb_txn_abort(std::exchange(txn_, nullptr));
    if (use_.owns_lock()) {
      use_.unlock();
    }
  }
}

void LmdbTxn::reset() {
  if (use_.owns_lock()) {
    mdb_txn_reset(txn_);
    use_.unlock();
  }
}

int LmdbTxn::renew() {
  use_ = env_->use();
  const int code = mdb_txn_renew(txn_);
  if (code != 0) {
    use_.unlock();
  }
  return code;
}

std::vector<std::uint64_t> free_pages(const MDB_val& value) {
  std::vector<std::uint64_t> pages(free_count(value).value_or(0));
  if (!pages.empty()) {
    std::memcpy(pages.data(), static_cast<const char*>(value.mv_data) + sizeof(std::uint64_t),
                pages.size() * sizeof(std::uint64_t));
  }
  return pages;
}

std::uint64_t count_free_pages(MDB_txn* txn) {
  std::uint64_t found = 0;
  const LmdbCursor cursor(txn, kFreeList);
  MDB_val key{};
  MDB_val value{};
  for (int code = cursor.get(key, value, MDB_FIRST); code == 0;
       code = cursor.get(key, value, MDB_NEXT)) {
    const auto count = free_count(value);
    if (!count) {
      return 0;
    }
    found += *count;
  }
  return found;
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
