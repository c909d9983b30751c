// sim/refold.h: folds a log once more, from its very first entry, and holds the state against it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "log/state_store.h"
#include "sim/disk.h"

namespace payonce::sim {

// The first difference between the state and a fold of the entries that it holds, also of those
// that have been dropped since; nothing if they are the same. Expired keys may be gone from the
// state.
[[nodiscard]] std::optional<std::string> compare_with_fold(const Disk& disk, std::uint64_t salt,
                                                           log::StateStore::Snapshot& state);

}  // namespace payonce::sim
