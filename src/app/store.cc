#include "app/store.h"

#include <filesystem>
#include <fstream>
#include <system_error>
#include <utility>

#include "log/checkpoint.h"
#include "log/lmdb_env.h"
#include "log/row_check.h"
#include "log/verify.h"

namespace payonce::app {
namespace {

// Errors after which a fresh fold of the log helps, if it is whole.
bool rebuildable(const Error& error) {
  return error.code == Errc::kCorrupt || error.code == Errc::kForeign ||
         error.code == Errc::kVersion || error.code == Errc::kDropped;
}

Result<void> remove_all(const std::string& path) {
  std::error_code trouble;
  std::filesystem::remove_all(path, trouble);
  if (trouble) {
    return fail(Errc::kIo, "cannot remove " + path + ": " + trouble.message());
  }
  return {};
}

bool whole(const log::LogStore& log) { return log.first_seq() == 1; }

// Of a small state all rows and keys are looked at, of a small log all entries, which takes some
// ten milliseconds; of larger ones each when it is used.
constexpr std::uint64_t kSmallBytes = std::uint64_t{4} << 20;

Result<void> check_small(const log::StateStore& state, const log::LmdbLog& log,
                         std::uint64_t salt) {
  if (state.file_bytes() > kSmallBytes) {
    return {};
  }
  if (const auto sound = log::check_rows(state); !sound) {
    return std::unexpected(sound.error());
  }
  const bool at_hand = whole(log) && log.file_bytes() <= kSmallBytes;
  return at_hand ? log::check_openings(state, log, salt) : Result<void>{};
}

Result<void> check_small(const log::LmdbLog& log, std::uint64_t salt) {
  if (log.file_bytes() > kSmallBytes) {
    return {};
  }
  if (const auto sound = log::verify_log(log, salt); !sound) {
    return std::unexpected(sound.error());
  }
  return {};
}

Result<log::Checkpoint> open_and_fold(Store& store, const std::string& path,
                                      const StoreOptions& options) {
  auto state = log::StateStore::open(path, options.state_map_size, store.position.salt);
  if (!state) {
    return std::unexpected(state.error());
  }
  store.state = std::move(*state);
  if (auto newer = refuse_older_log(*store.log, *store.state, store.dir); !newer) {
    return std::unexpected(newer.error());
  }
  if (auto sound = check_small(*store.state, *store.log, store.position.salt); !sound) {
    return std::unexpected(sound.error());
  }
  return log::catch_up(*store.log, *store.state, store.position.salt, options.slice_events);
}

// Folds the log into a new state beside the old one, and puts it into its place only when it is
// whole: if the log turns out to be what is damaged, the old state is still there.
Result<log::Checkpoint> rebuild(Store& store, const StoreOptions& options) {
  const std::string fresh = store.dir.state_path() + ".new";
  store.state.reset();
  if (auto removed = remove_all(fresh); !removed) {
    return std::unexpected(removed.error());
  }
  const auto folded = open_and_fold(store, fresh, options);
  store.state.reset();
  if (!folded) {
    static_cast<void>(remove_all(fresh));
    return folded;
  }
  if (auto removed = remove_all(store.dir.state_path()); !removed) {
    return std::unexpected(removed.error());
  }
  std::error_code trouble;
  std::filesystem::rename(fresh, store.dir.state_path(), trouble);
  if (!trouble) {
    std::filesystem::remove(distrust_path(store.dir.path()), trouble);
  }
  if (trouble) {
    return fail(Errc::kIo, "cannot put the new state into place: " + trouble.message());
  }
  if (auto synced = log::sync_directory(store.dir.path()); !synced) {
    return std::unexpected(synced.error());
  }
  auto reopened = open_and_fold(store, store.dir.state_path(), options);
  if (reopened) {
    reopened->folded += folded->folded;
  }
  return reopened;
}

// A log without entries beside a state is a log that was lost: a fresh one would be an empty bank.
Result<void> refuse_lost_log(const log::DataDir& dir, bool log_is_empty) {
  std::error_code ignored;
  if (log_is_empty && std::filesystem::exists(dir.state_path() + "/data.mdb", ignored)) {
    return fail(Errc::kCorrupt, "the log in " + dir.log_path() + " is missing or empty, but " +
                                    dir.state_path() +
                                    " holds the state of one: put the log back, or move the "
                                    "state away to start with nothing");
  }
  return {};
}

// What dropped history said stands in the state alone: a fold of the rest would be another bank.
std::unexpected<Error> no_rebuild(const Store& store, const std::string& why) {
  return fail(Errc::kDropped, "the state cannot be used (" + why +
                                  ") nor rebuilt: the history before log entry " +
                                  std::to_string(store.log->first_seq()) +
                                  " has been dropped (storage.history_retention); restore a backup "
                                  "of " +
                                  store.dir.path());
}

// The state on disk as it is, if it may be opened at all.
Result<log::Checkpoint> fold_what_is_there(Store& store, const StoreOptions& options) {
  std::error_code ignored;
  const std::string note = distrust_path(store.dir.path());
  if (std::filesystem::exists(note, ignored)) {
    return fail(Errc::kCorrupt, note +
                                    " says that it may have been damaged while it was in use; "
                                    "without that file it is opened as it is");
  }
  // Where there is none, opening makes an empty one.
  if (!whole(*store.log) && log::has_no_bytes(store.dir.state_path() + "/data.mdb")) {
    return fail(Errc::kDropped, "it is missing");
  }
  return open_and_fold(store, store.dir.state_path(), options);
}

Result<log::Checkpoint> fold_or_rebuild(Store& store, const StoreOptions& options,
                                        observe::Logger& log) {
  auto folded = fold_what_is_there(store, options);
  if (folded || !rebuildable(folded.error())) {
    return folded;
  }
  const std::string why = folded.error().message;
  if (!whole(*store.log)) {
    return no_rebuild(store, why);
  }
  folded = rebuild(store, options);
  if (folded) {
    log.warn("state_rebuilt", {{"why", why}, {"events_folded", folded->folded}});
  }
  return folded;
}

Error named(Error error, const std::string& path) {
  if (error.message.find(path) == std::string::npos) {
    error.message = path + ": " + error.message;
  }
  return error;
}

}  // namespace

Result<Store> open_store(log::DataDir dir, const StoreOptions& options, std::uint64_t fresh_salt,
                         Timestamp now, observe::Logger& log) {
  Store store{.dir = std::move(dir), .log = {}, .state = {}, .position = {}, .folded = 0};
  const bool no_file = log::has_no_bytes(store.dir.log_path() + "/data.mdb");
  if (auto kept = refuse_lost_log(store.dir, no_file); !kept) {
    return std::unexpected(kept.error());
  }
  auto opened = log::LmdbLog::open(store.dir.log_path(), options.log_map_size);
  if (!opened) {
    return std::unexpected(named(opened.error(), store.dir.log_path()));
  }
  store.log = std::move(*opened);
  if (auto kept = refuse_lost_log(store.dir, store.log->last_seq() == 0); !kept) {
    return std::unexpected(kept.error());
  }
  const auto identity = log::identify(*store.log, fresh_salt, now);
  if (!identity) {
    return std::unexpected(named(identity.error(), store.dir.log_path()));
  }
  if (auto sound = check_small(*store.log, identity->salt); !sound) {
    return std::unexpected(named(sound.error(), store.dir.log_path()));
  }
  store.position = {
      .last_seq = store.log->last_seq(), .last_time = identity->last_time, .salt = identity->salt};
  const auto folded = fold_or_rebuild(store, options, log);
  if (!folded) {
    return std::unexpected(named(folded.error(), store.dir.path()));
  }
  store.folded = folded->folded;
  return store;
}

Result<void> refuse_older_log(const log::LogStore& log, const log::StateStore& state,
                              const log::DataDir& dir) {
  auto snapshot = state.snapshot();
  if (!snapshot) {
    return std::unexpected(snapshot.error());
  }
  const core::Seq applied = snapshot->applied_seq();
  if (snapshot->error()) {
    return std::unexpected(*snapshot->error());
  }
  if (applied > log.last_seq()) {
    return fail(Errc::kNotFound,
                "the log in " + dir.log_path() + " ends at entry " +
                    std::to_string(log.last_seq()) + ", but " + dir.state_path() + " holds entry " +
                    std::to_string(applied) +
                    ": put the newer log back, or move the state away to go on with the log as "
                    "it is");
  }
  return {};
}

std::string distrust_path(const std::string& data_path) { return data_path + "/STATE_DISTRUSTED"; }

void distrust_state(const std::string& data_path) {
  std::ofstream note(distrust_path(data_path));
  note << "The state was found damaged while serving. It is rebuilt from the log at next start, "
          "if the log is whole.\n";
}

}  // namespace payonce::app
