#include "log/state_store.h"

#include <algorithm>
#include <cstring>

#include "base/ids.h"
#include "core/index_keys.h"
#include "log/codec.h"
#include "log/wire.h"

namespace payonce::log {
namespace {

// Raised whenever a row's fields or an index change: the state is then rebuilt from the log.
constexpr std::uint64_t kLayout = 3;

struct NamedTable {
  Table table;
  const char* name;
};
constexpr NamedTable kTables[] = {{Table::kAccounts, "accounts"}, {Table::kTransfers, "transfers"},
                                  {Table::kPayments, "payments"}, {Table::kKeys, "keys"},
                                  {Table::kFrauds, "frauds"},     {Table::kRefunds, "refunds"}};

struct NamedIndex {
  core::Index index;
  const char* name;
};
constexpr NamedIndex kIndexes[] = {{core::Index::kAccountsByTime, "accounts_by_time"},
                                   {core::Index::kTransfersByAccount, "transfers_by_account"},
                                   {core::Index::kPaymentsByTime, "payments_by_time"},
                                   {core::Index::kPaymentsByUser, "payments_by_user"},
                                   {core::Index::kPaymentsByStatus, "payments_by_status"},
                                   {core::Index::kKeysByExpiry, "keys_by_expiry"},
                                   {core::Index::kExhausted, "exhausted"},
                                   {core::Index::kRefundsByPayment, "refunds_by_payment"},
                                   {core::Index::kFraudByTime, "frauds_by_time"},
                                   {core::Index::kRefundsByTime, "refunds_by_time"},
                                   {core::Index::kGatewayDue, "gateway_due"},
                                   {core::Index::kFraudDue, "fraud_due"},
                                   {core::Index::kNotifyDue, "notify_due"},
                                   {core::Index::kTimerDue, "timer_due"},
                                   {core::Index::kWebhookDue, "webhook_due"},
                                   {core::Index::kSmtpDue, "smtp_due"}};

constexpr std::string_view kMetaKey = "state";

struct Head {
  std::uint64_t layout = kLayout;
  std::uint64_t salt = 0;
  std::uint64_t applied = 0;
  std::uint64_t seal = 0;  // absent in what earlier builds wrote

  [[nodiscard]] std::uint64_t sealing() const {
    return mix64(layout ^ mix64(salt ^ mix64(applied)));
  }

  template <class Visitor, class Self>
  static void fields(Visitor& v, Self& self) {
    v("layout", self.layout);
    v("salt", self.salt);
    v("applied", self.applied);
    v("seal", self.seal);
  }
};

Result<Head> read_head(MDB_txn* txn, MDB_dbi dbi) {
  MDB_val key = to_val(kMetaKey);
  MDB_val value{};
  const int code = mdb_get(txn, dbi, &key, &value);
  if (code != 0) {
    return lmdb_error(code, "cannot read the state's head");
  }
  Head meta;
  Reader r(to_view(value));
  Head::fields(r, meta);
  if (!r.ok() || !r.at_end() || (meta.seal != 0 && meta.seal != meta.sealing())) {
    return fail(Errc::kCorrupt, "the state's head is damaged");
  }
  return meta;
}

int write_head(MDB_txn* txn, MDB_dbi dbi, Head meta) {
  meta.seal = meta.sealing();
  std::string bytes;
  Writer w(bytes);
  Head::fields(w, meta);
  MDB_val key = to_val(kMetaKey);
  MDB_val value = to_val(bytes);
  return mdb_put(txn, dbi, &key, &value, 0);
}

// Whether a row stands under its own key.
template <class Row>
bool stands_under(std::string_view key, const Row& row) {
  return key == row.id;
}
bool stands_under(std::string_view key, const core::KeyRecord& row) { return key == row.key; }
bool stands_under(std::string_view key, const core::Transfer& row) {
  return key == core::transfer_key(row.workflow_id, row.step);
}

template <class Row>
Result<void> read_row(std::string_view key, std::string_view bytes, std::uint64_t salt, Row& out) {
  if (auto decoded = decode_row(bytes, salt, out); !decoded) {
    return decoded;
  }
  if (!stands_under(key, out)) {
    return fail(Errc::kCorrupt, "state row: it stands under another key than its own");
  }
  return {};
}

template <class Row>
constexpr Table kTableOf = Table::kAccounts;
template <>
constexpr Table kTableOf<core::Transfer> = Table::kTransfers;
template <>
constexpr Table kTableOf<core::Payment> = Table::kPayments;
template <>
constexpr Table kTableOf<core::KeyRecord> = Table::kKeys;
template <>
constexpr Table kTableOf<core::FraudCheck> = Table::kFrauds;
template <>
constexpr Table kTableOf<core::Refund> = Table::kRefunds;

// 0 with the row in `out`, MDB_NOTFOUND, or a failure in `error`.
template <class Row>
bool get_row(MDB_txn* txn, MDB_dbi dbi, std::uint64_t salt, std::string_view key, Row& out,
             std::optional<Error>& error) {
  // LMDB refuses longer keys than 511 bytes and empty ones; such a row cannot exist.
  if (txn == nullptr || key.empty() || key.size() > 511) {
    return false;
  }
  MDB_val k = to_val(key);
  MDB_val value{};
  const int code = mdb_get(txn, dbi, &k, &value);
  if (code == MDB_NOTFOUND) {
    return false;
  }
  if (code != 0) {
    error = lmdb_error(code, "cannot read the state").error();
    return false;
  }
  if (auto read = read_row(key, to_view(value), salt, out); !read) {
    error = read.error();
    return false;
  }
  return true;
}

}  // namespace

Result<std::unique_ptr<StateStore>> StateStore::open(const std::string& dir, std::uint64_t map_size,
                                                     std::uint64_t salt, Sync sync) {
  std::unique_ptr<StateStore> store(new StateStore());
  store->salt_ = salt;
  if (auto opened = store->env_.open(dir, map_size, 24, sync); !opened) {
    return std::unexpected(opened.error());
  }
  auto txn = LmdbTxn::begin(store->env_, LmdbTxn::Mode::kWrite);
  if (!txn) {
    return std::unexpected(txn.error());
  }
  if (auto opened = store->open_databases(txn->get()); !opened) {
    return std::unexpected(opened.error());
  }
  if (auto checked = store->check_meta(*txn); !checked) {
    return std::unexpected(checked.error());
  }
  if (const int code = txn->commit(); code != 0) {
    return lmdb_error(code, "cannot open the state in " + dir);
  }
  return store;
}

void StateStore::each_table(const std::function<void(Table, const char*)>& visit) {
  for (const NamedTable& table : kTables) {
    visit(table.table, table.name);
  }
}

void StateStore::each_index(const std::function<void(core::Index, const char*)>& visit) {
  for (const NamedIndex& index : kIndexes) {
    visit(index.index, index.name);
  }
}

Result<void> StateStore::open_databases(MDB_txn* txn) {
  // LMDB would add our tables to whatever the file holds: so look before the first one is made.
  MDB_dbi main = 0;
  MDB_stat stat{};
  int code = mdb_dbi_open(txn, nullptr, 0, &main);
  if (code == 0) {
    code = mdb_stat(txn, main, &stat);
  }
  const bool fresh = code == 0 && stat.ms_entries == 0;
  if (code == 0 && !fresh) {
    code = mdb_dbi_open(txn, "meta", 0, &meta_);
    if (code == MDB_NOTFOUND || code == MDB_INCOMPATIBLE) {
      return fail(Errc::kForeign, "the file is not a payonce state store");
    }
  }
  if (code != 0) {
    return lmdb_error(code, "cannot open the state");
  }
  // Tables are made together, once: one that is missing later has been lost, and an empty one in
  // its place would say that there never were such rows.
  const auto open_one = [&](const char* name, MDB_dbi& dbi) -> Result<void> {
    const int opened = mdb_dbi_open(txn, name, fresh ? MDB_CREATE : 0U, &dbi);
    if (opened == MDB_NOTFOUND) {
      return fail(Errc::kCorrupt, std::string("table ") + name + " of the state is lost");
    }
    if (opened != 0) {
      return lmdb_error(opened, std::string("cannot open table ") + name + " of the state");
    }
    return {};
  };
  Result<void> opened = open_one("meta", meta_);
  for (const NamedTable& table : kTables) {
    if (opened) {
      opened = open_one(table.name, tables_[static_cast<std::size_t>(table.table)]);
    }
  }
  for (const NamedIndex& index : kIndexes) {
    if (opened) {
      opened = open_one(index.name, indexes_[static_cast<std::size_t>(index.index)]);
    }
  }
  return opened;
}

Result<void> StateStore::check_meta(const LmdbTxn& txn) {
  MDB_stat stat{};
  if (const int code = mdb_stat(txn.get(), meta_, &stat); code != 0) {
    return lmdb_error(code, "cannot read the state's head");
  }
  if (stat.ms_entries == 0) {
    const int code = write_head(txn.get(), meta_, Head{.layout = kLayout, .salt = salt_});
    return code == 0 ? Result<void>{} : lmdb_error(code, "cannot write the state's head");
  }
  const auto meta = read_head(txn.get(), meta_);
  if (!meta) {
    return std::unexpected(meta.error());
  }
  if (meta->salt != salt_) {
    return fail(Errc::kForeign, "the state belongs to another log");
  }
  if (meta->layout != kLayout) {
    return fail(Errc::kVersion, "the state has layout " + std::to_string(meta->layout) +
                                    ", this build writes " + std::to_string(kLayout));
  }
  return {};
}

Result<StateStore::Snapshot> StateStore::snapshot() const {
  auto txn = LmdbTxn::begin(env_, LmdbTxn::Mode::kRead);
  if (!txn) {
    return std::unexpected(txn.error());
  }
  return Snapshot(*this, std::move(*txn));
}

Result<StateStore::Update> StateStore::update() {
  auto txn = LmdbTxn::begin(env_, LmdbTxn::Mode::kWrite);
  if (!txn) {
    return std::unexpected(txn.error());
  }
  return Update(*this, std::move(*txn));
}

// ---- Snapshot

template <class Row>
bool StateStore::Snapshot::load_from(Table table, std::string_view key, Row& out) {
  return get_row(txn_.get(), store_->tables_[static_cast<std::size_t>(table)], store_->salt_, key,
                 out, error_);
}

bool StateStore::Snapshot::load(std::string_view key, core::Account& out) {
  return load_from(Table::kAccounts, key, out);
}
bool StateStore::Snapshot::load(std::string_view key, core::Transfer& out) {
  return load_from(Table::kTransfers, key, out);
}
bool StateStore::Snapshot::load(std::string_view key, core::Payment& out) {
  return load_from(Table::kPayments, key, out);
}
bool StateStore::Snapshot::load(std::string_view key, core::KeyRecord& out) {
  return load_from(Table::kKeys, key, out);
}
bool StateStore::Snapshot::load(std::string_view key, core::FraudCheck& out) {
  return load_from(Table::kFrauds, key, out);
}
bool StateStore::Snapshot::load(std::string_view key, core::Refund& out) {
  return load_from(Table::kRefunds, key, out);
}

core::Seq StateStore::Snapshot::applied_seq() {
  const auto meta = read_head(txn_.get(), store_->meta_);
  if (!meta) {
    keep(meta.error());
    return 0;
  }
  return meta->applied;
}

void StateStore::Snapshot::release() { txn_.reset(); }

void StateStore::Snapshot::refresh() {
  txn_.reset();
  if (const int code = txn_.renew(); code != 0) {
    keep(lmdb_error(code, "cannot read the state").error());
  }
}

void StateStore::Snapshot::newest_first(core::Index index, const std::string& prefix,
                                        const std::string& before, const Visit& visit) {
  const LmdbCursor cursor(txn_.get(), store_->indexes_[static_cast<std::size_t>(index)]);
  // The first key that is too great: the cursor's own key, or the end of the prefix. No key of an
  // index has 0xff bytes enough to pass the latter, since times stay below 2^63.
  const std::string bound = prefix + (before.empty() ? std::string(9, '\xff') : before);
  MDB_val key = to_val(bound);
  MDB_val value{};
  int code = cursor.get(key, value, MDB_SET_RANGE);
  code = code == MDB_NOTFOUND ? cursor.get(key, value, MDB_LAST)
                              : (code == 0 ? cursor.get(key, value, MDB_PREV) : code);
  while (code == 0 && to_view(key).starts_with(prefix)) {
    if (!visit(to_view(key).substr(prefix.size()), to_view(value))) {
      return;
    }
    code = cursor.get(key, value, MDB_PREV);
  }
  if (code != 0 && code != MDB_NOTFOUND) {
    keep(lmdb_error(code, "cannot read the state").error());
  }
}

void StateStore::Snapshot::oldest_first(core::Index index, const std::string& prefix,
                                        const Visit& visit) {
  oldest_from(index, prefix, [&](std::string_view key, std::string_view value) {
    return key.starts_with(prefix) && visit(key.substr(prefix.size()), value);
  });
}

void StateStore::Snapshot::oldest_from(core::Index index, std::string_view from,
                                       const Visit& visit) {
  const LmdbCursor cursor(txn_.get(), store_->indexes_[static_cast<std::size_t>(index)]);
  MDB_val key = to_val(from);
  MDB_val value{};
  int code = cursor.get(key, value, from.empty() ? MDB_FIRST : MDB_SET_RANGE);
  while (code == 0 && visit(to_view(key), to_view(value))) {
    code = cursor.get(key, value, MDB_NEXT);
  }
  if (code != 0 && code != MDB_NOTFOUND) {
    keep(lmdb_error(code, "cannot read the state").error());
  }
}

std::uint64_t StateStore::Snapshot::count(Table table) {
  return count(store_->tables_[static_cast<std::size_t>(table)]);
}

std::uint64_t StateStore::Snapshot::count(core::Index index) {
  return count(store_->indexes_[static_cast<std::size_t>(index)]);
}

std::uint64_t StateStore::Snapshot::count(MDB_dbi dbi) {
  MDB_stat stat{};
  const int code = mdb_stat(txn_.get(), dbi, &stat);
  if (code != 0) {
    keep(lmdb_error(code, "cannot count the state's rows").error());
    return 0;
  }
  return stat.ms_entries;
}

void StateStore::Snapshot::walk(MDB_dbi dbi, const Visit& visit) {
  const LmdbCursor cursor(txn_.get(), dbi);
  MDB_val key{};
  MDB_val value{};
  int code = cursor.get(key, value, MDB_FIRST);
  while (code == 0 && visit(to_view(key), to_view(value))) {
    code = cursor.get(key, value, MDB_NEXT);
  }
  if (code != 0 && code != MDB_NOTFOUND) {
    keep(lmdb_error(code, "cannot read the state").error());
  }
}

void StateStore::Snapshot::each(Table table, const Visit& visit) {
  walk(store_->tables_[static_cast<std::size_t>(table)], visit);
}

template <class Row>
void StateStore::Snapshot::each_row(const std::function<void(const Row&)>& visit) {
  each(kTableOf<Row>, [&](std::string_view key, std::string_view bytes) {
    Row row;
    if (auto read = read_row(key, bytes, store_->salt_, row); !read) {
      keep(read.error());
      return false;
    }
    visit(row);
    return true;
  });
}
template void StateStore::Snapshot::each_row(const std::function<void(const core::Account&)>&);
template void StateStore::Snapshot::each_row(const std::function<void(const core::Transfer&)>&);
template void StateStore::Snapshot::each_row(const std::function<void(const core::Payment&)>&);
template void StateStore::Snapshot::each_row(const std::function<void(const core::KeyRecord&)>&);
template void StateStore::Snapshot::each_row(const std::function<void(const core::FraudCheck&)>&);
template void StateStore::Snapshot::each_row(const std::function<void(const core::Refund&)>&);

void StateStore::Snapshot::each_account(const std::function<void(const core::Account&)>& visit) {
  each_row<core::Account>(visit);
}

void StateStore::Snapshot::keep(Error error) {
  if (!error_) {
    error_ = std::move(error);
  }
}

// ---- Update

template <class Row>
bool StateStore::Update::load_from(Table table, std::string_view key, Row& out) {
  return get_row(txn_.get(), store_->tables_[static_cast<std::size_t>(table)], store_->salt_, key,
                 out, error_);
}

bool StateStore::Update::load(std::string_view key, core::Account& out) {
  return load_from(Table::kAccounts, key, out);
}
bool StateStore::Update::load(std::string_view key, core::Transfer& out) {
  return load_from(Table::kTransfers, key, out);
}
bool StateStore::Update::load(std::string_view key, core::Payment& out) {
  return load_from(Table::kPayments, key, out);
}
bool StateStore::Update::load(std::string_view key, core::KeyRecord& out) {
  return load_from(Table::kKeys, key, out);
}
bool StateStore::Update::load(std::string_view key, core::FraudCheck& out) {
  return load_from(Table::kFrauds, key, out);
}
bool StateStore::Update::load(std::string_view key, core::Refund& out) {
  return load_from(Table::kRefunds, key, out);
}

void StateStore::Update::put(core::Index index, std::string key, std::string_view value) {
  index_changes_[static_cast<std::size_t>(index)].push_back({std::move(key), std::string(value)});
}

void StateStore::Update::erase(core::Index index, std::string key) {
  index_changes_[static_cast<std::size_t>(index)].push_back({std::move(key), std::nullopt});
}

Result<core::Seq> StateStore::Update::applied_seq() {
  const auto meta = read_head(txn_.get(), store_->meta_);
  if (!meta) {
    return std::unexpected(meta.error());
  }
  return meta->applied;
}

Result<void> StateStore::Update::commit(const core::Rows& rows, core::Seq applied, Timestamp now,
                                        std::size_t purge_max) {
  write_rows(Table::kAccounts, rows.accounts);
  write_rows(Table::kTransfers, rows.transfers);
  write_rows(Table::kPayments, rows.payments);
  write_rows(Table::kKeys, rows.keys);
  write_rows(Table::kFrauds, rows.frauds);
  write_rows(Table::kRefunds, rows.refunds);
  write_indexes();
  purge_keys(now, purge_max);
  check(write_head(txn_.get(), store_->meta_,
                   Head{.layout = kLayout, .salt = store_->salt_, .applied = applied}),
        "cannot write the state's head");
  if (error_) {
    return std::unexpected(*error_);
  }
  if (const int code = txn_.commit(); code != 0) {
    return lmdb_error(code, "cannot commit the checkpoint");
  }
  return {};
}

template <class Row>
void StateStore::Update::write_rows(Table table, const core::RowTable<Row>& rows) {
  std::string bytes;
  const LmdbCursor cursor(txn_.get(), store_->tables_[static_cast<std::size_t>(table)]);
  rows.for_each_changed([&](const std::string& key, const Row& row) {
    if (error_) {
      return;
    }
    bytes.clear();
    encode_row(row, store_->salt_, bytes);
    MDB_val k = to_val(key);
    MDB_val value = to_val(bytes);
    check(cursor.put(k, value), "cannot write a row of the state");
  });
}

void StateStore::Update::write_indexes() {
  for (std::size_t i = 0; i < index_changes_.size(); ++i) {
    if (!index_changes_[i].empty()) {
      write_index(store_->indexes_[i], index_changes_[i]);
    }
  }
}

// In the order of their keys, which LMDB likes best; of several changes to a key the last one.
void StateStore::Update::write_index(MDB_dbi dbi, std::vector<IndexChange>& changes) {
  const auto key_of = [](const IndexChange& change) -> const std::string& { return change.key; };
  if (!std::ranges::is_sorted(changes, {}, key_of)) {
    std::ranges::stable_sort(changes, {}, key_of);
  }
  const LmdbCursor cursor(txn_.get(), dbi);
  for (std::size_t i = 0; i < changes.size() && !error_; ++i) {
    if (i + 1 < changes.size() && changes[i].key == changes[i + 1].key) {
      continue;
    }
    MDB_val key = to_val(changes[i].key);
    if (changes[i].value) {
      MDB_val value = to_val(*changes[i].value);
      check(cursor.put(key, value), "cannot write an index of the state");
    } else if (const int code = cursor.erase(key); code != MDB_NOTFOUND) {
      check(code, "cannot write an index of the state");
    }
  }
}

void StateStore::Update::purge_keys(Timestamp now, std::size_t purge_max) {
  const MDB_dbi index = store_->indexes_[static_cast<std::size_t>(core::Index::kKeysByExpiry)];
  const MDB_dbi table = store_->tables_[static_cast<std::size_t>(Table::kKeys)];
  for (std::size_t i = 0; i < purge_max && !error_; ++i) {
    std::string place;
    {
      const LmdbCursor cursor(txn_.get(), index);
      MDB_val key{};
      MDB_val value{};
      const int code = cursor.get(key, value, MDB_FIRST);
      if (code != 0) {
        check(code == MDB_NOTFOUND ? 0 : code, "cannot read an index of the state");
        return;
      }
      place = to_view(key);
    }
    if (place.size() <= 8 || core::read_big_endian(std::string_view(place).substr(0, 8)) >
                                 static_cast<std::uint64_t>(now.us)) {
      return;
    }
    MDB_val key = to_val(place);
    MDB_val row = to_val(std::string_view(place).substr(8));
    check(mdb_del(txn_.get(), index, &key, nullptr), "cannot write an index of the state");
    if (const int code = mdb_del(txn_.get(), table, &row, nullptr); code != MDB_NOTFOUND) {
      check(code, "cannot remove an expired key");
    }
  }
}

void StateStore::Update::check(int code, const char* doing) {
  if (code != 0 && !error_) {
    error_ = lmdb_error(code, doing).error();
  }
}

}  // namespace payonce::log
