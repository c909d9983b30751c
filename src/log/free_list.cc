#include "log/free_list.h"

#include <algorithm>
#include <cstring>
#include <functional>
#include <iterator>
#include <limits>
#include <ranges>
#include <sstream>
#include <string>

#include "log/lmdb_env.h"

namespace payonce::log {
namespace {

// LMDB fills a page with 509 of them when it writes back what it has taken and not used.
constexpr std::uint64_t kLongList = 256;

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

FreeList::FreeList(MDB_env* env, MDB_txn* txn, std::uint64_t pages_max) {
  const std::uint64_t oldest = oldest_read(env, mdb_txn_id(txn));
  total_ = count_free_pages(txn);
  std::uint64_t to_leave_out = total_ - std::min(total_, pages_max);
  const LmdbCursor cursor(txn, kFreeList);
  MDB_val key{};
  MDB_val value{};
  for (int code = cursor.get(key, value, MDB_FIRST); code == 0;
       code = cursor.get(key, value, MDB_NEXT)) {
    if (number_of(key) >= oldest) {
      break;  // they come in the order of the commits
    }
    const std::vector<std::uint64_t> found = free_pages(value);
    if (to_leave_out > 0) {
      to_leave_out -= std::min<std::uint64_t>(to_leave_out, found.size());
      left_out_ += found.size();
      continue;
    }
    for (const std::uint64_t number : found) {
      pages_.push_back({.number = number, .list = commits_.size()});
    }
    commits_.push_back(number_of(key));
    counts_.push_back(found.size());
  }
  std::ranges::sort(pages_, {}, &Page::number);
}

std::uint64_t FreeList::pages_before(std::uint64_t end) const {
  std::size_t first = std::numeric_limits<std::size_t>::max();
  for (const Page& page : pages_) {
    if (page.number >= end) {
      first = std::min(first, page.list);
    }
  }
  return left_out_ +
         static_cast<std::uint64_t>(std::ranges::count_if(
             pages_, [&](const Page& page) { return page.number < end && page.list <= first; }));
}

std::size_t FreeList::lists_of(std::uint64_t pages) const {
  std::size_t lists = 0;
  for (std::uint64_t found = 0; lists < counts_.size() && found < pages; ++lists) {
    found += counts_[lists];
  }
  return lists;
}

std::vector<FreeList::Page> FreeList::in_long_lists(std::size_t from) const {
  std::vector<Page> found;
  std::ranges::copy_if(pages_, std::back_inserter(found), [&](const Page& page) {
    return page.list >= from && counts_[page.list] >= kLongList;
  });
  return found;
}

std::vector<FreeList::Page> FreeList::without(std::span<const Run> runs, std::size_t from,
                                              std::size_t end) const {
  std::vector<Run> ordered(runs.begin(), runs.end());
  std::ranges::sort(ordered, {}, &Run::first);
  std::vector<Page> found;
  auto run = ordered.begin();
  for (const Page& page : pages_) {
    while (run != ordered.end() && run->first + run->count <= page.number) {
      ++run;
    }
    if (page.list >= from && page.list < end &&
        (run == ordered.end() || page.number < run->first)) {
      found.push_back(page);
    }
  }
  return found;
}

std::size_t FreeList::lists_within(std::uint64_t looks, std::span<const Run> runs) const {
  std::vector<std::uint64_t> leaving(counts_.size());
  for (const Run& run : runs) {
    leaving[run.newest] += run.count;
  }
  std::uint64_t taken = 0;
  std::uint64_t looked = 0;
  std::size_t within = 0;
  for (; within < counts_.size() && looked < looks; ++within) {
    taken += counts_[within];
    looked += taken;
    taken -= std::min(taken, leaving[within]);
  }
  return within;
}

std::vector<FreeList::Run> FreeList::still_there(MDB_env* env, MDB_txn* txn,
                                                 std::span<const Run> runs) const {
  const std::uint64_t oldest = oldest_read(env, mdb_txn_id(txn));
  std::vector<Run> there;
  std::ranges::copy_if(runs, std::back_inserter(there), [&](const Run& run) {
    return commits_[run.newest] < oldest && still_there(txn, run);
  });
  return there;
}

// LMDB takes whole lists, and may put others under the same commits: so every page is looked for.
bool FreeList::still_there(MDB_txn* txn, const Run& run) const {
  const auto begin = std::ranges::lower_bound(pages_, run.first, {}, &Page::number);
  std::vector<Page> wanted(begin, begin + static_cast<std::ptrdiff_t>(run.count));
  std::ranges::reverse(wanted);  // as LMDB's lists are
  std::ranges::stable_sort(wanted, {}, &Page::list);
  const LmdbCursor cursor(txn, kFreeList);
  for (auto at = wanted.begin(); at != wanted.end();) {
    const auto end = std::ranges::upper_bound(at, wanted.end(), at->list, {}, &Page::list);
    std::uint64_t commit = commits_[at->list];
    MDB_val key{sizeof commit, &commit};
    MDB_val value{};
    if (cursor.get(key, value, MDB_SET) != 0) {
      return false;
    }
    const auto numbers = std::ranges::subrange(at, end) | std::views::transform(&Page::number);
    if (!std::ranges::includes(free_pages(value), numbers, std::greater{})) {
      return false;
    }
    at = end;
  }
  return true;
}

std::vector<FreeList::Run> runs_of(std::span<const FreeList::Page> pages, std::uint64_t least,
                                   std::uint64_t longest) {
  std::vector<FreeList::Run> runs;
  for (auto at = pages.begin(); at != pages.end();) {
    FreeList::Run run{.first = at->number, .count = 0, .newest = at->list};
    while (at != pages.end() && at->number == run.first + run.count && run.count < longest) {
      run.newest = std::max(run.newest, at->list);
      ++run.count;
      ++at;
    }
    if (run.count >= least) {
      runs.push_back(run);
    }
  }
  std::ranges::stable_sort(runs, std::greater{}, &FreeList::Run::count);
  return runs;
}

}  // namespace payonce::log
