// app/threads.h: whether the system lets this process have its threads.
//
// Under a limit (RLIMIT_NPROC, a container's pids.max) std::thread throws wherever it happens to be
// made, half-way through a start that cannot be undone. So the start asks first. Threads: any.
#pragma once

#include <cstddef>

#include "base/result.h"

namespace payonce::app {

// Starts as many threads at the same time and ends them again; takes about a millisecond. kFull
// when the system does not allow it.
[[nodiscard]] Result<void> try_threads(std::size_t count);

}  // namespace payonce::app
