#include "log/give_back.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <sstream>
#include <string>

namespace payonce::log {
namespace {

// Longer runs become several holes, so that each takes little time.
constexpr std::uint64_t kHoleMax = std::uint64_t{1} << 20;

std::uint64_t number_of(const MDB_val& key) {
  std::uint64_t number = 0;
  std::memcpy(&number, key.mv_data, std::min(sizeof number, key.mv_size));
  return number;
}

// The oldest commit that anybody reads. LMDB tells it in a table alone: pid, thread, commit.
std::uint64_t oldest_read(MDB_env* env, std::uint64_t newest) {
  std::string table;
  const auto add = [](const char* text, void* to) {
    static_cast<std::string*>(to)->append(text);
    return 0;
  };
  if (mdb_reader_list(env, add, &table) < 0) {
    return 0;
  }
  std::istringstream lines(table);
  std::uint64_t oldest = newest;
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::uint64_t pid = 0;
    std::string thread;
    std::uint64_t commit = 0;
    if (words >> pid >> thread >> commit) {
      oldest = std::min(oldest, commit);
    }
  }
  return oldest;
}

}  // namespace

Result<std::uint64_t> GiveBack::round() {
  if (const int code = mdb_env_get_fd(env_->get(), &file_); code != 0) {
    return lmdb_error(code, "cannot get at the file of the store");
  }
  auto excess = too_many();
  if (!excess || *excess < policy_.worth) {
    return excess ? Result<std::uint64_t>(0) : excess;
  }
  left_ = *excess;
  if (auto done = walk(); !done) {
    return std::unexpected(done.error());
  }
  return *excess - left_;
}

// What the file takes of the disk beyond what is in use and in reserve.
Result<std::uint64_t> GiveBack::too_many() const {
  const std::uint64_t taken = env_->disk_bytes();
  if (taken < policy_.reserve_min + policy_.worth) {
    return 0;  // whatever is in use: no need to go through the list
  }
  const auto txn = LmdbTxn::begin(*env_, LmdbTxn::Mode::kRead);
  if (!txn) {
    return std::unexpected(txn.error());
  }
  MDB_envinfo info{};
  MDB_stat stat{};
  if (mdb_env_info(env_->get(), &info) != 0 || mdb_env_stat(env_->get(), &stat) != 0) {
    return fail(Errc::kIo, "cannot ask for the size of the store");
  }
  const std::uint64_t pages = info.me_last_pgno + 1;
  const std::uint64_t used =
      (pages - std::min(pages, count_free_pages(txn->get()))) * stat.ms_psize;
  const std::uint64_t kept =
      used + std::max(policy_.reserve_min, used / std::max<std::uint64_t>(policy_.reserve_part, 1));
  return taken - std::min(taken, kept);
}

Result<void> GiveBack::walk() {
  // Nobody commits while this is open, so what is read below is the newest commit. LMDB shows its
  // free list to those who read alone.
  const auto lock = LmdbTxn::begin(*env_, LmdbTxn::Mode::kWrite);
  if (!lock) {
    return std::unexpected(lock.error());
  }
  MDB_txn* opened = nullptr;
  if (const int code = mdb_txn_begin(env_->get(), nullptr, MDB_RDONLY, &opened); code != 0) {
    return lmdb_error(code, "cannot read the free pages");
  }
  const std::unique_ptr<MDB_txn, decltype(&mdb_txn_abort)> txn(opened, mdb_txn_abort);
  MDB_stat stat{};
  if (mdb_stat(txn.get(), kFreeList, &stat) != 0) {
    return fail(Errc::kIo, "cannot ask for the size of a page");
  }
  page_size_ = stat.ms_psize;
  const std::uint64_t newest = mdb_txn_id(txn.get());
  const std::uint64_t oldest = oldest_read(env_->get(), newest);
  if (!place_) {
    place_ = Place{.commit = oldest == 0 ? 0 : oldest - 1, .page = 0};
    newest_ = place_->commit;
  }
  holes_ = 0;
  const LmdbCursor cursor(txn.get(), kFreeList);
  std::uint64_t wanted = place_->commit;
  MDB_val key{sizeof wanted, &wanted};
  MDB_val value{};
  int code = cursor.get(key, value, MDB_SET_RANGE);
  if (code == MDB_NOTFOUND || (code == 0 && number_of(key) > wanted)) {
    code = cursor.get(key, value, code == 0 ? MDB_PREV : MDB_LAST);
  }
  for (; code == 0 && number_of(key) > floor_; code = cursor.get(key, value, MDB_PREV)) {
    const std::uint64_t commit = number_of(key);
    if (commit != place_->commit) {
      place_ = Place{.commit = commit, .page = 0};
    }
    std::vector<std::uint64_t> pages = free_pages(value);
    std::ranges::sort(pages);
    const auto whole = make_holes(pages);
    if (!whole) {
      return std::unexpected(whole.error());
    }
    if (!*whole) {
      return {};
    }
  }
  place_.reset();
  floor_ = newest_;
  return {};
}

Result<bool> GiveBack::make_holes(std::span<const std::uint64_t> pages) {
  const std::uint64_t longest = std::max(kHoleMax / page_size_, std::uint64_t{1});
  auto at = std::ranges::lower_bound(pages, place_->page);
  while (at != pages.end()) {
    const auto first = at;
    std::uint64_t count = 0;
    while (at != pages.end() && *at == *first + count && count < longest) {
      ++at;
      ++count;
    }
    if (count < policy_.run_min) {
      continue;
    }
    if (left_ < page_size_) {
      left_ = 0;
      return false;
    }
    count = std::min(count, left_ / page_size_);
    const auto bytes = make_hole(*first, count);
    if (!bytes) {
      return std::unexpected(bytes.error());
    }
    left_ -= *bytes;
    place_->page = *first + count;
    at = std::ranges::lower_bound(pages, place_->page);
    if (*bytes > 0 && ++holes_ >= policy_.holes_max) {
      return false;
    }
  }
  return true;
}

Result<std::uint64_t> GiveBack::make_hole(std::uint64_t first, std::uint64_t count) const {
  const auto begin = static_cast<off_t>(first * page_size_);
  const auto end = static_cast<off_t>((first + count) * page_size_);
  // Nothing there: a hole already, or behind the end of the file. LMDB writes at its own places, so
  // nobody minds that this moves the descriptor's.
  const off_t data = ::lseek(file_, begin, SEEK_DATA);
  if (data < 0 || data >= end) {
    return data < 0 && errno != ENXIO
               ? Result<std::uint64_t>(fail(Errc::kIo, "cannot look for holes in the store"))
               : Result<std::uint64_t>(0);
  }
  int code = 0;
  do {
    code = ::fallocate(file_, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, data, end - data) == 0
               ? 0
               : errno;
  } while (code == EINTR);
  if (code != 0) {
    return fail(code == EOPNOTSUPP || code == ENOSYS ? Errc::kInvalid : Errc::kIo,
                std::string("cannot make a hole in the store: ") + std::strerror(code));
  }
  return static_cast<std::uint64_t>(end - data);
}

}  // namespace payonce::log
