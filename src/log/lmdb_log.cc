#include "log/lmdb_log.h"

#include <algorithm>
#include <cstring>
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

// The newest sequence in the database; checks on the way that the log is dense from 1.
Result<core::Seq> newest(const LmdbTxn& txn, MDB_dbi dbi) {
  MDB_stat stat{};
  int code = mdb_stat(txn.get(), dbi, &stat);
  if (code != 0) {
    return lmdb_error(code, "cannot read the log's size");
  }
  if (stat.ms_entries == 0) {
    return core::Seq{0};
  }
  const LmdbCursor cursor(txn.get(), dbi);
  MDB_val key{};
  MDB_val value{};
  code = cursor.get(key, value, MDB_LAST);
  if (code != 0) {
    return lmdb_error(code, "cannot find the log's end");
  }
  const auto last = read_key(key);
  if (last && *last != stat.ms_entries) {
    return fail(Errc::kCorrupt, "the log has " + std::to_string(stat.ms_entries) +
                                    " entries but ends at " + std::to_string(*last));
  }
  return last;
}

}  // namespace

Result<std::unique_ptr<LmdbLog>> LmdbLog::open(const std::string& dir, std::uint64_t map_size) {
  std::unique_ptr<LmdbLog> log(new LmdbLog());
  if (auto opened = log->env_.open(dir, map_size, 0); !opened) {
    return std::unexpected(opened.error());
  }
  if (auto whole = log->env_.check_length(); !whole) {
    return std::unexpected(whole.error());
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
  const auto last = newest(*txn, log->dbi_);
  if (!last) {
    return std::unexpected(last.error());
  }
  log->last_.store(*last, std::memory_order_release);
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
  last_.store(seq, std::memory_order_release);
  return {};
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
      return fail(Errc::kCorrupt, "the log misses entry " + std::to_string(expected));
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
