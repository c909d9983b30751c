// log/history.h: the history of one stream: a chain in which each entry names the one before it.
// Where old entries were dropped, a history is what is left of it.
#pragma once

#include <vector>

#include "base/result.h"
#include "core/record.h"
#include "log/log_store.h"
#include "log/state_store.h"

namespace payonce::log {

struct History {
  std::vector<core::Record> records;  // oldest first
  bool whole = true;                  // else the oldest ones have been dropped
};

// The events of a stream from the one after `after` (0: the first) to `last`.
// kCorrupt when an entry of the chain is missing, but not dropped, or does not read.
[[nodiscard]] Result<History> read_stream(const LogStore& log, std::uint64_t salt, core::Seq last,
                                          core::Seq after);

// Everything of one payment, its fraud check and its refunds, in the order of the log.
[[nodiscard]] Result<History> read_payment_history(const LogStore& log, std::uint64_t salt,
                                                   StateStore::Snapshot& state,
                                                   const core::Payment& payment);

}  // namespace payonce::log
