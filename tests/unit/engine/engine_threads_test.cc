// Many threads on one engine.
#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <string>
#include <thread>
#include <variant>
#include <vector>

#include "unit/engine/engine_fixture.h"

namespace payonce::engine {
namespace {

using testing_support::eventually;

TEST(EngineThreads, EightSubmittersAndTwoWorkers_EverythingIsAnsweredAndTheLogIsDense) {
  constexpr int kSubmitters = 8;
  constexpr int kCommands = 400;
  EngineWorld world;
  world.start();
  ASSERT_EQ(world.execute(EngineWorld::open_account("shared", 1'000'000)), Verdict::kDone);
  std::atomic<bool> over{false};
  std::vector<std::future<void>> workers;
  for (int w = 0; w < 2; ++w) {
    workers.push_back(start_thread([&] {
      while (!over) {
        const auto task = world.tasks->take();
        if (!task) {
          std::this_thread::yield();
        } else if (const auto* call = std::get_if<core::CallGateway>(&*task)) {
          world.engine->post(EngineWorld::confirmed(call->payment_id, call->attempt));
        } else if (const auto* send = std::get_if<core::SendNotification>(&*task)) {
          world.engine->post(core::RecordNotification{.payment_id = send->payment_id,
                                                      .attempt = send->attempt,
                                                      .reply = core::NotifyReply::kDelivered,
                                                      .error = {}});
        }
      }
    }));
  }
  std::vector<std::future<void>> submitters;
  for (int t = 0; t < kSubmitters; ++t) {
    submitters.push_back(start_thread([&, t] {
      for (int i = 0; i < kCommands; ++i) {
        const std::string id = std::to_string(t) + "." + std::to_string(i);
        // Never refused: the inbox's bound is far away.
        switch (i % 4) {
          case 0:
            ASSERT_EQ(world.execute(EngineWorld::open_account(id, 10)), Verdict::kDone);
            ASSERT_TRUE(world.engine->find_account(id));
            break;
          case 1:
            ASSERT_EQ(world.execute(EngineWorld::payment(id, "shared", 1)), Verdict::kDone);
            break;
          case 2:
            ASSERT_EQ(world.execute(
                          core::Deposit{.account_id = "shared", .amount = "0.01", .reference = {}}),
                      Verdict::kDone);
            break;
          default:
            ASSERT_EQ(world.execute(EngineWorld::open_account("shared")), Verdict::kDone);
            break;
        }
      }
    }));
  }
  for (auto& thread : submitters) {
    thread.get();
  }
  constexpr int kPayments = kSubmitters * kCommands / 4;
  ASSERT_TRUE(eventually([&] { return world.tasks->released().size() == 2 * kPayments; }));
  ASSERT_TRUE(eventually(
      [&] { return world.engine->find_payment("0.1")->step == core::PaymentStep::kDone; }));
  over = true;
  for (auto& thread : workers) {
    thread.get();
  }
  world.engine->stop();
  testing_support::Folded folded;
  ASSERT_TRUE(folded.fold(world.records()));
  int succeeded = 0;
  folded.rows.payments.for_each_changed([&](const std::string&, const core::Payment& payment) {
    succeeded += payment.status == core::PaymentStatus::kSuccess ? 1 : 0;
  });
  EXPECT_EQ(succeeded, kPayments);
  EXPECT_EQ(folded.rows.accounts.find("shared")->posted, 1'000'000);
  EXPECT_EQ(folded.rows.accounts.find("sys:gateway:USD")->posted, kPayments);
  EXPECT_EQ(world.failures, 0);
}

TEST(EngineThreads, StopWhileTheyWork_NobodyHangs) {
  EngineWorld world;
  for (int round = 0; round < 40; ++round) {
    world.start();
    std::vector<std::future<void>> threads;
    std::atomic<int> working{0};
    for (int t = 0; t < 4; ++t) {
      threads.push_back(start_thread([&, t] {
        ++working;
        for (int i = 0;; ++i) {
          const std::string id =
              std::to_string(round) + "." + std::to_string(t) + "." + std::to_string(i);
          if (world.execute(EngineWorld::open_account(id)) == Verdict::kStopped) {
            return;
          }
          ASSERT_LT(i, 1'000'000);
        }
      }));
    }
    ASSERT_TRUE(eventually([&] { return working == 4; }));
    world.engine->stop();
    for (auto& thread : threads) {
      thread.get();
    }
    world.engine.reset();
  }
  testing_support::Folded folded;
  EXPECT_TRUE(folded.fold(world.records()));
}

}  // namespace
}  // namespace payonce::engine
