// app/verify.h: payonce verify: whether a data directory that no server uses is sound as a whole.
#pragma once

#include <string>

#include "config/options.h"

namespace payonce::app {

// Looks at every page of both files, every entry of the log, every row of the state, and folds the
// log once more to compare. Repairs nothing and leaves nothing behind.
// kExitOk; kExitFailed when the log is sound but the state is not: the next start folds it anew;
// kExitData when the log is damaged, the state cannot be folded anew, or the directory is in use.
[[nodiscard]] int verify(const config::Options& options, bool json);

}  // namespace payonce::app
