// log/checkpoint.h: brings the state store up to the log by folding durable entries.
//
// There is one way to make state: read the log, fold it, write the rows with the number of the last
// entry. Recovery, checkpoints while serving, and a rebuild from nothing are all this function.
// Owner: one thread at a time.
#pragma once

#include <cstddef>

#include "base/result.h"
#include "log/log_store.h"
#include "log/state_store.h"

namespace payonce::log {

struct Checkpoint {
  core::Seq applied = 0;   // newest entry that the state holds
  std::size_t folded = 0;  // entries folded by this call
};

// Folds at most `events_max` entries behind the state's applied_seq and commits them in one
// transaction. Folding nothing commits nothing. kCorrupt: an entry does not decode, does not fit
// the state, or the state claims more than the log holds.
[[nodiscard]] Result<Checkpoint> checkpoint(const LogStore& log, StateStore& state,
                                            std::uint64_t salt, std::size_t events_max);

// checkpoint() until the state holds the whole log as it was at the call.
[[nodiscard]] Result<Checkpoint> catch_up(const LogStore& log, StateStore& state,
                                          std::uint64_t salt, std::size_t events_max);

// The log's salt and newest time; writes the first entry when the log is empty.
struct LogIdentity {
  std::uint64_t salt = 0;
  Timestamp last_time;
};
[[nodiscard]] Result<LogIdentity> identify(LogStore& log, std::uint64_t fresh_salt, Timestamp now);

}  // namespace payonce::log
