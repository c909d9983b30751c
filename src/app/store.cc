#include "app/store.h"

#include <filesystem>
#include <fstream>
#include <system_error>
#include <utility>

#include "log/checkpoint.h"

namespace payonce::app {
namespace {

std::string distrust_path(const std::string& data_path) { return data_path + "/STATE_DISTRUSTED"; }

// Errors after which a fresh fold of the log may help.
bool rebuildable(const Error& error) {
  return error.code == Errc::kCorrupt || error.code == Errc::kForeign ||
         error.code == Errc::kVersion;
}

Result<void> remove_state(const log::DataDir& dir) {
  std::error_code trouble;
  std::filesystem::remove_all(dir.state_path(), trouble);
  if (!trouble) {
    std::filesystem::remove(distrust_path(dir.path()), trouble);
  }
  if (trouble) {
    return fail(Errc::kIo, "cannot remove " + dir.state_path() + ": " + trouble.message());
  }
  return {};
}

Result<log::Checkpoint> open_and_fold(Store& store, const StoreOptions& options) {
  auto state =
      log::StateStore::open(store.dir.state_path(), options.state_map_size, store.position.salt);
  if (!state) {
    return std::unexpected(state.error());
  }
  store.state = std::move(*state);
  return log::catch_up(*store.log, *store.state, store.position.salt, options.slice_events);
}

}  // namespace

Result<Store> open_store(log::DataDir dir, const StoreOptions& options, std::uint64_t fresh_salt,
                         Timestamp now, observe::Logger& log) {
  Store store{.dir = std::move(dir), .log = {}, .state = {}, .position = {}, .folded = 0};
  auto opened = log::LmdbLog::open(store.dir.log_path(), options.log_map_size);
  if (!opened) {
    return std::unexpected(opened.error());
  }
  store.log = std::move(*opened);
  const auto identity = log::identify(*store.log, fresh_salt, now);
  if (!identity) {
    return std::unexpected(identity.error());
  }
  store.position = {
      .last_seq = store.log->last_seq(), .last_time = identity->last_time, .salt = identity->salt};
  std::error_code ignored;
  const bool distrusted = std::filesystem::exists(distrust_path(store.dir.path()), ignored);
  Result<log::Checkpoint> folded =
      distrusted ? Result<log::Checkpoint>(
                       fail(Errc::kCorrupt, "the state was found damaged while it was in use"))
                 : open_and_fold(store, options);
  if (!folded && rebuildable(folded.error())) {
    log.warn("state_rebuilt", {{"why", folded.error().message}});
    store.state.reset();
    if (auto removed = remove_state(store.dir); !removed) {
      return std::unexpected(removed.error());
    }
    folded = open_and_fold(store, options);
  }
  if (!folded) {
    return std::unexpected(folded.error());
  }
  store.folded = folded->folded;
  return store;
}

void distrust_state(const std::string& data_path) {
  std::ofstream note(distrust_path(data_path));
  note << "The state was found damaged while serving. It is rebuilt from the log at next start.\n";
}

}  // namespace payonce::app
