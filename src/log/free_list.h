// log/free_list.h: LMDB's free pages, and the order in which it uses them.
//
// LMDB keeps a list for each commit that freed pages, and uses the oldest list first; of one list,
// the pages with the lowest numbers. A page is shown here only if LMDB itself might overwrite it in
// its next commit: it is free in both heads of the file, and for everybody who reads an older
// commit. It stays so until LMDB uses it.
//
// Owner: whoever read it. Lifetime: any; still_there() says what is left of it.
#pragma once

#include <lmdb.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace payonce::log {

class FreeList {
 public:
  struct Page {
    std::uint64_t number = 0;
    std::size_t list = 0;  // the oldest is 0
  };
  struct Run {  // of pages side by side
    std::uint64_t first = 0;
    std::uint64_t count = 0;
    std::size_t newest = 0;  // of the lists that it takes
  };

  // In the view of a transaction that reads. Of more than `pages_max` (16 bytes each) those of the
  // oldest lists are left out.
  FreeList(MDB_env* env, MDB_txn* txn, std::uint64_t pages_max = std::uint64_t{1} << 20);

  // With those left out, and those still in use by someone.
  [[nodiscard]] std::uint64_t total() const { return total_; }
  [[nodiscard]] std::span<const Page> pages() const { return pages_; }  // by number
  [[nodiscard]] std::size_t lists() const { return commits_.size(); }
  // How many pages LMDB uses before the first one here of number `end` or above.
  [[nodiscard]] std::uint64_t pages_before(std::uint64_t end) const;
  // How many lists, from the oldest on, have that many pages.
  [[nodiscard]] std::size_t lists_of(std::uint64_t pages) const;
  // Those of lists as long as LMDB makes them when it puts pages in order, from list `from` on.
  [[nodiscard]] std::vector<Page> in_long_lists(std::size_t from) const;
  // Those of the lists from `from` on and below `end` that are in none of the runs.
  [[nodiscard]] std::vector<Page> without(std::span<const Run> runs, std::size_t from,
                                          std::size_t end) const;
  // How many lists, from the oldest on, LMDB can take together before it has looked through `looks`
  // pages: with each list once more through all that it has taken. What is in `runs` leaves when
  // all of a run has been taken.
  [[nodiscard]] std::size_t lists_within(std::uint64_t looks, std::span<const Run> runs) const;
  // Those runs that are still free as they were, in the view of a transaction that reads the newest
  // commit while nobody can make another.
  [[nodiscard]] std::vector<Run> still_there(MDB_env* env, MDB_txn* txn,
                                             std::span<const Run> runs) const;

 private:
  [[nodiscard]] bool still_there(MDB_txn* txn, const Run& run) const;

  std::vector<Page> pages_;
  std::vector<std::uint64_t> commits_;  // of each list
  std::vector<std::uint64_t> counts_;   // likewise, of pages
  std::uint64_t total_ = 0;
  std::uint64_t left_out_ = 0;  // of what LMDB might overwrite
};

// The runs of at least `least` pages among `pages`, which are in the order of their numbers, from
// the longest to the shortest. Longer runs than `longest` are cut.
[[nodiscard]] std::vector<FreeList::Run> runs_of(std::span<const FreeList::Page> pages,
                                                 std::uint64_t least, std::uint64_t longest);

}  // namespace payonce::log
