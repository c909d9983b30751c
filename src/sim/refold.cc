#include "sim/refold.h"

#include <map>
#include <string_view>
#include <utility>

#include "core/fold.h"
#include "log/codec.h"

namespace payonce::sim {
namespace {

using Keys = std::map<std::string, std::string>;

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
  Comparison(log::StateStore::Snapshot& state, std::uint64_t salt) : state_(&state), salt_(salt) {}

  template <class Row>
  void rows(const char* table, log::Table number, const core::RowTable<Row>& folded) {
    std::uint64_t count = 0;
    folded.for_each_changed([&](const std::string& key, const Row& row) {
      ++count;
      Row stored;
      if (!state_->load(key, stored)) {
        differs(std::string(table) + " " + key + " is missing");
      } else if (bytes(stored) != bytes(row)) {
        differs(std::string(table) + " " + key + " is not what the log says");
      }
    });
    if (state_->count(number) != count) {
      differs("there are " + std::to_string(state_->count(number)) + " rows of " + table +
              ", and the log makes " + std::to_string(count));
    }
  }

  void keys(core::Index index, const Keys& folded) {
    auto next = folded.begin();
    state_->oldest_first(index, {}, [&](std::string_view key, std::string_view value) {
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
  void differs(std::string what) {
    if (!difference) {
      difference = std::move(what);
    }
  }

  log::StateStore::Snapshot* state_;
  std::uint64_t salt_;
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
  Comparison comparison(state, salt);
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
