// Opening a data directory whose parts are lost, damaged or strange to each other.
#include "app/store.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "core/machine.h"
#include "log/codec.h"
#include "log/lmdb_env.h"
#include "support/temp_dir.h"

namespace payonce::app {
namespace {

namespace fs = std::filesystem;

class StoreTest : public testing::Test {
 protected:
  StoreTest() { add_account("alice"); }

  Result<Store> open() {
    auto held = log::DataDir::acquire(data);
    EXPECT_TRUE(held);
    return open_store(std::move(*held),
                      {.path = data, .log_map_size = 1 << 24, .state_map_size = 1 << 24}, 42,
                      Timestamp{1}, log);
  }

  // Adds an account to the log, behind what the state holds.
  void add_account(const std::string& id) {
    auto store = open();
    ASSERT_TRUE(store) << store.error().message;
    core::Record record;
    record.seq = store->log->last_seq() + 1;
    record.at = Timestamp{2};
    record.kind = core::StreamKind::kAccount;
    record.stream = id;
    record.event =
        core::AccountOpened{.currency = *Currency::find("USD"), .metadata = {}, .system = false};
    log::Batch batch;
    log::encode_record(record, store->position.salt, batch.bytes);
    batch.ends.push_back(batch.bytes.size());
    ASSERT_TRUE(store->log->append(batch, record.seq - 1));
  }

  // A directory with a few accounts whose old history has been dropped.
  void drop_history() {
    for (const char* id : {"bob", "carol", "dave"}) {
      add_account(id);
    }
    auto store = open();
    ASSERT_TRUE(store) << store.error().message;
    store->log->drop_below(store->log->last_seq());
    ASSERT_TRUE(store->log->append({}, store->log->last_seq()));
    ASSERT_EQ(store->log->first_seq(), 5U);
  }

  void expect_refused_for_want_of_history(const std::string& why) {
    for (int i = 0; i < 2; ++i) {  // the first refusal leaves nothing that the second believes
      const auto store = open();
      ASSERT_FALSE(store) << why;
      EXPECT_EQ(store.error().code, Errc::kDropped) << store.error().message;
      for (const std::string& part : {why, std::string("before log entry 5 has been dropped"),
                                      std::string("restore a backup"), data}) {
        EXPECT_NE(store.error().message.find(part), std::string::npos) << store.error().message;
      }
    }
  }

  static bool knows(Store& store, const std::string& id) {
    auto snapshot = store.state->snapshot();
    core::Account account;
    return snapshot && snapshot->load(id, account);
  }

  const testing_support::TempDir dir;
  const std::string data = dir.path() + "/data";
  observe::Logger log{observe::Level::kError};
};

TEST_F(StoreTest, Opening_FoldsWhatTheStateLacks) {
  auto store = open();
  ASSERT_TRUE(store) << store.error().message;
  EXPECT_EQ(store->folded, 1U);
  EXPECT_TRUE(knows(*store, "alice"));
}

TEST_F(StoreTest, LostState_IsFoldedAnew) {
  ASSERT_TRUE(open());
  fs::remove_all(data + "/state");
  auto store = open();
  ASSERT_TRUE(store) << store.error().message;
  EXPECT_EQ(store->folded, 2U);
  EXPECT_TRUE(knows(*store, "alice"));
}

TEST_F(StoreTest, CutState_IsRebuilt) {
  ASSERT_TRUE(open());
  fs::resize_file(data + "/state/data.mdb", 3 * 4096);
  auto store = open();
  ASSERT_TRUE(store) << store.error().message;
  EXPECT_TRUE(knows(*store, "alice"));
}

TEST_F(StoreTest, DistrustedState_IsRebuiltOnce) {
  ASSERT_TRUE(open());
  distrust_state(data);
  {
    auto store = open();
    ASSERT_TRUE(store) << store.error().message;
    EXPECT_EQ(store->folded, 2U);
  }
  auto again = open();
  ASSERT_TRUE(again);
  EXPECT_EQ(again->folded, 0U);
}

TEST_F(StoreTest, LostLogBesideAState_IsRefusedAndTouchesNothing) {
  ASSERT_TRUE(open());
  const auto state_size = fs::file_size(data + "/state/data.mdb");
  for (const bool emptied : {false, true}) {
    fs::remove_all(data + "/log");
    if (emptied) {
      fs::create_directory(data + "/log");
      std::ofstream(data + "/log/data.mdb").close();
    }
    const auto store = open();
    ASSERT_FALSE(store);
    EXPECT_EQ(store.error().code, Errc::kCorrupt);
    EXPECT_NE(store.error().message.find(data + "/log"), std::string::npos);
    EXPECT_EQ(fs::file_size(data + "/state/data.mdb"), state_size);
  }
}

// It was folded anew from the older log once, which forgot what the newer one had acknowledged.
TEST_F(StoreTest, ALogThatEndsBeforeItsState_IsRefusedAndTouchesNothing) {
  ASSERT_TRUE(open());
  fs::copy(data + "/log", data + "/older", fs::copy_options::recursive);
  add_account("bob");
  ASSERT_TRUE(open());
  fs::remove_all(data + "/log");
  fs::rename(data + "/older", data + "/log");
  for (int i = 0; i < 2; ++i) {
    const auto store = open();
    ASSERT_FALSE(store);
    EXPECT_EQ(store.error().code, Errc::kNotFound);
    for (const char* part : {"ends at entry 2", "holds entry 3", "put the newer log back"}) {
      EXPECT_NE(store.error().message.find(part), std::string::npos) << store.error().message;
    }
  }
  // Whoever knows better moves the state away.
  fs::remove_all(data + "/state");
  auto store = open();
  ASSERT_TRUE(store) << store.error().message;
  EXPECT_TRUE(knows(*store, "alice"));
  EXPECT_FALSE(knows(*store, "bob"));
}

// Secondary keys have no checksum. They are held against the rows.
TEST_F(StoreTest, AStateWhoseKeysDoNotFitItsRows_IsRebuilt) {
  ASSERT_TRUE(open());
  {
    log::LmdbEnv env;
    ASSERT_TRUE(env.open(data + "/state", 1 << 24, 24));
    auto txn = log::LmdbTxn::begin(env, log::LmdbTxn::Mode::kWrite);
    MDB_dbi dbi = 0;
    ASSERT_EQ(mdb_dbi_open(txn->get(), "accounts_by_time", 0, &dbi), 0);
    ASSERT_EQ(mdb_drop(txn->get(), dbi, 0), 0);
    ASSERT_EQ(txn->commit(), 0);
  }
  auto store = open();
  ASSERT_TRUE(store) << store.error().message;
  EXPECT_EQ(store->folded, 2U);
  EXPECT_EQ(store->state->snapshot()->count(core::Index::kAccountsByTime), 1U);
}

// As a power cut leaves it: nothing of the new file may have got to the disk.
TEST_F(StoreTest, AFileThatWasNotYetInItsPlace_IsMadeAgain) {
  fs::remove_all(data);
  fs::create_directories(data + "/log/new");
  std::ofstream(data + "/log/new/data.mdb") << std::string(8192, '\0');
  fs::create_directories(data + "/state/new");
  auto store = open();
  ASSERT_TRUE(store) << store.error().message;
  EXPECT_EQ(store->position.last_seq, 1U);
  EXPECT_FALSE(fs::exists(data + "/log/new"));
  EXPECT_FALSE(fs::exists(data + "/state/new"));
}

TEST_F(StoreTest, DamagedLog_IsRefusedAndTheStateIsKept) {
  ASSERT_TRUE(open());
  add_account("bob");
  // "bob" stands in the log only, in the one entry that the state lacks.
  std::string bytes;
  {
    std::ifstream in(data + "/log/data.mdb", std::ios::binary);
    bytes.assign(std::istreambuf_iterator<char>(in), {});
  }
  for (std::size_t at = bytes.find("bob"); at != std::string::npos;
       at = bytes.find("bob", at + 1)) {
    bytes[at] = 'r';
  }
  std::ofstream(data + "/log/data.mdb", std::ios::binary) << bytes;
  const auto store = open();
  ASSERT_FALSE(store);
  EXPECT_EQ(store.error().code, Errc::kCorrupt);
  EXPECT_NE(store.error().message.find("log entry 3"), std::string::npos);
  EXPECT_NE(store.error().message.find(data), std::string::npos);
  EXPECT_FALSE(fs::exists(data + "/state.new"));
  std::ifstream state(data + "/state/data.mdb", std::ios::binary);
  const std::string kept((std::istreambuf_iterator<char>(state)), {});
  EXPECT_NE(kept.find("alice"), std::string::npos);
}

// ---- Where old history has been dropped the state cannot be made again

TEST_F(StoreTest, DroppedHistory_IsInTheState) {
  drop_history();
  auto store = open();
  ASSERT_TRUE(store) << store.error().message;
  EXPECT_EQ(store->folded, 0U);
  EXPECT_EQ(store->position.last_seq, 5U);
  EXPECT_EQ(store->position.salt, 42U);  // of entry 1
  for (const char* id : {"alice", "bob", "carol", "dave"}) {
    EXPECT_TRUE(knows(*store, id)) << id;
  }
}

TEST_F(StoreTest, DroppedHistory_WithNewEntries_IsFoldedOn) {
  drop_history();
  add_account("erin");
  auto store = open();
  ASSERT_TRUE(store) << store.error().message;
  EXPECT_EQ(store->folded, 1U);
  EXPECT_TRUE(knows(*store, "alice"));
  EXPECT_TRUE(knows(*store, "erin"));
}

TEST_F(StoreTest, DroppedHistory_AndALostState_IsRefused) {
  drop_history();
  fs::remove_all(data + "/state");
  expect_refused_for_want_of_history("missing");
  EXPECT_FALSE(fs::exists(data + "/state/data.mdb"));
}

TEST_F(StoreTest, DroppedHistory_AndAnEmptyState_IsRefused) {
  drop_history();
  fs::remove_all(data + "/state");
  ASSERT_TRUE(log::StateStore::open(data + "/state", 1 << 24, 42));
  expect_refused_for_want_of_history("log entry 2 has been dropped");
}

TEST_F(StoreTest, DroppedHistory_AndAStateFromBefore_IsRefused) {
  ASSERT_TRUE(open());
  fs::copy(data + "/state", data + "/older", fs::copy_options::recursive);
  drop_history();
  fs::remove_all(data + "/state");
  fs::rename(data + "/older", data + "/state");
  expect_refused_for_want_of_history("log entry 3 has been dropped");
}

TEST_F(StoreTest, DroppedHistory_AndADamagedState_IsRefused) {
  drop_history();
  fs::resize_file(data + "/state/data.mdb", 3 * 4096);
  expect_refused_for_want_of_history("cut short");
  EXPECT_EQ(fs::file_size(data + "/state/data.mdb"), 3U * 4096);
}

TEST_F(StoreTest, DroppedHistory_AndTheStateOfAnotherLog_IsRefused) {
  drop_history();
  fs::remove_all(data + "/state");
  ASSERT_TRUE(log::StateStore::open(data + "/state", 1 << 24, 43));
  expect_refused_for_want_of_history("another log");
}

TEST_F(StoreTest, DroppedHistory_AndADistrustedState_IsRefusedUntilTheNoteIsGone) {
  drop_history();
  distrust_state(data);
  expect_refused_for_want_of_history("STATE_DISTRUSTED");
  fs::remove(distrust_path(data));
  EXPECT_TRUE(open());
}

TEST_F(StoreTest, DroppedHistory_AndALostLog_IsRefused) {
  drop_history();
  fs::remove_all(data + "/log");
  const auto store = open();
  ASSERT_FALSE(store);
  EXPECT_EQ(store.error().code, Errc::kCorrupt);
  EXPECT_NE(store.error().message.find("missing or empty"), std::string::npos);
}

}  // namespace
}  // namespace payonce::app
