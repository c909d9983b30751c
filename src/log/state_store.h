// log/state_store.h: the folded state on LMDB, in an environment of its own.
//
// Rows and secondary keys of everything that the log says up to `applied_seq`, written in one
// transaction per checkpoint together with that number. It is only ever a fold of durable entries:
// never ahead of the log, and it can be thrown away and rebuilt.
// Threads: one writer at a time (the checkpointer); a Snapshot belongs to one thread at a time.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "core/rows.h"
#include "log/lmdb_env.h"

namespace payonce::log {

// Which rows a table holds. Numbers name databases and are never reused.
enum class Table : std::uint8_t {
  kAccounts = 1,
  kTransfers = 2,
  kPayments = 3,
  kKeys = 4,
  kFrauds = 5,
  kRefunds = 6
};

// Places in an array by core::Index.
inline constexpr std::size_t kIndexSlots = 18;

class StateStore {
 public:
  class Snapshot;
  class Update;

  // Opens or creates. kCorrupt: it is damaged; kForeign: it belongs to another log (other salt) or
  // is not a state store; kVersion: written with another layout of rows. In all these cases the
  // caller may rebuild.
  [[nodiscard]] static Result<std::unique_ptr<StateStore>> open(const std::string& dir,
                                                                std::uint64_t map_size,
                                                                std::uint64_t salt,
                                                                Sync sync = Sync::kEachCommit);

  // A consistent view at one checkpoint. Keep it short: it keeps old pages from being reused.
  [[nodiscard]] Result<Snapshot> snapshot() const;
  // The next checkpoint. Rolled back unless it is committed.
  [[nodiscard]] Result<Update> update();

  [[nodiscard]] std::uint64_t file_bytes() const { return env_.file_bytes(); }
  [[nodiscard]] std::uint64_t disk_bytes() const { return env_.disk_bytes(); }
  [[nodiscard]] LmdbEnv& env() { return env_; }

  // Every table and index with its name.
  static void each_table(const std::function<void(Table, const char*)>& visit);
  static void each_index(const std::function<void(core::Index, const char*)>& visit);

 private:
  StateStore() = default;
  [[nodiscard]] Result<void> open_databases(MDB_txn* txn);
  [[nodiscard]] Result<void> check_meta(const LmdbTxn& txn);

  LmdbEnv env_;
  std::uint64_t salt_ = 0;
  MDB_dbi meta_ = 0;
  std::array<MDB_dbi, 7> tables_{};             // by Table
  std::array<MDB_dbi, kIndexSlots> indexes_{};  // by core::Index
};

// Rows by key and secondary keys in order, at one checkpoint. A failed read is kept in error() and
// looks like an absent row, so the caller checks error() before it acts on what it saw.
class StateStore::Snapshot final : public core::RowSource {
 public:
  Snapshot(const StateStore& store, LmdbTxn txn) : store_(&store), txn_(std::move(txn)) {}

  bool load(std::string_view key, core::Account& out) override;
  bool load(std::string_view key, core::Transfer& out) override;
  bool load(std::string_view key, core::Payment& out) override;
  bool load(std::string_view key, core::KeyRecord& out) override;
  bool load(std::string_view key, core::FraudCheck& out) override;
  bool load(std::string_view key, core::Refund& out) override;

  [[nodiscard]] const std::optional<Error>& error() const { return error_; }
  [[nodiscard]] core::Seq applied_seq();
  // Lets the old view go, and takes the newest one. refresh() is cheap enough for every batch.
  void release();
  void refresh();

  // Visits (key, value) of an index with the given prefix, from the greatest key below `before`
  // downwards (from the greatest of all when `before` is empty), until `visit` returns false.
  // Keys are passed without the prefix.
  using Visit = std::function<bool(std::string_view key, std::string_view value)>;
  void newest_first(core::Index index, const std::string& prefix, const std::string& before,
                    const Visit& visit);
  // The same upwards from the smallest key.
  void oldest_first(core::Index index, const std::string& prefix, const Visit& visit);
  // Upwards from the smallest key that is not below `from`.
  void oldest_from(core::Index index, std::string_view from, const Visit& visit);

  // Number of rows of a table, and of keys of an index.
  [[nodiscard]] std::uint64_t count(Table table);
  [[nodiscard]] std::uint64_t count(core::Index index);
  // Visits every account.
  void each_account(const std::function<void(const core::Account&)>& visit);
  // Visits every row of one kind, in the order of keys, up to the first that does not read.
  template <class Row>
  void each_row(const std::function<void(const Row&)>& visit);
  // The same as bytes, until `visit` returns false.
  void each(Table table, const Visit& visit);

 private:
  template <class Row>
  bool load_from(Table table, std::string_view key, Row& out);
  [[nodiscard]] std::uint64_t count(MDB_dbi dbi);
  void walk(MDB_dbi dbi, const Visit& visit);
  void keep(Error error);

  const StateStore* store_;
  LmdbTxn txn_;
  std::optional<Error> error_;
};

// Collects one checkpoint: reads through the open write transaction, buffers secondary keys, and
// writes everything in key order at commit.
class StateStore::Update final : public core::RowSource, public core::IndexSink {
 public:
  Update(StateStore& store, LmdbTxn txn) : store_(&store), txn_(std::move(txn)) {}

  bool load(std::string_view key, core::Account& out) override;
  bool load(std::string_view key, core::Transfer& out) override;
  bool load(std::string_view key, core::Payment& out) override;
  bool load(std::string_view key, core::KeyRecord& out) override;
  bool load(std::string_view key, core::FraudCheck& out) override;
  bool load(std::string_view key, core::Refund& out) override;
  void put(core::Index index, std::string key, std::string_view value) override;
  void erase(core::Index index, std::string key) override;

  [[nodiscard]] Result<core::Seq> applied_seq();
  // A failed read; commit() refuses then.
  [[nodiscard]] const std::optional<Error>& error() const { return error_; }
  // Writes all changed rows and secondary keys, removes up to `purge_max` expired idempotency keys
  // (expired at `now`, the time of the newest entry), sets applied_seq, and commits durably.
  [[nodiscard]] Result<void> commit(const core::Rows& rows, core::Seq applied, Timestamp now,
                                    std::size_t purge_max);

 private:
  struct IndexChange {
    std::string key;
    std::optional<std::string> value;  // none: erased
  };
  template <class Row>
  bool load_from(Table table, std::string_view key, Row& out);
  template <class Row>
  void write_rows(Table table, const core::RowTable<Row>& rows);
  void write_indexes();
  void write_index(MDB_dbi dbi, std::vector<IndexChange>& changes);
  void purge_keys(Timestamp now, std::size_t purge_max);
  void check(int code, const char* doing);

  StateStore* store_;
  LmdbTxn txn_;
  std::optional<Error> error_;
  std::array<std::vector<IndexChange>, kIndexSlots> index_changes_;  // by core::Index, as they came
};

}  // namespace payonce::log
