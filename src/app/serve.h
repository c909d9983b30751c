// app/serve.h: the serving process: wiring, signals, drain.
#pragma once

#include "config/load.h"

namespace payonce::app {

// Serves until SIGTERM or SIGINT; returns the process's exit code. `sources` are read again at
// SIGHUP, and compared with what was configured.
[[nodiscard]] int serve(const config::Options& configured, const config::Sources& sources);

}  // namespace payonce::app
