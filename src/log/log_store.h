// log/log_store.h: the port of the write-ahead workflow log.
//
// A log is a dense sequence of entries from 1. Its old end may be dropped: then it is entry 1,
// which names the log, and a dense sequence from first_seq(). append() is the only moment of truth:
// when it returns, the whole batch is durable; when it fails, it is unknown how much is, so the
// caller stops and recovers by reopening, and never tries again. The port is free of any store's
// types, since a replicated log may stand behind it one day; `expected_last` fences off a second
// writer. Threads: append() by one thread at a time; all else by any, at any time.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "core/types.h"

namespace payonce::log {

// Entries of one commit, end to end in one buffer. Reused between commits to keep its memory.
struct Batch {
  std::string bytes;
  std::vector<std::size_t> ends;  // ends[i] is where entry i ends in `bytes`

  [[nodiscard]] std::size_t size() const { return ends.size(); }
  [[nodiscard]] bool empty() const { return ends.empty(); }
  [[nodiscard]] std::string_view entry(std::size_t i) const {
    const std::size_t begin = i == 0 ? 0 : ends[i - 1];
    return std::string_view(bytes).substr(begin, ends[i] - begin);
  }
  void clear() {
    bytes.clear();
    ends.clear();
  }
};

// How many entries a commit of `appended` ones may drop besides: more than it adds, so that what
// may go has soon gone, and so few that the commit takes no longer for it. One that adds nothing is
// made in order to drop.
[[nodiscard]] constexpr std::size_t drop_quota(std::size_t appended) {
  return appended == 0 ? 4096 : 2 * appended + 64;
}

// The oldest entry that may be dropped, given where the sequence begins.
[[nodiscard]] constexpr core::Seq oldest_droppable(core::Seq first) {
  return std::max<core::Seq>(first, 2);
}

// The error of who asks for an entry that has been dropped.
[[nodiscard]] inline std::unexpected<Error> dropped_error(core::Seq seq, core::Seq first) {
  return fail(Errc::kDropped, "log entry " + std::to_string(seq) +
                                  " has been dropped with the old history, which now begins with "
                                  "entry " +
                                  std::to_string(first));
}

class LogStore {
 public:
  using Visit = std::function<bool(core::Seq seq, std::string_view bytes)>;

  virtual ~LogStore() = default;

  // Appends the batch as entries expected_last + 1 …; durable on return. kInvalid, with nothing
  // written, when the log does not end at expected_last. The same commit drops some of what
  // drop_below() allows; an empty batch does only that.
  [[nodiscard]] virtual Result<void> append(const Batch& batch, core::Seq expected_last) = 0;

  // Visits entries from `from` in order until the end of the log or until `visit` returns false.
  // The bytes are valid during the call only. kDropped when the next entry has been dropped,
  // kCorrupt when it is missing otherwise.
  [[nodiscard]] virtual Result<void> read(core::Seq from, const Visit& visit) const = 0;

  // The newest durable entry, 0 for an empty log.
  [[nodiscard]] virtual core::Seq last_seq() const = 0;

  // Where the sequence begins: 1, or the oldest entry behind entry 1 once others were dropped.
  [[nodiscard]] virtual core::Seq first_seq() const = 0;

  // Entries below `floor` may be dropped from now on, but for entry 1 and the newest one. A lower
  // floor than before keeps what has not been dropped yet.
  virtual void drop_below(core::Seq floor) = 0;
};

}  // namespace payonce::log
