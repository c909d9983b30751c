#include "log/lmdb_log.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <utility>

namespace payonce::log {
namespace {

// Keys come as size_t in native order; a page may hold them unaligned for a plain load.
Result<core::Seq> read_key(const MDB_val& key) {
  if (key.mv_size != sizeof(core::Seq)) {
    return fail(Errc::kForeign, "the log holds a key that is not a sequence number");
  }
  core::Seq seq = 0;
  std::memcpy(&seq, key.mv_data, sizeof seq);
  return seq;
}

struct Extent {
  core::Seq first = 1;
  core::Seq last = 0;
};

// What the database holds; checks on the way that it is entry 1 and a dense sequence.
Result<Extent> extent(MDB_txn* txn, MDB_dbi dbi) {
  MDB_stat stat{};
  int code = mdb_stat(txn, dbi, &stat);
  if (code != 0) {
    return lmdb_error(code, "cannot read the log's size");
  }
  if (stat.ms_entries == 0) {
    return Extent{};
  }
  const LmdbCursor cursor(txn, dbi);
  MDB_val key{};
  MDB_val value{};
  std::optional<Error> error;
  const auto seq_at = [&](MDB_cursor_op place) -> core::Seq {
    code = cursor.get(key, value, place);
    const Result<core::Seq> seq =
        code == 0 ? read_key(key) : lmdb_error(code, "cannot find the log's ends");
    if (!seq) {
      error = seq.error();
    }
    return seq.value_or(0);
  };
  const core::Seq last = seq_at(MDB_LAST);
  const core::Seq identity = seq_at(MDB_FIRST);
  const core::Seq first = error || stat.ms_entries == 1 ? last : seq_at(MDB_NEXT);
  if (error) {
    return std::unexpected(*std::move(error));
  }
  if (identity == 1 && last == stat.ms_entries) {
    return Extent{.first = 1, .last = last};
  }
  if (identity == 1 && first > 2 && last - first + 2 == stat.ms_entries) {
    return Extent{.first = first, .last = last};
  }
  return fail(Errc::kCorrupt, "the log has " + std::to_string(stat.ms_entries) +
                                  " entries but begins at " + std::to_string(identity) + " and " +
                                  std::to_string(first) + " and ends at " + std::to_string(last));
}

// Why there is no entry `seq` although there are newer ones.
Result<void> why_missing(MDB_txn* txn, MDB_dbi dbi, core::Seq seq) {
  const LmdbCursor cursor(txn, dbi);
  core::Seq second = 2;
  MDB_val key{sizeof second, &second};
  MDB_val value{};
  if (seq >= second && cursor.get(key, value, MDB_SET_RANGE) == 0) {
    if (const auto first = read_key(key); first && seq < *first) {
      return dropped_error(seq, *first);
    }
  }
  return fail(Errc::kCorrupt, "the log misses entry " + std::to_string(seq));
}

}  // namespace

Result<std::unique_ptr<LmdbLog>> LmdbLog::open(const std::string& dir, std::uint64_t map_size) {
  std::unique_ptr<LmdbLog> log(new LmdbLog());
  if (auto opened = log->env_.open(dir, map_size, 0); !opened) {
    return std::unexpected(opened.error());
  }
  auto txn = LmdbTxn::begin(log->env_, LmdbTxn::Mode::kWrite);
  if (!txn) {
    return std::unexpected(txn.error());
  }
  int code = mdb_dbi_open(txn->get(), nullptr, MDB_INTEGERKEY | MDB_CREATE, &log->dbi_);
  if (code == MDB_INCOMPATIBLE) {
    return fail(Errc::kForeign, dir + "/data.mdb is not a payonce log");
  }
  if (code != 0) {
    return lmdb_error(code, "cannot open the log in " + dir);
  }
  const auto held = extent(txn->get(), log->dbi_);
  if (!held) {
    return std::unexpected(held.error());
  }
  log->first_.store(held->first, std::memory_order_release);
  log->last_.store(held->last, std::memory_order_release);
  code = txn->commit();
  if (code != 0) {
    return lmdb_error(code, "cannot open the log in " + dir);
  }
  return log;
}

Result<void> LmdbLog::append(const Batch& batch, core::Seq expected_last) {
  if (last_seq() != expected_last) {
    return fail(Errc::kInvalid, "the log ends at " + std::to_string(last_seq()) + ", not at " +
                                    std::to_string(expected_last));
  }
  auto txn = LmdbTxn::begin(env_, LmdbTxn::Mode::kWrite);
  if (!txn) {
    return std::unexpected(txn.error());
  }
  // First, so that the pages that become free can take what is appended.
  const auto first = drop(txn->get(), drop_quota(batch.size()));
  if (!first) {
    return std::unexpected(first.error());
  }
  if (batch.empty() && *first == first_seq()) {
    return {};
  }
  core::Seq seq = expected_last;
  for (std::size_t i = 0; i < batch.size(); ++i) {
    ++seq;
    MDB_val key{sizeof seq, &seq};
    MDB_val value = to_val(batch.entry(i));
    const int code = mdb_put(txn->get(), dbi_, &key, &value, MDB_APPEND);
    if (code != 0) {
      return lmdb_error(code, "cannot append to the log");
    }
  }
  const int code = txn->commit();
  if (code != 0) {
    return lmdb_error(code, "cannot commit to the log");
  }
  first_.store(*first, std::memory_order_release);
  last_.store(seq, std::memory_order_release);
  return {};
}

Result<core::Seq> LmdbLog::drop(MDB_txn* txn, std::size_t quota) const {
  const core::Seq before = first_seq();
  const core::Seq begin = oldest_droppable(before);
  const core::Seq floor = std::min(floor_.load(std::memory_order_acquire), last_seq());
  if (floor <= begin) {
    return before;
  }
  const core::Seq end = std::min<core::Seq>(floor, begin + quota);
  const LmdbCursor cursor(txn, dbi_);
  for (core::Seq seq = begin; seq < end; ++seq) {
    MDB_val key{sizeof seq, &seq};
    const int code = cursor.erase(key);
    if (code == MDB_NOTFOUND) {
      return fail(Errc::kCorrupt, "the log misses entry " + std::to_string(seq));
    }
    if (code != 0) {
      return lmdb_error(code, "cannot drop entry " + std::to_string(seq) + " of the log");
    }
  }
  return end;
}

Result<void> LmdbLog::read(core::Seq from, const Visit& visit) const {
  auto txn = LmdbTxn::begin(env_, LmdbTxn::Mode::kRead);
  if (!txn) {
    return std::unexpected(txn.error());
  }
  const LmdbCursor cursor(txn->get(), dbi_);
  core::Seq seq = std::max<core::Seq>(from, 1);
  MDB_val key{sizeof seq, &seq};
  MDB_val value{};
  int code = cursor.get(key, value, MDB_SET_RANGE);
  for (core::Seq expected = std::max<core::Seq>(from, 1); code == 0; ++expected) {
    const auto at = read_key(key);
    if (!at) {
      return std::unexpected(at.error());
    }
    if (*at != expected) {
      return why_missing(txn->get(), dbi_, expected);
    }
    if (!visit(*at, to_view(value))) {
      return {};
    }
    code = cursor.get(key, value, MDB_NEXT);
  }
  if (code != MDB_NOTFOUND) {
    return lmdb_error(code, "cannot read the log");
  }
  return {};
}

}  // namespace payonce::log
