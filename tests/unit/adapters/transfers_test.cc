#include "adapters/transfers.h"

#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "support/blocking.h"
#include "support/holding_server.h"

namespace payonce::adapters {
namespace {

using testing_support::answer_of;
using testing_support::HoldingServer;
using Told = std::function<void(std::optional<CURLcode>)>;

// A POST to a URL. Tells what it is told.
class Post final : public Transfer {
 public:
  Post(const std::string& url, Told told) : told_(std::move(told)), easy_(curl_easy_init()) {
    curl_easy_setopt(easy_, CURLOPT_URL, url.c_str());
    curl_easy_setopt(easy_, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy_, CURLOPT_POSTFIELDS, "{}");
    curl_easy_setopt(easy_, CURLOPT_WRITEFUNCTION, &ignore);
  }
  ~Post() override { curl_easy_cleanup(easy_); }
  Post(const Post&) = delete;
  Post& operator=(const Post&) = delete;

  [[nodiscard]] CURL* handle() override { return easy_; }
  void finished(std::optional<CURLcode> result) override { told_(result); }

 private:
  static std::size_t ignore(char* /*data*/, std::size_t one, std::size_t size, void* /*to*/) {
    return one * size;
  }

  Told told_;
  CURL* easy_;
};

class NoHandle final : public Transfer {
 public:
  explicit NoHandle(Told told) : told_(std::move(told)) {}
  [[nodiscard]] CURL* handle() override { return nullptr; }
  void finished(std::optional<CURLcode> result) override { told_(result); }

 private:
  Told told_;
};

std::unique_ptr<Transfers> make() { return Transfers::make(1000).value(); }

TEST(Transfers, Many_RunAtOnceOnOneThread) {
  constexpr int kCount = 300;
  HoldingServer server;
  std::set<std::thread::id> threads;
  int good = 0;
  std::promise<void> all;
  const auto transfers = make();
  for (int i = 0; i < kCount; ++i) {
    transfers->start(std::make_unique<Post>(server.url() + "/hold", [&](auto result) {
      threads.insert(std::this_thread::get_id());
      good += result == CURLE_OK ? 1 : 0;
      if (good == kCount) {
        all.set_value();
      }
    }));
  }
  server.wait_for_held(kCount);
  EXPECT_EQ(server.connections(), std::size_t{kCount});
  server.release();
  all.get_future().wait();
  EXPECT_EQ(threads.size(), 1U);
  EXPECT_FALSE(threads.contains(std::this_thread::get_id()));
}

TEST(Transfers, Connections_AreUsedAgainByAsManyAsThereWereAtOnce) {
  constexpr int kCount = 100;
  HoldingServer server;
  const auto transfers = make();
  for (int round = 0; round < 3; ++round) {
    const auto left = std::make_shared<std::atomic<int>>(kCount);
    for (int i = 0; i < kCount; ++i) {
      transfers->start(std::make_unique<Post>(server.url() + "/hold", [left](auto result) {
        EXPECT_EQ(result, CURLE_OK);
        --*left;
        left->notify_all();
      }));
    }
    server.wait_for_held(kCount);
    server.release();
    for (int now = *left; now > 0; now = *left) {
      left->wait(now);
    }
  }
  EXPECT_EQ(server.requests(), std::size_t{3 * kCount});
  EXPECT_EQ(server.connections(), std::size_t{kCount});
}

TEST(Transfers, OneThatHangs_HoldsUpNoOther) {
  HoldingServer server;
  std::promise<std::optional<CURLcode>> hanging;
  const auto transfers = make();
  transfers->start(std::make_unique<Post>(server.url() + "/hold",
                                          [&](auto result) { hanging.set_value(result); }));
  server.wait_for_held(1);
  for (int i = 0; i < 50; ++i) {
    EXPECT_EQ(answer_of<std::optional<CURLcode>>([&](Told told) {
                transfers->start(std::make_unique<Post>(server.url() + "/", std::move(told)));
              }),
              CURLE_OK);
  }
  auto end = hanging.get_future();
  EXPECT_EQ(end.wait_for(std::chrono::seconds(0)), std::future_status::timeout);
  server.release();
  EXPECT_EQ(end.get(), CURLE_OK);
}

TEST(Transfers, Stop_TellsEachOnce) {
  constexpr std::size_t kCount = 200;
  HoldingServer server;
  std::vector<int> told(kCount);
  const auto transfers = make();
  for (std::size_t i = 0; i < kCount; ++i) {
    transfers->start(std::make_unique<Post>(server.url() + "/hold", [&, i](auto result) {
      EXPECT_EQ(result, std::nullopt);
      ++told[i];
    }));
  }
  server.wait_for_held(kCount / 2);  // the others may not have begun
  transfers->stop();
  EXPECT_EQ(told, std::vector<int>(kCount, 1));
  transfers->stop();
  EXPECT_EQ(told, std::vector<int>(kCount, 1));
}

TEST(Transfers, StartAfterStop_IsToldAtOnce) {
  HoldingServer server;
  const auto transfers = make();
  transfers->stop();
  int told = 0;
  transfers->start(std::make_unique<Post>(server.url(), [&](auto result) {
    EXPECT_EQ(result, std::nullopt);
    ++told;
  }));
  EXPECT_EQ(told, 1);
  EXPECT_EQ(server.connections(), 0U);
}

TEST(Transfers, StartsWhileItStops_AreToldOnceEach) {
  constexpr int kThreads = 4;
  constexpr int kEach = 50;
  HoldingServer server;
  std::atomic<int> started{0};
  std::atomic<int> told{0};
  const auto transfers = make();
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < kEach; ++i) {
        transfers->start(std::make_unique<Post>(server.url() + "/hold", [&](auto) { ++told; }));
        ++started;
        started.notify_all();
      }
    });
  }
  started.wait(0);
  transfers->stop();
  for (std::thread& thread : threads) {
    thread.join();
  }
  EXPECT_EQ(told, kThreads * kEach);
}

TEST(Transfers, OneThatIsTold_MayStartAnother) {
  HoldingServer server;
  std::promise<int> done;
  int steps = 0;
  std::atomic<int> told{0};
  std::function<void()> step;
  const auto transfers = make();
  step = [&] {
    transfers->start(std::make_unique<Post>(server.url() + "/", [&](auto result) {
      EXPECT_EQ(result, CURLE_OK);
      if (++steps == 10) {
        done.set_value(steps);
      } else {
        step();
      }
    }));
  };
  step();
  EXPECT_EQ(done.get_future().get(), 10);
  // While it stops as well.
  transfers->start(std::make_unique<Post>(server.url() + "/hold", [&](auto) {
    ++told;
    transfers->start(std::make_unique<Post>(server.url() + "/", [&](auto result) {
      EXPECT_EQ(result, std::nullopt);
      ++told;
    }));
  }));
  server.wait_for_held(1);
  transfers->stop();
  EXPECT_EQ(told, 2);
}

TEST(Transfers, OneThatCannotBegin_IsTold) {
  const auto transfers = make();
  EXPECT_EQ(answer_of<std::optional<CURLcode>>(
                [&](Told told) { transfers->start(std::make_unique<NoHandle>(std::move(told))); }),
            CURLE_FAILED_INIT);
}

}  // namespace
}  // namespace payonce::adapters
