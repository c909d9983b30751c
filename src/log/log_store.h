// log/log_store.h: the port of the write-ahead workflow log.
//
// A log is a dense sequence of entries from 1. append() is the only moment of truth: when it
// returns, the whole batch is durable; when it fails, it is unknown how much is, so the caller
// stops and recovers by reopening, and never tries again. The port is free of any store's types,
// since a replicated log may stand behind it one day; `expected_last` fences off a second writer.
// Threads: append() by one thread at a time; read() and last_seq() by any, at any time.
#pragma once

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

class LogStore {
 public:
  using Visit = std::function<bool(core::Seq seq, std::string_view bytes)>;

  virtual ~LogStore() = default;

  // Appends the batch as entries expected_last + 1 …; durable on return. kInvalid, with nothing
  // written, when the log does not end at expected_last.
  [[nodiscard]] virtual Result<void> append(const Batch& batch, core::Seq expected_last) = 0;

  // Visits entries from `from` in order until the end of the log or until `visit` returns false.
  // The bytes are valid during the call only.
  [[nodiscard]] virtual Result<void> read(core::Seq from, const Visit& visit) const = 0;

  // The newest durable entry, 0 for an empty log.
  [[nodiscard]] virtual core::Seq last_seq() const = 0;
};

}  // namespace payonce::log
