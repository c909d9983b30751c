#include "log/verify.h"

#include <xxhash.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <optional>
#include <string_view>
#include <system_error>
#include <utility>

#include "log/checkpoint.h"
#include "log/codec.h"
#include "log/row_check.h"

namespace payonce::log {
namespace {

constexpr std::size_t kSliceEvents = 50'000;

// Up to entry `goal` and no further.
Result<void> fold_to(const LogStore& log, StateStore& state, std::uint64_t salt, core::Seq goal) {
  for (core::Seq applied = 0; applied < goal;) {
    const auto slice = std::min<core::Seq>(kSliceEvents, goal - applied);
    const auto step = checkpoint(log, state, salt, slice);
    if (!step) {
      return std::unexpected(step.error());
    }
    if (step->folded == 0) {
      return fail(Errc::kCorrupt, "the log ends before entry " + std::to_string(goal));
    }
    applied = step->applied;
  }
  return {};
}

// Keys and values in their order as one number.
class Digest {
 public:
  void add(std::string_view key, std::string_view value) {
    ++count_;
    sum_ = XXH3_64bits_withSeed(key.data(), key.size(), sum_ ^ key.size());
    sum_ = XXH3_64bits_withSeed(value.data(), value.size(), sum_);
  }
  bool operator==(const Digest&) const = default;

 private:
  std::uint64_t count_ = 0;
  std::uint64_t sum_ = 0;
};

struct Digests {
  std::map<std::string, Digest> tables;
  std::map<std::string, Digest> indexes;
};

// Expired Idempotency-Keys are removed some at a time, with checkpoints: so those do not count.
bool expired(std::string_view row, std::uint64_t salt, Timestamp now) {
  core::KeyRecord record;
  return decode_row(row, salt, record) && record.state == core::KeyState::kCompleted &&
         record.expires_at <= now;
}

Result<Digests> digests_of(const StateStore& state, std::uint64_t salt, Timestamp now) {
  auto snapshot = state.snapshot();
  if (!snapshot) {
    return std::unexpected(snapshot.error());
  }
  Digests all;
  StateStore::each_table([&](Table table, const char* name) {
    Digest& digest = all.tables[name];
    snapshot->each(table, [&](std::string_view key, std::string_view row) {
      if (table != Table::kKeys || !expired(row, salt, now)) {
        digest.add(key, row);
      }
      return true;
    });
  });
  StateStore::each_index([&](core::Index index, const char* name) {
    Digest& digest = all.indexes[name];
    snapshot->oldest_first(index, {}, [&](std::string_view key, std::string_view value) {
      if (index != core::Index::kKeysByExpiry) {  // it follows from the table of keys
        digest.add(key, value);
      }
      return true;
    });
  });
  if (snapshot->error()) {
    return std::unexpected(*snapshot->error());
  }
  return all;
}

std::string first_difference(const std::map<std::string, Digest>& found,
                             const std::map<std::string, Digest>& wanted) {
  const auto at = std::ranges::mismatch(found, wanted).in1;
  return at == found.end() ? std::string() : at->first;
}

Result<void> compare(const Digests& found, const Digests& wanted) {
  if (const auto table = first_difference(found.tables, wanted.tables); !table.empty()) {
    return fail(Errc::kCorrupt, "table " + table + " of the state is not what the log says");
  }
  if (const auto index = first_difference(found.indexes, wanted.indexes); !index.empty()) {
    return fail(Errc::kCorrupt, "index " + index + " of the state is not what the log says");
  }
  return {};
}

// The time of entry `seq`, which is known to decode.
Result<Timestamp> time_of(const LogStore& log, std::uint64_t salt, core::Seq seq) {
  Result<Timestamp> time = Timestamp{};
  const auto read = log.read(seq, [&](core::Seq at, std::string_view bytes) {
    const auto record = decode_record(at, bytes, salt);
    time = record ? Result<Timestamp>(record->at) : std::unexpected(record.error());
    return false;
  });
  return read ? time : std::unexpected(read.error());
}

Result<void> compare_with_log(const LogStore& log, const StateStore& state, std::uint64_t salt,
                              core::Seq applied, const std::string& scratch,
                              std::uint64_t map_size) {
  auto fresh = StateStore::open(scratch, map_size, salt);
  if (!fresh) {
    return std::unexpected(fresh.error());
  }
  if (auto folded = fold_to(log, **fresh, salt, applied); !folded) {
    return folded;
  }
  const auto now = time_of(log, salt, std::max<core::Seq>(applied, 1));
  if (!now) {
    return std::unexpected(now.error());
  }
  const auto found = digests_of(state, salt, *now);
  const auto wanted = digests_of(**fresh, salt, *now);
  if (!found || !wanted) {
    return std::unexpected((found ? wanted : found).error());
  }
  return compare(*found, *wanted);
}

// Money is neither made nor lost: the accounts of each currency sum up to nothing.
Result<void> check_balance(const StateStore& state) {
  auto snapshot = state.snapshot();
  if (!snapshot) {
    return std::unexpected(snapshot.error());
  }
  std::map<std::string, WideAmount, std::less<>> totals;
  snapshot->each_account([&](const core::Account& account) {
    totals[std::string(account.currency.code())] += account.posted;
  });
  for (const auto& [currency, total] : totals) {
    if (total != 0) {
      return fail(Errc::kCorrupt, "the accounts in " + currency + " do not sum up to nothing");
    }
  }
  return {};
}

}  // namespace

Result<std::uint64_t> verify_log(const LogStore& log, std::uint64_t salt) {
  std::uint64_t entries = 0;
  std::optional<Error> error;
  const auto take = [&](core::Seq seq, std::string_view bytes) {
    if (auto record = decode_record(seq, bytes, salt); !record) {
      error = std::move(record.error());
      return false;
    }
    ++entries;
    // Behind entry 1 there may be a gap, where old history has been dropped.
    return seq != 1 || log.first_seq() == 1;
  };
  auto read = log.read(1, take);
  if (read && !error && log.first_seq() > 1) {
    read = log.read(log.first_seq(), take);
  }
  if (!read) {
    return std::unexpected(read.error());
  }
  if (error) {
    return std::unexpected(*std::move(error));
  }
  return entries;
}

Result<Verified> verify_state(const LogStore& log, const StateStore& state, std::uint64_t salt,
                              const std::string& scratch, std::uint64_t map_size) {
  const auto rows = check_rows(state);
  if (!rows) {
    return std::unexpected(rows.error());
  }
  if (auto balanced = check_balance(state); !balanced) {
    return std::unexpected(balanced.error());
  }
  auto snapshot = state.snapshot();
  if (!snapshot) {
    return std::unexpected(snapshot.error());
  }
  Verified done{.rows = rows->rows, .keys = rows->keys, .applied = snapshot->applied_seq()};
  if (snapshot->error()) {
    return std::unexpected(*snapshot->error());
  }
  done.folded = log.first_seq() == 1;
  if (done.folded) {
    const auto same = compare_with_log(log, state, salt, done.applied, scratch, map_size);
    std::error_code ignored;
    std::filesystem::remove_all(scratch, ignored);
    if (!same) {
      return std::unexpected(same.error());
    }
  }
  return done;
}

}  // namespace payonce::log
