#include "sim/refold.h"

#include <algorithm>
#include <map>
#include <string_view>
#include <type_traits>
#include <utility>

#include "base/digits.h"
#include "core/fold.h"
#include "core/index_keys.h"
#include "log/codec.h"

namespace payonce::sim {
namespace {

using Keys = std::map<std::string, std::string>;

constexpr std::size_t kTimeSize = 8;  // in front of a key in order of time

class Indexes final : public core::IndexSink {
 public:
  void put(core::Index index, std::string key, std::string_view value) override {
    all[index][std::move(key)] = std::string(value);
  }
  void erase(core::Index index, std::string key) override { all[index].erase(key); }

  std::map<core::Index, Keys> all;
};

class Comparison {
 public:
  // `now`: the time of the newest entry. What has expired by then may be there or not.
  Comparison(log::StateStore::Snapshot& state, std::uint64_t salt, Timestamp now)
      : state_(&state), salt_(salt), now_(now) {}

  template <class Row>
  void rows(const char* table, log::Table number, const core::RowTable<Row>& folded) {
    std::uint64_t count = 0;
    folded.for_each_changed([&](const std::string& key, const Row& row) {
      if (expired(row)) {
        return;
      }
      ++count;
      Row stored;
      if (!state_->load(key, stored)) {
        differs(std::string(table) + " " + readable(key) + " is missing");
      } else if (bytes(stored) != bytes(row)) {
        differs(std::string(table) + " " + readable(key) + " is not what the log says");
      }
    });
    const std::uint64_t there = state_->count(number) - expired_rows(number);
    if (there != count) {
      differs("there are " + std::to_string(there) + " rows of " + table + ", and the log makes " +
              std::to_string(count));
    }
  }

  void keys(core::Index index, const Keys& folded) {
    // Those of expired keys come first.
    auto next = folded.begin();
    while (next != folded.end() && expired(index, next->first)) {
      ++next;
    }
    state_->oldest_first(index, {}, [&](std::string_view key, std::string_view value) {
      if (expired(index, key)) {
        return true;
      }
      if (next == folded.end() || next->first != key || next->second != value) {
        differs("index " + std::to_string(static_cast<int>(index)) +
                " has another key than the log");
        return false;
      }
      ++next;
      return true;
    });
    if (!difference && next != folded.end()) {
      differs("index " + std::to_string(static_cast<int>(index)) + " lacks a key");
    }
  }

  std::optional<std::string> difference;

 private:
  template <class Row>
  [[nodiscard]] std::string bytes(const Row& row) const {
    std::string out;
    log::encode_row(row, salt_, out);
    return out;
  }
  template <class Row>
  [[nodiscard]] bool expired(const Row& row) const {
    if constexpr (std::is_same_v<Row, core::KeyRecord>) {
      return row.state == core::KeyState::kCompleted && row.expires_at <= now_;
    }
    return false;
  }
  [[nodiscard]] bool expired(core::Index index, std::string_view key) const {
    return index == core::Index::kKeysByExpiry && key.size() > kTimeSize &&
           core::read_big_endian(key.substr(0, kTimeSize)) <= static_cast<std::uint64_t>(now_.us);
  }
  [[nodiscard]] std::uint64_t expired_rows(log::Table table) {
    std::uint64_t count = 0;
    if (table == log::Table::kKeys) {
      state_->each(table, [&](std::string_view /*key*/, std::string_view stored) {
        core::KeyRecord row;
        count += log::decode_row(stored, salt_, row) && expired(row) ? 1 : 0;
        return true;
      });
    }
    return count;
  }
  // Keys of requests are digests.
  static std::string readable(const std::string& key) {
    return std::ranges::all_of(key, [](char c) { return c > ' ' && c <= '~'; }) ? key : to_hex(key);
  }
  void differs(std::string what) {
    if (!difference) {
      difference = std::move(what);
    }
  }

  log::StateStore::Snapshot* state_;
  std::uint64_t salt_;
  Timestamp now_;
};

}  // namespace

std::optional<std::string> compare_with_fold(const Disk& disk, std::uint64_t salt,
                                             log::StateStore::Snapshot& state) {
  core::NoRows nothing;
  Indexes indexes;
  core::Rows rows(nothing, &indexes);
  const core::Seq applied = state.applied_seq();
  if (applied > disk.last_seq()) {
    return "the state holds entry " + std::to_string(applied) + ", and the log ends at " +
           std::to_string(disk.last_seq());
  }
  Timestamp newest;
  for (core::Seq seq = 1; seq <= applied; ++seq) {
    const auto record = log::decode_record(seq, disk.entry(seq), seq == 1 ? 0 : salt);
    if (!record || !core::fold(rows, *record)) {
      return "log entry " + std::to_string(seq) + " does not fit the ones before it";
    }
    if (record->at < newest) {
      return "log entry " + std::to_string(seq) + " is older than the one before it";
    }
    newest = record->at;
  }
  Comparison comparison(state, salt, newest);
  comparison.rows("accounts", log::Table::kAccounts, rows.accounts);
  comparison.rows("transfers", log::Table::kTransfers, rows.transfers);
  comparison.rows("payments", log::Table::kPayments, rows.payments);
  comparison.rows("keys", log::Table::kKeys, rows.keys);
  comparison.rows("fraud checks", log::Table::kFrauds, rows.frauds);
  comparison.rows("refunds", log::Table::kRefunds, rows.refunds);
  for (const auto& [index, keys] : indexes.all) {
    comparison.keys(index, keys);
  }
  return comparison.difference;
}

}  // namespace payonce::sim
