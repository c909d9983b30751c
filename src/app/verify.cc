#include "app/verify.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <optional>
#include <system_error>
#include <utility>

#include "app/exit_code.h"
#include "app/store.h"
#include "http/json_writer.h"
#include "log/checkpoint.h"
#include "log/lmdb_log.h"
#include "log/page_check.h"
#include "log/state_store.h"
#include "log/verify.h"

namespace payonce::app {
namespace {

struct Report {
  core::Seq first = 1;
  core::Seq last = 0;
  std::uint64_t entries = 0;
  std::uint64_t pages = 0;
  log::Verified state;
  bool state_sound = false;
  bool state_ahead = false;  // of the log, which is an older one
  std::string problem;       // empty: none
};

void print(const Report& report, bool as_json) {
  if (as_json) {
    http::JsonWriter json;
    json.begin_object();
    json.member("sound", report.problem.empty());
    json.member("log_entries", report.entries);
    json.member("log_first", report.first);
    json.member("log_last", report.last);
    json.member("pages", report.pages);
    json.member("state_sound", report.state_sound);
    json.member("state_applied", report.state.applied);
    json.member("state_rows", report.state.rows);
    json.member("state_keys", report.state.keys);
    json.member("folded", report.state.folded);
    if (!report.problem.empty()) {
      json.member("problem", report.problem);
    }
    json.end_object();
    std::fprintf(stdout, "%s\n", json.take().c_str());
    return;
  }
  if (!report.problem.empty()) {
    std::fprintf(stderr, "payonce: %s\n", report.problem.c_str());
    return;
  }
  std::fprintf(stdout, "the log is sound: %llu entries up to %llu%s\n",
               static_cast<unsigned long long>(report.entries),
               static_cast<unsigned long long>(report.last),
               report.first > 1 ? ", older ones have been dropped" : "");
  std::fprintf(stdout, "the state is sound: %llu rows and %llu keys up to entry %llu%s\n",
               static_cast<unsigned long long>(report.state.rows),
               static_cast<unsigned long long>(report.state.keys),
               static_cast<unsigned long long>(report.state.applied),
               report.state.folded ? ", the same as the log folded anew"
                                   : "; they fit each other, the log cannot be folded anew");
}

// What is wrong with the state; nothing when it is sound.
std::optional<std::string> look_at_state(const log::DataDir& dir, const config::Options& options,
                                         const log::LmdbLog& log, std::uint64_t salt,
                                         Report& report) {
  const std::string file = dir.state_path() + "/data.mdb";
  if (log::has_no_bytes(file)) {  // opening would make an empty one
    return "the state in " + dir.state_path() + " is missing";
  }
  const auto pages = log::check_pages(file, log::kAllPages);
  if (!pages) {
    return pages.error().message;
  }
  report.pages += pages->pages;
  const auto state = log::StateStore::open(dir.state_path(), options.storage.state_map_size, salt);
  if (!state) {
    return state.error().message;
  }
  if (auto newer = refuse_older_log(log, **state, dir); !newer) {
    report.state_ahead = true;
    return newer.error().message;
  }
  std::error_code ignored;
  const std::string scratch = dir.path() + "/state.verify";
  std::filesystem::remove_all(scratch, ignored);
  const auto verified =
      log::verify_state(log, **state, salt, scratch, options.storage.state_map_size);
  if (!verified) {
    return dir.state_path() + ": " + verified.error().message;
  }
  report.state = *verified;
  report.state_sound = true;
  if (std::filesystem::exists(distrust_path(dir.path()), ignored)) {
    return distrust_path(dir.path()) +
           " says that the state may have been damaged in memory; "
           "everything that can be compared fits";
  }
  return std::nullopt;
}

Result<void> look_at_log(const log::DataDir& dir, const config::Options& options, Report& report,
                         std::unique_ptr<log::LmdbLog>& log, std::uint64_t& salt) {
  if (log::has_no_bytes(dir.log_path() + "/data.mdb")) {
    return fail(Errc::kCorrupt, "the log in " + dir.log_path() + " is missing or empty");
  }
  const auto pages = log::check_pages(dir.log_path() + "/data.mdb", log::kAllPages);
  if (!pages) {
    return std::unexpected(pages.error());
  }
  report.pages = pages->pages;
  auto opened = log::LmdbLog::open(dir.log_path(), options.storage.log_map_size);
  if (!opened) {
    return std::unexpected(opened.error());
  }
  log = std::move(*opened);
  if (log->last_seq() == 0) {
    return fail(Errc::kCorrupt, "the log in " + dir.log_path() + " is empty");
  }
  const auto identity = log::identify(*log, 0, Timestamp{});
  if (!identity) {
    return std::unexpected(identity.error());
  }
  salt = identity->salt;
  const auto entries = log::verify_log(*log, salt);
  if (!entries) {
    return std::unexpected(entries.error());
  }
  report.entries = *entries;
  report.first = log->first_seq();
  report.last = log->last_seq();
  return {};
}

}  // namespace

int verify(const config::Options& options, bool json) {
  Report report;
  const auto finish = [&](int code, std::string problem) {
    report.problem = std::move(problem);
    print(report, json);
    return code;
  };
  std::error_code ignored;
  if (!std::filesystem::exists(options.storage.data + "/log/data.mdb", ignored)) {
    return finish(kExitData, "there is no payonce log in " + options.storage.data);
  }
  const auto dir = log::DataDir::acquire(options.storage.data);
  if (!dir) {
    return finish(kExitData, dir.error().message);
  }
  std::unique_ptr<log::LmdbLog> log;
  std::uint64_t salt = 0;
  if (const auto sound = look_at_log(*dir, options, report, log, salt); !sound) {
    return finish(kExitData, "the log is not sound: " + sound.error().message);
  }
  if (auto problem = look_at_state(*dir, options, *log, salt, report)) {
    if (report.state_ahead) {
      return finish(kExitData, *problem);
    }
    if (report.first > 1) {
      return finish(kExitData, "the log is sound, but not the state: " + *problem +
                                   "; it cannot be folded anew, since the history before log "
                                   "entry " +
                                   std::to_string(report.first) + " has been dropped");
    }
    return finish(kExitFailed,
                  "the log is sound, but not the state, which the next start folds "
                  "anew: " +
                      *problem);
  }
  return finish(kExitOk, {});
}

}  // namespace payonce::app
