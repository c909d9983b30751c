// log/page_check.h: looks at the pages of an LMDB file before LMDB does.
//
// LMDB trusts what its pages say: a damaged one makes it read beside its map, give another page's
// rows, or forget some. Here every page that the newest commit uses is held against what LMDB
// 0.9 writes: that it is where it says, has the right kind, keys in order and within the bounds
// that the page above names, values inside it; that no page is used twice, or both used and free;
// and that counts agree. What stands inside of keys and values is not looked at: entries and rows
// have checksums of their own. Reads only, and never a byte that the file does not have. Threads:
// none may write to the file meanwhile. Takes about a microsecond per page.
#pragma once

#include <cstdint>
#include <limits>
#include <string>

#include "base/result.h"

namespace payonce::log {

inline constexpr std::uint64_t kAllPages = std::numeric_limits<std::uint64_t>::max();

struct PageCheck {
  bool whole = true;  // every page was looked at
  std::uint64_t pages = 0;
};

// At most `pages_max` pages, newest keys first. Of an absent or empty file there is nothing to say.
// kForeign: it is not LMDB's; kCorrupt: damaged or cut short, and how; kIo.
[[nodiscard]] Result<PageCheck> check_pages(const std::string& file, std::uint64_t pages_max);

}  // namespace payonce::log
