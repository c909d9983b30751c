#include "log/state_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <lmdb.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/index_keys.h"
#include "log/lmdb_log.h"
#include "log/wire.h"
#include "support/dump.h"
#include "support/machine_world.h"
#include "support/temp_dir.h"

namespace payonce::log {
namespace {

using core::Index;
using testing::ElementsAre;
using testing::IsEmpty;
using testing_support::dump;
using testing_support::kStart;
using testing_support::TempDir;

constexpr std::uint64_t kMapSize = 64 << 20;
constexpr std::uint64_t kSalt = 7;

class StateStoreTest : public testing::Test {
 protected:
  StateStoreTest() { open(); }

  void open() {
    store.reset();  // LMDB: one open per process
    auto opened = StateStore::open(path, kMapSize, kSalt);
    ASSERT_TRUE(opened) << opened.error().message;
    store = std::move(*opened);
  }
  Errc error_of(std::uint64_t salt = kSalt) {
    store.reset();
    const auto opened = StateStore::open(path, kMapSize, salt);
    EXPECT_FALSE(opened.has_value());
    return opened ? Errc::kNotFound : opened.error().code;
  }
  // One checkpoint that `change` fills: it gets the rows and the update.
  template <class Change>
  void checkpoint(core::Seq applied, Change&& change, Timestamp now = kStart,
                  std::size_t purge_max = 100) {
    auto update = store->update();
    ASSERT_TRUE(update);
    core::Rows rows(*update, &*update);
    change(rows, *update);
    const auto committed = update->commit(rows, applied, now, purge_max);
    ASSERT_TRUE(committed) << committed.error().message;
  }
  static core::Account account(const std::string& id) {
    core::Account row;
    row.id = id;
    row.currency = testing_support::currency("USD");
    return row;
  }
  StateStore::Snapshot snapshot() {
    auto taken = store->snapshot();
    PAYONCE_ASSERT(taken.has_value());
    return std::move(*taken);
  }
  static std::vector<std::string> newest(StateStore::Snapshot& view, Index index,
                                         const std::string& prefix = {},
                                         const std::string& before = {}, std::size_t max = 100) {
    std::vector<std::string> values;
    view.newest_first(index, prefix, before, [&](std::string_view, std::string_view value) {
      values.emplace_back(value);
      return values.size() < max;
    });
    return values;
  }
  // Changes the raw value of a key, or the key itself, behind the store's back.
  template <class Change>
  void tamper(const char* table, std::string_view key, Change&& change,
              std::string_view renamed = {}) {
    store.reset();
    LmdbEnv env;
    ASSERT_TRUE(env.open(path, kMapSize, 16));
    auto txn = LmdbTxn::begin(env, LmdbTxn::Mode::kWrite);
    MDB_dbi dbi = 0;
    ASSERT_EQ(mdb_dbi_open(txn->get(), table, 0, &dbi), 0);
    MDB_val k = to_val(key);
    MDB_val value{};
    ASSERT_EQ(mdb_get(txn->get(), dbi, &k, &value), 0);
    std::string bytes(to_view(value));
    change(bytes);
    if (!renamed.empty()) {
      ASSERT_EQ(mdb_del(txn->get(), dbi, &k, nullptr), 0);
      k = to_val(renamed);
    }
    value = to_val(bytes);
    ASSERT_EQ(mdb_put(txn->get(), dbi, &k, &value, 0), 0);
    ASSERT_EQ(txn->commit(), 0);
  }

  TempDir dir;
  std::string path = dir / "state";
  std::unique_ptr<StateStore> store;
};

TEST_F(StateStoreTest, Fresh_HoldsNothing) {
  auto view = snapshot();
  EXPECT_EQ(view.applied_seq(), 0U);
  for (const Table table : {Table::kAccounts, Table::kTransfers, Table::kPayments, Table::kKeys,
                            Table::kFrauds, Table::kRefunds}) {
    EXPECT_EQ(view.count(table), 0U);
  }
  core::Account out;
  EXPECT_FALSE(view.load("alice", out));
  EXPECT_FALSE(view.error());
}

TEST_F(StateStoreTest, Committed_IsReadBackAfterReopening) {
  core::Transfer transfer;
  transfer.id = "tr_1";
  transfer.workflow_id = "w";
  transfer.step = "s";
  core::Payment payment;
  payment.id = "pay_1";
  core::KeyRecord key;
  key.key = std::string(32, '\x80');
  payment.compensation_steps = {{.kind = core::CompensationKind::kVoidCharge}};
  payment.deliveries = {core::Delivery{}};
  core::FraudCheck check;
  check.id = "fraud-check-pay_1";
  core::Refund refund;
  refund.id = "ref_1";
  checkpoint(9, [&](core::Rows& rows, auto&) {
    rows.accounts.put("alice", account("alice"), 7);
    rows.transfers.put("w/s", transfer, 8);
    rows.payments.put("pay_1", payment, 8);
    rows.keys.put(key.key, key, 9);
    rows.frauds.put(check.id, check, 9);
    rows.refunds.put(refund.id, refund, 9);
  });
  open();
  auto view = snapshot();
  EXPECT_EQ(view.applied_seq(), 9U);
  core::Account read_account;
  ASSERT_TRUE(view.load("alice", read_account));
  EXPECT_EQ(dump(read_account), dump(account("alice")));
  core::Transfer read_transfer;
  ASSERT_TRUE(view.load("w/s", read_transfer));
  EXPECT_EQ(dump(read_transfer), dump(transfer));
  core::Payment read_payment;
  ASSERT_TRUE(view.load("pay_1", read_payment));
  EXPECT_EQ(dump(read_payment), dump(payment));
  core::KeyRecord read_key;
  ASSERT_TRUE(view.load(key.key, read_key));
  EXPECT_EQ(dump(read_key), dump(key));
  core::FraudCheck read_check;
  ASSERT_TRUE(view.load(check.id, read_check));
  EXPECT_EQ(dump(read_check), dump(check));
  core::Refund read_refund;
  ASSERT_TRUE(view.load(refund.id, read_refund));
  EXPECT_EQ(dump(read_refund), dump(refund));
  EXPECT_EQ(view.count(Table::kAccounts), 1U);
  EXPECT_EQ(view.count(Table::kFrauds), 1U);
  EXPECT_EQ(view.count(Table::kRefunds), 1U);
}

TEST_F(StateStoreTest, UncommittedUpdate_LeavesNoTrace) {
  {
    auto update = store->update();
    ASSERT_TRUE(update);
    core::Rows rows(*update, &*update);
    rows.accounts.put("alice", account("alice"), 1);
    update->put(Index::kTimerDue, "x", {});
  }
  auto view = snapshot();
  core::Account out;
  EXPECT_FALSE(view.load("alice", out));
  EXPECT_EQ(view.applied_seq(), 0U);
}

TEST_F(StateStoreTest, RowsThatWereOnlyRead_AreNotWritten) {
  checkpoint(1, [&](core::Rows& rows, auto&) { rows.accounts.put("a", account("a"), 1); });
  checkpoint(2, [&](core::Rows& rows, auto&) {
    EXPECT_NE(rows.accounts.find("a"), nullptr);
    rows.accounts.put("b", account("b"), 2);
  });
  auto view = snapshot();
  EXPECT_EQ(view.count(Table::kAccounts), 2U);
}

TEST_F(StateStoreTest, Snapshot_SeesOneCheckpointUntilItIsRefreshed) {
  checkpoint(1, [&](core::Rows& rows, auto&) { rows.accounts.put("a", account("a"), 1); });
  auto view = snapshot();
  EXPECT_EQ(view.applied_seq(), 1U);
  checkpoint(2, [&](core::Rows& rows, auto&) { rows.accounts.put("b", account("b"), 2); });
  core::Account out;
  EXPECT_FALSE(view.load("b", out));
  EXPECT_EQ(view.applied_seq(), 1U);
  view.release();
  view.refresh();
  EXPECT_TRUE(view.load("b", out));
  EXPECT_EQ(view.applied_seq(), 2U);
  EXPECT_FALSE(view.error());
}

TEST_F(StateStoreTest, KeysThatLmdbCannotHold_AreAbsentRows) {
  auto view = snapshot();
  core::Account out;
  EXPECT_FALSE(view.load("", out));
  EXPECT_FALSE(view.load(std::string(512, 'x'), out));
  EXPECT_FALSE(view.error());
}

TEST_F(StateStoreTest, LongestIds_FitEveryIndex) {
  const std::string id(kIdLengthMax, 'x');
  checkpoint(1, [&](core::Rows& rows, auto& update) {
    rows.payments.put(id, core::Payment{}, 1);
    rows.transfers.put(core::transfer_key(id, "opening"), core::Transfer{}, 1);
    update.put(Index::kPaymentsByUser, core::text_prefix(id) + core::position(kStart, 1), id);
  });
  auto view = snapshot();
  EXPECT_THAT(newest(view, Index::kPaymentsByUser, core::text_prefix(id)), ElementsAre(id));
}

class IndexTest : public StateStoreTest {
 protected:
  IndexTest() {
    checkpoint(5, [&](core::Rows&, auto& update) {
      for (core::Seq seq = 1; seq <= 5; ++seq) {
        const std::string id = "p" + std::to_string(seq);
        const std::string place = core::position(kStart + Duration::seconds(1), seq);
        update.put(Index::kPaymentsByTime, place, id);
        update.put(Index::kPaymentsByUser, core::text_prefix(seq % 2 == 0 ? "u1" : "u10") + place,
                   id);
      }
    });
  }
};

TEST_F(IndexTest, NewestFirst_RunsDownwardsFromTheEnd) {
  auto view = snapshot();
  EXPECT_THAT(newest(view, Index::kPaymentsByTime), ElementsAre("p5", "p4", "p3", "p2", "p1"));
}

TEST_F(IndexTest, NewestFirst_StaysWithinItsPrefix) {
  auto view = snapshot();
  EXPECT_THAT(newest(view, Index::kPaymentsByUser, core::text_prefix("u1")),
              ElementsAre("p4", "p2"));
  EXPECT_THAT(newest(view, Index::kPaymentsByUser, core::text_prefix("u10")),
              ElementsAre("p5", "p3", "p1"));
  EXPECT_THAT(newest(view, Index::kPaymentsByUser, core::text_prefix("u")), IsEmpty());
  EXPECT_THAT(newest(view, Index::kPaymentsByUser, core::text_prefix("zz")), IsEmpty());
}

TEST_F(IndexTest, NewestFirst_BelowACursorLeavesTheCursorOut) {
  auto view = snapshot();
  const auto cursor = [](core::Seq seq) {
    return core::position(kStart + Duration::seconds(1), seq);
  };
  EXPECT_THAT(newest(view, Index::kPaymentsByTime, {}, cursor(3)), ElementsAre("p2", "p1"));
  EXPECT_THAT(newest(view, Index::kPaymentsByTime, {}, cursor(1)), IsEmpty());
  EXPECT_THAT(newest(view, Index::kPaymentsByTime, {}, cursor(99)),
              ElementsAre("p5", "p4", "p3", "p2", "p1"));
  EXPECT_THAT(newest(view, Index::kPaymentsByUser, core::text_prefix("u1"), cursor(3)),
              ElementsAre("p2"));
}

TEST_F(IndexTest, NewestFirst_PageAfterPage_VisitsEachOnce) {
  auto view = snapshot();
  std::vector<std::string> all;
  std::string before;
  for (int page = 0; page < 10; ++page) {
    int count = 0;
    view.newest_first(Index::kPaymentsByTime, {}, before,
                      [&](std::string_view key, std::string_view value) {
                        all.emplace_back(value);
                        before = key;
                        return ++count < 2;
                      });
    if (count == 0) {
      break;
    }
  }
  EXPECT_THAT(all, ElementsAre("p5", "p4", "p3", "p2", "p1"));
}

TEST_F(IndexTest, Visit_MayStopEarly) {
  auto view = snapshot();
  EXPECT_THAT(newest(view, Index::kPaymentsByTime, {}, {}, 2), ElementsAre("p5", "p4"));
}

TEST_F(IndexTest, OldestFirst_RunsUpwardsWithinItsPrefix) {
  auto view = snapshot();
  std::vector<std::string> values;
  const auto visit = [&](std::string_view, std::string_view value) {
    values.emplace_back(value);
    return values.size() < 3;
  };
  view.oldest_first(Index::kPaymentsByTime, {}, visit);
  EXPECT_THAT(values, ElementsAre("p1", "p2", "p3"));
  values.clear();
  view.oldest_first(Index::kPaymentsByUser, core::text_prefix("u1"), visit);
  EXPECT_THAT(values, ElementsAre("p2", "p4"));
}

TEST_F(IndexTest, Keys_ArePassedWithoutThePrefix) {
  auto view = snapshot();
  view.newest_first(Index::kPaymentsByUser, core::text_prefix("u1"), {},
                    [&](std::string_view key, std::string_view) {
                      EXPECT_EQ(key, core::position(kStart + Duration::seconds(1), 4));
                      return false;
                    });
}

TEST_F(IndexTest, Erase_RemovesAndTheLastChangeOfACheckpointWins) {
  const auto place = [](core::Seq seq) {
    return core::position(kStart + Duration::seconds(1), seq);
  };
  checkpoint(6, [&](core::Rows&, auto& update) {
    update.erase(Index::kPaymentsByTime, place(5));
    update.erase(Index::kPaymentsByTime, place(99));  // never was there
    update.erase(Index::kPaymentsByTime, place(4));
    update.put(Index::kPaymentsByTime, place(4), "again");
    update.put(Index::kPaymentsByTime, place(7), "p7");
    update.erase(Index::kPaymentsByTime, place(7));
  });
  auto view = snapshot();
  EXPECT_THAT(newest(view, Index::kPaymentsByTime), ElementsAre("again", "p3", "p2", "p1"));
}

TEST_F(StateStoreTest, EachAccount_VisitsAll) {
  checkpoint(1, [&](core::Rows& rows, auto&) {
    for (const char* id : {"b", "a", "sys:x"}) {
      rows.accounts.put(id, account(id), 1);
    }
  });
  auto view = snapshot();
  std::vector<std::string> ids;
  view.each_account([&](const core::Account& row) { ids.push_back(row.id); });
  EXPECT_THAT(ids, ElementsAre("a", "b", "sys:x"));
}

// ---- Expired keys

class PurgeTest : public StateStoreTest {
 protected:
  static core::Record record(core::Seq seq, core::Event event) {
    core::Record out;
    out.seq = seq;
    out.at = kStart;
    out.kind = core::StreamKind::kIdempotency;
    out.event = std::move(event);
    return out;
  }
  static core::AnswerRecorded answer(const std::string& key, std::int64_t retention_s) {
    return {
        .key = key, .fingerprint = "f", .retention = Duration::seconds(retention_s), .answer = {}};
  }
  void fold(core::Seq seq, core::Event event, Timestamp now, std::size_t purge_max = 100) {
    checkpoint(
        seq,
        [&](core::Rows& rows, auto&) {
          EXPECT_TRUE(core::fold(rows, record(seq, std::move(event))));
        },
        now, purge_max);
  }
  std::uint64_t keys() { return snapshot().count(Table::kKeys); }
};

TEST_F(PurgeTest, ExpiredKeys_AreRemovedAtExactlyTheirTime) {
  fold(2, answer("k1", 10), kStart);
  fold(3, answer("k2", 20), kStart + Duration::seconds(10) - Duration{1});
  EXPECT_EQ(keys(), 2U);
  fold(4, answer("k3", 30), kStart + Duration::seconds(10));
  EXPECT_EQ(keys(), 2U);
  core::KeyRecord out;
  EXPECT_FALSE(snapshot().load("k1", out));
  EXPECT_TRUE(snapshot().load("k2", out));
}

TEST_F(PurgeTest, NoMoreThanPermitted_AreRemovedAtOnce) {
  for (core::Seq seq = 2; seq < 12; ++seq) {
    fold(seq, answer("k" + std::to_string(seq), 1), kStart);
  }
  fold(12, answer("last", 1000), kStart + Duration::seconds(1), 3);
  EXPECT_EQ(keys(), 8U);
  fold(13, answer("last", 1000), kStart + Duration::seconds(1), 100);
  EXPECT_EQ(keys(), 1U);
}

TEST_F(PurgeTest, ClaimedKey_IsNeverRemoved) {
  fold(2,
       core::KeyClaimed{.key = "k",
                        .fingerprint = "f",
                        .workflow_kind = core::StreamKind::kPayment,
                        .workflow_id = "p",
                        .retention = Duration::seconds(1)},
       kStart);
  fold(3, answer("other", 1), kStart + Duration::seconds(1'000'000));
  core::KeyRecord out;
  EXPECT_TRUE(snapshot().load("k", out));
}

// The expiry of an earlier use must not take away the claim of a running request.
TEST_F(PurgeTest, KeyThatIsClaimedAgainAfterItsExpiry_IsNotRemoved) {
  fold(2, answer("k", 10), kStart);
  fold(3,
       core::KeyClaimed{.key = "k",
                        .fingerprint = "f",
                        .workflow_kind = core::StreamKind::kPayment,
                        .workflow_id = "p",
                        .retention = Duration::seconds(10)},
       kStart + Duration::seconds(20));
  core::KeyRecord out;
  ASSERT_TRUE(snapshot().load("k", out));
  EXPECT_EQ(out.state, core::KeyState::kProcessing);
}

TEST_F(PurgeTest, KeyThatIsAnsweredAgain_LivesToItsNewExpiry) {
  fold(2, answer("k", 10), kStart);
  fold(3, answer("k", 30), kStart + Duration::seconds(20));
  core::KeyRecord out;
  EXPECT_TRUE(snapshot().load("k", out));
  fold(4, answer("other", 30), kStart + Duration::seconds(30));
  EXPECT_FALSE(snapshot().load("k", out));
}

// ---- Foreign and damaged files

TEST_F(StateStoreTest, OfAnotherLog_IsForeign) {
  checkpoint(1, [&](core::Rows& rows, auto&) { rows.accounts.put("a", account("a"), 1); });
  EXPECT_EQ(error_of(kSalt + 1), Errc::kForeign);
}

TEST_F(StateStoreTest, OfAnotherLayout_IsAnotherVersion) {
  tamper("meta", "state", [](std::string& bytes) {
    bytes.clear();
    Writer writer(bytes);
    writer.varint(1);  // what was written before there were fraud checks and refunds
    writer.varint(kSalt);
    writer.varint(0);
  });
  EXPECT_EQ(error_of(), Errc::kVersion);
}

// A byte of its name was changed: it was an I/O error, and the state was not folded anew.
TEST_F(StateStoreTest, HeadUnderAnotherName_IsCorrupt) {
  tamper(
      "meta", "state", [](std::string& /*bytes*/) {}, "stata");
  EXPECT_EQ(error_of(), Errc::kCorrupt);
}

TEST_F(StateStoreTest, Garbage_IsForeign) {
  store.reset();
  std::ofstream(path + "/data.mdb", std::ios::binary | std::ios::trunc)
      << std::string(100'000, 'x');
  EXPECT_EQ(error_of(), Errc::kForeign);
}

TEST_F(StateStoreTest, LogInItsPlace_IsForeign) {
  path = dir / "log";
  { ASSERT_TRUE(LmdbLog::open(path, kMapSize)); }
  EXPECT_EQ(error_of(), Errc::kForeign);
}

TEST_F(StateStoreTest, LmdbFileOfSomethingElse_IsForeignAndLeftAsItWas) {
  path = dir / "other";
  {
    LmdbEnv env;
    ASSERT_TRUE(env.open(path, kMapSize, 0));
    auto txn = LmdbTxn::begin(env, LmdbTxn::Mode::kWrite);
    MDB_dbi dbi = 0;
    ASSERT_EQ(mdb_dbi_open(txn->get(), nullptr, 0, &dbi), 0);
    MDB_val key = to_val("hello");
    MDB_val value = to_val("world");
    ASSERT_EQ(mdb_put(txn->get(), dbi, &key, &value, 0), 0);
    ASSERT_EQ(txn->commit(), 0);
  }
  EXPECT_EQ(error_of(), Errc::kForeign);
  LmdbEnv env;
  ASSERT_TRUE(env.open(path, kMapSize, 0));
  auto txn = LmdbTxn::begin(env, LmdbTxn::Mode::kRead);
  MDB_dbi dbi = 0;
  ASSERT_EQ(mdb_dbi_open(txn->get(), nullptr, 0, &dbi), 0);
  MDB_stat stat{};
  ASSERT_EQ(mdb_stat(txn->get(), dbi, &stat), 0);
  EXPECT_EQ(stat.ms_entries, 1U);
}

TEST_F(StateStoreTest, PathBelowARegularFile_IsIo) {
  std::ofstream(dir / "file") << "x";
  path = dir / "file/state";
  EXPECT_EQ(error_of(), Errc::kIo);
}

TEST_F(StateStoreTest, DamagedRow_IsAbsentWithAnError) {
  checkpoint(1, [&](core::Rows& rows, auto&) { rows.accounts.put("a", account("a"), 1); });
  tamper("accounts", "a", [](std::string& bytes) { bytes.back() ^= 1; });
  open();
  auto view = snapshot();
  core::Account out;
  EXPECT_FALSE(view.load("a", out));
  ASSERT_TRUE(view.error());
  EXPECT_EQ(view.error()->code, Errc::kCorrupt);
}

TEST_F(StateStoreTest, UpdateThatReadADamagedRow_IsNotCommitted) {
  checkpoint(1, [&](core::Rows& rows, auto&) { rows.accounts.put("a", account("a"), 1); });
  tamper("accounts", "a", [](std::string& bytes) { bytes.back() ^= 1; });
  open();
  auto update = store->update();
  ASSERT_TRUE(update);
  core::Rows rows(*update, &*update);
  EXPECT_EQ(rows.accounts.find("a"), nullptr);
  const auto committed = update->commit(rows, 2, kStart, 0);
  ASSERT_FALSE(committed);
  EXPECT_EQ(committed.error().code, Errc::kCorrupt);
  EXPECT_EQ(snapshot().applied_seq(), 1U);
}

}  // namespace
}  // namespace payonce::log
