// log/history.h: the history of one stream: a chain in which each entry names the one before it.
#pragma once

#include <vector>

#include "base/result.h"
#include "core/record.h"
#include "log/log_store.h"
#include "log/state_store.h"

namespace payonce::log {

// The events of a stream from the one after `after` (0: the first) to `last`, oldest first.
// kCorrupt when an entry of the chain is missing or does not read.
[[nodiscard]] Result<std::vector<core::Record>> read_stream(const LogStore& log, std::uint64_t salt,
                                                            core::Seq last, core::Seq after);

// Everything of one payment, its fraud check and its refunds, in the order of the log.
[[nodiscard]] Result<std::vector<core::Record>> read_payment_history(const LogStore& log,
                                                                     std::uint64_t salt,
                                                                     StateStore::Snapshot& state,
                                                                     const core::Payment& payment);

}  // namespace payonce::log
