// A server does not go on with open workflows that its build would have decided otherwise.
#include "app/recheck.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "log/codec.h"
#include "support/machine_world.h"
#include "support/temp_dir.h"

namespace payonce::app {
namespace {

using testing_support::kSalt;
using testing_support::usd;
using testing_support::World;

// A log with one payment that is retried and one that has ended.
World world_with_an_open_payment() {
  World w;
  w.rules.fraud.mode = core::FraudMode::kManual;
  w.open("alice", 10'000);
  w.pay("open", "alice", usd(1'000));
  w.gateway("open", 1, core::GatewayReply::kTemporaryFailure);
  w.pay("ended", "alice", usd(500));
  w.gateway("ended", 1, core::GatewayReply::kDeclined);
  w.notified("ended", 1, true);
  return w;
}

class Recheck : public testing::Test {
 protected:
  // Writes the records into a data directory and opens it. KEEP_DATA in the environment names a
  // directory to leave a copy in, to try a server on it.
  Store store_of(const std::vector<core::Record>& records) {
    {
      auto held = log::DataDir::acquire(data);
      auto opened = log::LmdbLog::open(held->log_path(), 1 << 24);
      log::Batch batch;
      for (const core::Record& record : records) {
        log::encode_record(record, kSalt, batch.bytes);
        batch.ends.push_back(batch.bytes.size());
      }
      EXPECT_TRUE((*opened)->append(batch, 0));
    }
    if (const char* copy = std::getenv("KEEP_DATA")) {
      std::filesystem::copy(data, copy, std::filesystem::copy_options::recursive);
    }
    auto held = log::DataDir::acquire(data);
    auto store = open_store(std::move(*held),
                            {.path = data, .log_map_size = 1 << 24, .state_map_size = 1 << 24}, 0,
                            testing_support::kStart, log);
    EXPECT_TRUE(store) << store.error().message;
    return std::move(*store);
  }

  const testing_support::TempDir dir;
  const std::string data = dir.path() + "/data";
  observe::Logger log{observe::Level::kError};
};

core::Seq doctor(World& w, const std::string& payment) {
  for (core::Record& record : w.log) {
    if (record.stream != payment) {
      continue;
    }
    if (auto* retry = std::get_if<core::GatewayRetryScheduled>(&record.event)) {
      retry->not_before.us += 1'000'000;
      return record.seq;
    }
    if (auto* declined = std::get_if<core::PaymentFailed>(&record.event)) {
      declined->message += "!";
      return record.seq;
    }
  }
  return 0;
}

TEST_F(Recheck, OpenWorkflowsThatDecideTheSame_AreGoneOnWith) {
  Store store = store_of(world_with_an_open_payment().log);
  const auto done = recheck_open(store, "build 1");
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_GE(done->workflows, 1U);
  EXPECT_FALSE(done->first) << describe(*done->first);
}

TEST_F(Recheck, OpenWorkflowThatWouldBeDecidedOtherwise_IsNamedWithItsEvent) {
  World w = world_with_an_open_payment();
  const core::Seq seq = doctor(w, "open");
  Store store = store_of(w.log);
  const auto done = recheck_open(store, "build 1");
  ASSERT_TRUE(done) << done.error().message;
  ASSERT_TRUE(done->first);
  EXPECT_EQ(done->first->workflow_id, "open");
  EXPECT_EQ(done->first->difference.seq, seq);
  const std::string said = describe(*done->first);
  EXPECT_NE(said.find("workflow open, event " + std::to_string(seq)), std::string::npos) << said;
  EXPECT_NE(said.find("gateway_retry_scheduled"), std::string::npos) << said;
}

TEST_F(Recheck, EndedWorkflow_DoesNotKeepAServerFromStarting_ButReplayNamesIt) {
  World w = world_with_an_open_payment();
  doctor(w, "ended");
  Store store = store_of(w.log);
  const auto open = recheck_open(store, "build 1");
  ASSERT_TRUE(open);
  EXPECT_FALSE(open->first);
  std::vector<std::string> named;
  int looked = 0;
  const auto all = recheck_all(
      store, [&](const Disagreement& found) { named.push_back(found.workflow_id); },
      [&] { ++looked; });
  ASSERT_TRUE(all);
  EXPECT_EQ(named, std::vector<std::string>{"ended"});
  EXPECT_EQ(looked, 2);
}

TEST_F(Recheck, ABuildThatHasLooked_DoesNotLookAgain_AndAnotherOneDoes) {
  Store store = store_of(world_with_an_open_payment().log);
  ASSERT_TRUE(recheck_open(store, "build 1"));
  EXPECT_EQ(recheck_open(store, "build 1")->workflows, 0U);
  EXPECT_GE(recheck_open(store, "build 2")->workflows, 1U);
}

TEST_F(Recheck, WorkflowsWhoseOldHistoryHasGone_AreSkippedAndCounted) {
  World w = world_with_an_open_payment();
  doctor(w, "open");
  Store store = store_of(w.log);
  store.log->drop_below(w.payment_row("open").created_seq + 1);
  ASSERT_TRUE(store.log->append({}, store.log->last_seq()));
  const auto open = recheck_open(store, "build 1");
  ASSERT_TRUE(open) << open.error().message;
  EXPECT_EQ(open->workflows, 0U);
  EXPECT_EQ(open->skipped, 1U);
  EXPECT_FALSE(open->first);
  const auto all = recheck_all(
      store, [](const Disagreement&) {}, [] {});
  ASSERT_TRUE(all) << all.error().message;
  EXPECT_EQ(all->workflows, 1U);  // the one that has ended came later
  EXPECT_EQ(all->skipped, 1U);
}

TEST_F(Recheck, ABuildThatFoundADifference_LooksAgain) {
  World w = world_with_an_open_payment();
  doctor(w, "open");
  Store store = store_of(w.log);
  ASSERT_TRUE(recheck_open(store, "build 1")->first);
  EXPECT_TRUE(recheck_open(store, "build 1")->first);
}

}  // namespace
}  // namespace payonce::app
