// app/offline.h: subcommands that look at a data directory that no server uses.
#pragma once

#include <string>

#include "config/options.h"

namespace payonce::app {

// Decides every recorded history again and names the first event of each that differs.
// kExitOk, kExitFailed when any differs, kExitData when the directory is in use or damaged.
[[nodiscard]] int replay(const config::Options& options, bool json);

// Prints one workflow, what it waits for, and its history.
// kExitOk, kExitFailed when there is none of this id, kExitData.
[[nodiscard]] int inspect(const config::Options& options, const std::string& id, bool json);

}  // namespace payonce::app
