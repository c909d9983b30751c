// log/give_back.h: gives the blocks of free pages back to the file system.
//
// LMDB uses free pages again but never makes its file smaller. Once old history has been dropped,
// or many payments have been archived, most of a file can be free pages. Their blocks are given
// back by making holes in the file: nothing is copied and no page moves.
//
// A page is touched only if LMDB itself might overwrite it in its next commit: it is free in both
// heads of the file, and for everybody who reads an older commit. LMDB's lock for writers is held
// meanwhile, so a round is short.
//
// What LMDB will use next stays as it is, since a commit that finds its blocks on the disk is
// faster: the oldest free pages, up to the reserve.
//
// Owner: one thread, without a transaction. Lifetime: no longer than the environment's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/result.h"
#include "log/lmdb_env.h"

namespace payonce::log {

struct GiveBackPolicy {
  // Bytes of free pages that keep their blocks.
  std::uint64_t reserve_min = std::uint64_t{64} << 20;
  std::uint64_t reserve_part = 4;                 // or one of so many parts of what is in use
  std::uint64_t worth = std::uint64_t{16} << 20;  // bytes below which nothing is done
  std::size_t run_min = 4;                        // pages side by side that are worth a hole
  std::size_t holes_max = 16;                     // of a round
};

class GiveBack {
 public:
  explicit GiveBack(LmdbEnv& env, const GiveBackPolicy& policy = {})
      : env_(&env), policy_(policy) {}

  // Some of what can be given back, all of it in as many rounds as it takes. The bytes that the
  // disk has got. kInvalid: the file system makes no holes; kIo: it could not make one. Then
  // nothing has changed, and there is no use in asking again.
  [[nodiscard]] Result<std::uint64_t> round();

 private:
  // Where the next round goes on, from newer to older lists of free pages.
  struct Place {
    std::uint64_t commit = 0;  // which freed the pages
    std::uint64_t page = 0;    // those below have been looked at
  };

  [[nodiscard]] Result<std::uint64_t> too_many() const;
  // Afterwards place_ is empty when nothing more can be given back.
  [[nodiscard]] Result<void> walk();
  // False when the round has to end here.
  [[nodiscard]] Result<bool> make_holes(std::span<const std::uint64_t> pages);
  // The bytes that the run had on the disk.
  [[nodiscard]] Result<std::uint64_t> make_hole(std::uint64_t first, std::uint64_t count) const;

  LmdbEnv* env_;
  GiveBackPolicy policy_;
  std::optional<Place> place_;  // empty: the next round begins with the newest
  std::uint64_t newest_ = 0;    // where this walk began
  std::uint64_t floor_ = 0;     // up to there earlier walks have seen everything
  std::uint64_t left_ = 0;      // bytes that this round may still give back
  std::size_t holes_ = 0;       // of this round
  std::uint64_t page_size_ = 0;
  int file_ = -1;
};

}  // namespace payonce::log
