// core/replay.h: decides a recorded history again and names the first event that differs.
//
// The log holds events, not commands; but which command led to an event can be told from the event
// and the state before it. So each group of events is decided again, at its own time and place in
// the log, and compared with what was recorded. A build whose rules would have decided otherwise
// for workflows that still run must not go on with them.
// Pure. Refusals on create are not judged: they rest on balances that are not part of the history.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/record.h"

namespace payonce::core {

struct Difference {
  Seq seq = 0;           // of the recorded event
  std::string recorded;  // empty: nothing more was recorded
  std::string decided;   // empty: nothing (more) is decided
};

// `history`: everything of one payment, its fraud check and its refunds, in the order of the log.
// `salt` is the log's: ids are made from it.
[[nodiscard]] std::optional<Difference> redecide(const std::vector<Record>& history,
                                                 std::uint64_t salt);

}  // namespace payonce::core
