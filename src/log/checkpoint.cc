#include "log/checkpoint.h"

#include <optional>
#include <utility>
#include <variant>

#include "base/planted.h"
#include "core/fold.h"
#include "log/codec.h"

namespace payonce::log {
namespace {

// Expired idempotency keys removed per checkpoint: keeps up with one new key per event.
constexpr std::size_t kPurgeFactor = 2;

}  // namespace

Result<Checkpoint> checkpoint(const LogStore& log, StateStore& state, std::uint64_t salt,
                              std::size_t events_max) {
  auto update = state.update();
  if (!update) {
    return std::unexpected(update.error());
  }
  const auto applied = update->applied_seq();
  if (!applied) {
    return std::unexpected(applied.error());
  }
  if (*applied > log.last_seq()) {
    return fail(Errc::kCorrupt, "the state holds entry " + std::to_string(*applied) +
                                    " but the log ends at " + std::to_string(log.last_seq()));
  }
  core::Rows rows(*update, &*update);
  Checkpoint done{.applied = *applied};
  Timestamp newest;
  std::optional<Error> error;
  auto read = log.read(*applied + 1, [&](core::Seq seq, std::string_view bytes) {
    auto record = decode_record(seq, bytes, salt);
    if (!record) {
      error = std::move(record.error());
      return false;
    }
    if (!core::fold(rows, *record)) {
      if (update->error()) {
        error = update->error();  // it could not be read, so it seemed to be absent
        return false;
      }
      error = Error{Errc::kCorrupt, "log entry " + std::to_string(seq) + " (" +
                                        std::string(core::event_name(record->event)) +
                                        ") does not fit the state before it"};
      return false;
    }
    done.applied = seq;
    newest = record->at;
    return ++done.folded < events_max;
  });
  if (!read) {
    return std::unexpected(read.error());
  }
  if (error) {
    return std::unexpected(std::move(*error));
  }
  if (done.folded > 0) {
    const std::size_t purge_max = kPurgeFactor * done.folded;
    const core::Seq applied_now = done.applied + (planted(Bug::kStateAheadOfLog) ? 1 : 0);
    if (auto committed = update->commit(rows, applied_now, newest, purge_max); !committed) {
      return std::unexpected(committed.error());
    }
  }
  return done;
}

Result<Checkpoint> catch_up(const LogStore& log, StateStore& state, std::uint64_t salt,
                            std::size_t events_max) {
  const core::Seq goal = log.last_seq();
  Checkpoint total;
  do {
    const auto step = checkpoint(log, state, salt, events_max);
    if (!step) {
      return step;
    }
    total.applied = step->applied;
    total.folded += step->folded;
    if (step->folded == 0) {
      break;
    }
  } while (total.applied < goal);
  return total;
}

Result<LogIdentity> identify(LogStore& log, std::uint64_t fresh_salt, Timestamp now) {
  if (log.last_seq() == 0) {
    core::Record first;
    first.seq = 1;
    first.at = now;
    first.event = core::LogCreated{.salt = fresh_salt};
    Batch batch;
    encode_record(first, 0, batch.bytes);
    batch.ends.push_back(batch.bytes.size());
    if (auto appended = log.append(batch, 0); !appended) {
      return std::unexpected(appended.error());
    }
  }
  Result<LogIdentity> identity =
      fail(Errc::kForeign, "the first entry is not one of a payonce log");
  const auto take = [&](core::Seq seq, std::string_view bytes) {
    const std::uint64_t salt = identity ? identity->salt : 0;
    auto record = decode_record(seq, bytes, salt);
    if (!record) {
      identity = std::unexpected(std::move(record.error()));
    } else if (seq == 1) {
      if (const auto* created = std::get_if<core::LogCreated>(&record->event)) {
        identity = LogIdentity{.salt = created->salt, .last_time = record->at};
      }
    } else {
      identity->last_time = record->at;
    }
    return false;
  };
  if (auto read = log.read(1, take); !read) {
    return std::unexpected(read.error());
  }
  if (identity && log.last_seq() > 1) {
    if (auto read = log.read(log.last_seq(), take); !read) {
      return std::unexpected(read.error());
    }
  }
  return identity;
}

}  // namespace payonce::log
