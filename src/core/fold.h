// core/fold.h: the fold of the log, one event at a time. Used by the machine for its own decisions,
// by recovery, by the checkpointer and by verification: there is only this one.
#pragma once

#include "core/record.h"
#include "core/rows.h"

namespace payonce::core {

// False when the event does not fit the state that the rows hold: the log is not one that this
// machine wrote.
[[nodiscard]] bool fold(Rows& rows, const Record& record);

}  // namespace payonce::core
