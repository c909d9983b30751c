#include "log/give_back.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <iterator>
#include <limits>
#include <memory>
#include <string>

namespace payonce::log {
namespace {

// Longer runs become several holes, so that each takes little time.
constexpr std::uint64_t kHoleMax = std::uint64_t{1} << 20;

// The database that LMDB makes first, in every file. Runs are asked for under keys that nobody has.
constexpr MDB_dbi kMain = 1;

// What LMDB puts before a value that has pages of its own.
constexpr std::uint64_t kPageHead = 16;

// LMDB gives up after so many lists for each page that it is asked for.
constexpr std::uint64_t kListsPerPage = 50;

// LMDB keeps a value below 4 GiB.
constexpr std::uint64_t kRunMax = std::uint64_t{256} << 20;

// Runs shorter than that cost LMDB little to look through.
constexpr std::uint64_t kLongRun = 64;

// Pages that are not asked for, since LMDB uses them next, for the very keys that it is asked with.
constexpr std::uint64_t kSpared = 512;

// Of the reserve; gaining less is not worth a commit.
constexpr std::uint64_t kGainPart = 32;

// Of a value that has pages of its own: their head begins with their number.
std::uint64_t first_page(const MDB_val& value) {
  std::uint64_t number = 0;
  std::memcpy(&number, static_cast<const char*>(value.mv_data) - kPageHead, sizeof number);
  return number;
}

}  // namespace

GiveBack::~GiveBack() {
  if (file_ >= 0) {
    ::close(file_);
  }
}

Result<std::uint64_t> GiveBack::round() {
  more_ = false;
  if (env_->file_bytes() < policy_.reserve_min + policy_.worth) {
    return 0;  // whatever is in use: no need to go through the list
  }
  const auto found = look();
  if (!found) {
    return std::unexpected(found.error());
  }
  const auto pages = found->free.pages();
  if (std::max(found->excess, found->holes) < policy_.worth || pages.size() <= found->reserve) {
    return 0;
  }
  if (const auto runs = plan(*found); !runs.empty()) {
    if (auto done = put_in_order(found->free, runs); !done) {
      return std::unexpected(done.error());
    }
    more_ = true;
    return 0;  // the lists are others now
  }
  if (found->excess < policy_.worth) {
    return 0;
  }
  const auto runs = runs_of(pages.subspan(found->reserve), policy_.run_min,
                            std::numeric_limits<std::uint64_t>::max());
  if (auto opened = open_file(); !opened) {
    return std::unexpected(opened.error());
  }
  const auto left = on_disk(runs);
  if (!left || left->empty()) {
    return left ? Result<std::uint64_t>(0) : std::unexpected(left.error());
  }
  more_ = true;
  return make_holes(found->free, *left, found->excess);
}

Result<void> GiveBack::open_file() {
  if (file_ >= 0) {
    return {};
  }
  const char* dir = nullptr;
  if (mdb_env_get_path(env_->get(), &dir) == 0) {
    file_ = ::open((std::string(dir) + "/data.mdb").c_str(), O_RDWR | O_CLOEXEC);
  }
  return file_ >= 0 ? Result<void>()
                    : fail(Errc::kInvalid, "cannot open the file of the store once more");
}

Result<GiveBack::Found> GiveBack::look() {
  const auto txn = LmdbTxn::begin(*env_, LmdbTxn::Mode::kRead);
  if (!txn) {
    return std::unexpected(txn.error());
  }
  MDB_envinfo info{};
  MDB_stat stat{};
  if (mdb_env_info(env_->get(), &info) != 0 || mdb_env_stat(env_->get(), &stat) != 0) {
    return fail(Errc::kIo, "cannot ask for the size of the store");
  }
  page_size_ = stat.ms_psize;
  Found found{.free = FreeList(env_->get(), txn->get())};
  const std::uint64_t pages = info.me_last_pgno + 1;
  const std::uint64_t used = (pages - std::min(pages, found.free.total())) * page_size_;
  const std::uint64_t reserve =
      std::max(policy_.reserve_min, used / std::max<std::uint64_t>(policy_.reserve_part, 1));
  const std::uint64_t taken = env_->disk_bytes();
  found.reserve = reserve / page_size_;
  found.excess = taken - std::min(taken, used + reserve);
  found.holes = pages * page_size_ - std::min(pages * page_size_, taken);
  return found;
}

std::vector<FreeList::Run> GiveBack::plan(const Found& found) const {
  const FreeList& free = found.free;
  const std::uint64_t end = free.pages()[found.reserve].number;
  const std::uint64_t before = free.pages_before(end);
  if (before >= found.reserve - found.reserve / 4) {
    return {};
  }
  // What is in order already, most of it one long run, is taken first: then LMDB need not look
  // through it again with each list.
  const std::size_t spared = free.lists_of(kSpared);
  std::vector<Run> runs = runs_of(free.in_long_lists(spared), kLongRun, kRunMax / page_size_);
  runs.resize(std::min(runs.size(), policy_.runs_max / 2));
  const std::size_t lists = free.lists_within(policy_.looks_max, runs);
  std::erase_if(runs, [&](const Run& run) { return run.newest >= lists; });
  const std::vector<FreeList::Page> rest = free.without(runs, spared, lists);
  std::vector<Run> more = runs_of(rest, lists / kListsPerPage + 2, kRunMax / page_size_);
  more.resize(std::min(more.size(), policy_.runs_max / 2));
  // Up to the one that takes the newest list. It is found once all its lists are there, unless a
  // run as long is there before.
  const auto last = std::ranges::max_element(more, {}, &Run::newest);
  if (last == more.end()) {
    return {};
  }
  const std::size_t newest = last->newest;
  runs.insert(runs.end(), more.begin(), last + 1);
  const auto after = static_cast<std::uint64_t>(std::ranges::count_if(
      free.pages(),
      [&](const FreeList::Page& page) { return page.number < end && page.list <= newest; }));
  return after <= before + found.reserve / kGainPart ? std::vector<Run>() : runs;
}

Result<void> GiveBack::put_in_order(const FreeList& free, std::span<const Run> runs) const {
  auto lock = LmdbTxn::begin(*env_, LmdbTxn::Mode::kWrite);
  if (!lock) {
    return std::unexpected(lock.error());
  }
  const auto there = still_there(*lock, free, runs);
  int code = there.empty() ? MDB_MAP_FULL : ask(*lock, there);
  if (code == MDB_MAP_FULL) {
    return {};  // without a commit nothing has changed
  }
  if (code == 0) {
    code = lock->commit();
  }
  return code == 0 ? Result<void>() : lmdb_error(code, "cannot put the free pages in order");
}

// MDB_MAP_FULL also when LMDB found a run nowhere, and would make the file longer.
int GiveBack::ask(const LmdbTxn& lock, std::span<const Run> runs) const {
  MDB_envinfo info{};
  if (const int code = mdb_env_info(env_->get(), &info); code != 0) {
    return code;
  }
  const std::uint64_t end = info.me_last_pgno + 1;
  std::uint64_t number = std::numeric_limits<std::uint64_t>::max();
  MDB_val key{sizeof number, &number};
  int code = 0;
  for (const Run& run : runs) {
    MDB_val value{run.count * page_size_ - kPageHead, nullptr};
    code = mdb_put(lock.get(), kMain, &key, &value, MDB_RESERVE | MDB_NOOVERWRITE);
    if (code != 0 || first_page(value) + run.count > end) {
      return code != 0 ? code : MDB_MAP_FULL;
    }
    --number;
  }
  while (code == 0 && ++number != 0) {
    code = mdb_del(lock.get(), kMain, &key, nullptr);
  }
  return code;
}

std::vector<FreeList::Run> GiveBack::still_there(const LmdbTxn& /*lock*/, const FreeList& free,
                                                 std::span<const Run> runs) const {
  MDB_txn* opened = nullptr;
  if (mdb_txn_begin(env_->get(), nullptr, MDB_RDONLY, &opened) != 0) {
    return {};
  }
  const std::unique_ptr<MDB_txn, decltype(&mdb_txn_abort)> txn(opened, mdb_txn_abort);
  return free.still_there(env_->get(), txn.get(), runs);
}

Result<std::vector<FreeList::Run>> GiveBack::on_disk(std::span<const Run> runs) const {
  std::vector<Run> found;
  for (const Run& run : runs) {
    const std::uint64_t end = run.first + run.count;
    for (std::uint64_t at = run.first; at < end && found.size() < policy_.holes_max;) {
      const off_t data = ::lseek(file_, static_cast<off_t>(at * page_size_), SEEK_DATA);
      if (data < 0 && errno != ENXIO) {
        return fail(Errc::kInvalid, "cannot look for holes in the store");
      }
      const std::uint64_t first = static_cast<std::uint64_t>(data) / page_size_;
      if (data < 0 || first >= end) {
        break;
      }
      const off_t hole = ::lseek(file_, data, SEEK_HOLE);
      const std::uint64_t behind =
          hole < 0 ? end : (static_cast<std::uint64_t>(hole) + page_size_ - 1) / page_size_;
      const std::uint64_t count = std::min({behind, end, first + kHoleMax / page_size_}) - first;
      found.push_back({.first = first, .count = count, .newest = run.newest});
      at = first + count;
    }
  }
  return found;
}

Result<std::uint64_t> GiveBack::make_holes(const FreeList& free, std::span<const Run> runs,
                                           std::uint64_t bytes) const {
  const auto lock = LmdbTxn::begin(*env_, LmdbTxn::Mode::kWrite);
  if (!lock) {
    return std::unexpected(lock.error());
  }
  const auto begin = std::chrono::steady_clock::now();
  std::uint64_t given = 0;
  for (Run run : still_there(*lock, free, runs)) {
    run.count = std::min(run.count, (bytes - given) / page_size_);
    if (run.count == 0) {
      break;
    }
    if (auto done = make_hole(run); !done) {
      return std::unexpected(done.error());
    }
    given += run.count * page_size_;
    if (std::chrono::steady_clock::now() - begin >= policy_.lock_max) {
      break;
    }
  }
  return given;
}

Result<void> GiveBack::make_hole(const Run& run) const {
  int code = 0;
  do {
    code = ::fallocate(file_, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                       static_cast<off_t>(run.first * page_size_),
                       static_cast<off_t>(run.count * page_size_)) == 0
               ? 0
               : errno;
  } while (code == EINTR);
  if (code != 0) {
    return fail(Errc::kInvalid,
                std::string("cannot make a hole in the store: ") + std::strerror(code));
  }
  return {};
}

}  // namespace payonce::log
