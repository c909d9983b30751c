// app/store.h: opens a data directory and brings its state up to its log.
//
// The log is the truth and must be sound; the state is derived, so one that is damaged, foreign or
// of another layout is thrown away and folded anew. That takes the whole log: once old history was
// dropped from it, such a state is refused, and so is one that lacks what was dropped. A state that
// is ahead of its log is refused always: then the log is what is not whole.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/result.h"
#include "core/machine.h"
#include "log/data_dir.h"
#include "log/lmdb_log.h"
#include "log/state_store.h"
#include "observe/logger.h"

namespace payonce::app {

struct StoreOptions {
  std::string path;
  std::uint64_t log_map_size = 0;
  std::uint64_t state_map_size = 0;
  std::size_t slice_events = 50'000;  // entries folded per transaction
};

struct Store {
  log::DataDir dir;
  std::unique_ptr<log::LmdbLog> log;
  std::unique_ptr<log::StateStore> state;
  core::Machine::Position position;
  std::size_t folded = 0;  // entries that the state lacked
};

// The directory is locked already. The state holds the whole log on return.
[[nodiscard]] Result<Store> open_store(log::DataDir dir, const StoreOptions& options,
                                       std::uint64_t fresh_salt, Timestamp now,
                                       observe::Logger& log);

// The state holds only what was durable in its log: one that is ahead is the state of a log that
// was newer, and to fold this one anew would be to forget what it had acknowledged. kNotFound then.
[[nodiscard]] Result<void> refuse_older_log(const log::LogStore& log, const log::StateStore& state,
                                            const log::DataDir& dir);

// The file whose presence says that the state is not to be trusted.
[[nodiscard]] std::string distrust_path(const std::string& data_path);

// Leaves a note that the state is not to be trusted: the next open_store() rebuilds it, or refuses
// it where that is not possible.
void distrust_state(const std::string& data_path);

}  // namespace payonce::app
