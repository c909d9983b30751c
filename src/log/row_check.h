// log/row_check.h: whether the rows of a state and its secondary keys say the same.
//
// Every row is decoded, which compares its checksum, and held against the key that it stands under.
// Secondary keys follow from the rows, and are compared with them in both directions; only the
// sequence in the key of an account, which orders those of one microsecond, stands in the log
// alone. What a row says is not judged: for that the log has to be folded again (verify.h). Reads
// one snapshot; any thread. About two microseconds per row.
#pragma once

#include <cstdint>

#include "base/result.h"
#include "log/log_store.h"
#include "log/state_store.h"

namespace payonce::log {

struct RowCheck {
  std::uint64_t rows = 0;
  std::uint64_t keys = 0;
};

// kCorrupt: which table or index does not fit, and the first row if it is one.
[[nodiscard]] Result<RowCheck> check_rows(const StateStore& state);

// Whether accounts stand under the sequence of the entry that opened them, in a log that is whole.
[[nodiscard]] Result<void> check_openings(const StateStore& state, const LogStore& log,
                                          std::uint64_t salt);

}  // namespace payonce::log
