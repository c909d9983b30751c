// log/give_back.h: gives the blocks of free pages back to the file system.
//
// LMDB uses free pages again but never makes its file smaller. Once old history has been dropped,
// or many payments have been archived, most of a file can be free pages. Their blocks are given
// back by making holes in the file: nothing is copied and no page moves.
//
// A page is touched only if LMDB itself might overwrite it in its next commit (free_list.h), and
// under LMDB's lock for writers. What is to be done is found out before, so the lock is held only
// to look whether that is still so, and for a few holes or one commit.
//
// LMDB uses its free pages in turn, those freed first before all others. Under load that would come
// round to every hole within seconds. So now and then they are put in order: LMDB then uses those
// with the lowest numbers again and again, the reserve, which keep their blocks; those with the
// highest are holes, and stay so. LMDB has no call for that, but it does it on its way when asked
// for pages side by side: it takes one list after another until it has them all together, and
// writes what is left back in the order of the pages. So the longest runs are asked for, and given
// up again before the commit.
//
// Owner: one thread, without a transaction. Lifetime: no longer than the environment's.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/result.h"
#include "log/free_list.h"
#include "log/lmdb_env.h"

namespace payonce::log {

struct GiveBackPolicy {
  // Bytes of free pages that keep their blocks.
  std::uint64_t reserve_min = std::uint64_t{64} << 20;
  std::uint64_t reserve_part = 4;                 // or one of so many parts of what is in use
  std::uint64_t worth = std::uint64_t{16} << 20;  // bytes below which nothing is done
  std::size_t run_min = 4;                        // pages side by side that are worth a hole
  std::size_t holes_max = 16;                     // of a round
  // After that long no other hole is begun.
  std::chrono::microseconds lock_max{1'000};
  // Pages that LMDB looks through, with each list once more, to put them in order: 1 ns or less.
  std::uint64_t looks_max = 20'000'000;
  std::size_t runs_max = 32;  // that it is asked for
};

class GiveBack {
 public:
  explicit GiveBack(LmdbEnv& env, const GiveBackPolicy& policy = {})
      : env_(&env), policy_(policy) {}
  GiveBack(const GiveBack&) = delete;
  GiveBack& operator=(const GiveBack&) = delete;
  ~GiveBack();

  // Some of what can be given back, all of it in as many rounds as it takes. The bytes that the
  // disk has got. kInvalid: the file system cannot make a hole; then there is no use in asking
  // again. All others: a commit failed, and the process has to end.
  [[nodiscard]] Result<std::uint64_t> round();
  // Whether the round found something to do; else the next one can wait.
  [[nodiscard]] bool more() const { return more_; }

 private:
  using Run = FreeList::Run;
  struct Found {
    FreeList free;
    std::uint64_t reserve = 0;  // pages
    std::uint64_t excess = 0;   // bytes on the disk beyond what is in use and in reserve
    std::uint64_t holes = 0;    // bytes that are not on the disk
  };

  [[nodiscard]] Result<void> open_file();
  [[nodiscard]] Result<Found> look();
  // The runs to ask for so that LMDB puts the free pages in order; none when that gains too little.
  [[nodiscard]] std::vector<Run> plan(const Found& found) const;
  [[nodiscard]] Result<void> put_in_order(const FreeList& free, std::span<const Run> runs) const;
  // LMDB's code.
  [[nodiscard]] int ask(const LmdbTxn& lock, std::span<const Run> runs) const;
  // Of the runs, those that are still free; nobody can make a commit while `lock` is open.
  [[nodiscard]] std::vector<Run> still_there(const LmdbTxn& lock, const FreeList& free,
                                             std::span<const Run> runs) const;
  // Those parts of the runs that are on the disk, up to holes_max.
  [[nodiscard]] Result<std::vector<Run>> on_disk(std::span<const Run> runs) const;
  [[nodiscard]] Result<std::uint64_t> make_holes(const FreeList& free, std::span<const Run> runs,
                                                 std::uint64_t bytes) const;
  [[nodiscard]] Result<void> make_hole(const Run& run) const;

  LmdbEnv* env_;
  GiveBackPolicy policy_;
  bool more_ = false;
  std::uint64_t page_size_ = 0;
  // Not LMDB's own descriptor: who looks for holes moves it, and LMDB writes where it stands.
  int file_ = -1;
};

}  // namespace payonce::log
