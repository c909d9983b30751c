// log/verify.h: whether a log and its state are what they should be, as a whole.
//
// Reads every entry of the log and every row of the state. Where the log is whole, it is folded
// once more, into a state of its own in a directory that is given, and the two are compared byte
// for byte; where old history has been dropped, rows and secondary keys are held against each
// other. Writes nothing else. Takes as long as a rebuild of the state. One thread; nobody may write
// meanwhile.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "log/log_store.h"
#include "log/state_store.h"

namespace payonce::log {

struct Verified {
  std::uint64_t entries = 0;  // of the log, all with the right checksum
  std::uint64_t rows = 0;
  std::uint64_t keys = 0;
  core::Seq applied = 0;  // newest entry that the state holds
  bool folded = false;    // the log was folded again, since it is whole
};

// Every entry decodes and belongs to this log. The error is the first one's.
[[nodiscard]] Result<std::uint64_t> verify_log(const LogStore& log, std::uint64_t salt);

// kCorrupt: what is wrong with the state. `scratch` must not exist and is removed again.
[[nodiscard]] Result<Verified> verify_state(const LogStore& log, const StateStore& state,
                                            std::uint64_t salt, const std::string& scratch,
                                            std::uint64_t map_size);

}  // namespace payonce::log
