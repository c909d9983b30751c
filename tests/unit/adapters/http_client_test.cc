// Many calls at a time; what each of them means is in http_gateway_test.cc.
#include "adapters/http_client.h"

#include <gtest/gtest.h>
#include <malloc.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <filesystem>
#include <future>
#include <iterator>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "support/holding_server.h"

namespace payonce::adapters {
namespace {

using std::chrono::milliseconds;
using testing_support::HoldingServer;
using Answer = HttpClient::Answer;

std::unique_ptr<HttpClient> client_of(const std::string& url) {
  return HttpClient::make({.url = url,
                           .connect_timeout = milliseconds(20'000),
                           .timeout = milliseconds(60'000),
                           .api_key = {},
                           .ca_file = {},
                           .calls_max = 1000})
      .value();
}

std::size_t threads_now() {
  return static_cast<std::size_t>(
      std::distance(std::filesystem::directory_iterator("/proc/self/task"),
                    std::filesystem::directory_iterator()));
}

// Answers as they come.
class Answers {
 public:
  HttpClient::Done take() {
    return [this](Answer answer) {
      const std::lock_guard lock(mutex_);
      all_.push_back(std::move(answer));
      count_ = all_.size();
      count_.notify_all();
    };
  }
  std::vector<Answer> wait_for(std::size_t count) {
    for (std::size_t now = count_; now < count; now = count_) {
      count_.wait(now);
    }
    return all();
  }
  std::vector<Answer> all() {
    const std::lock_guard lock(mutex_);
    return all_;
  }

 private:
  std::mutex mutex_;
  std::vector<Answer> all_;
  std::atomic<std::size_t> count_{0};
};

TEST(HttpClient, CallsThatHang_HoldNoThreadAndFewKiBEach) {
  constexpr std::size_t kCalls = 500;
  constexpr std::size_t kBytesEach = 32 << 10;
  HoldingServer server;
  Answers answers;
  const auto client = client_of(server.url());
  ASSERT_EQ(client->post("/", {}, "{}").status, 200);  // what the first call needs is there
  const std::size_t threads = threads_now();
  const std::size_t bytes = ::mallinfo2().uordblks;
  for (std::size_t i = 0; i < kCalls; ++i) {
    client->post("/hold", "key-" + std::to_string(i), R"({"amount":"10.00"})", answers.take());
  }
  server.wait_for_held(kCalls);
  EXPECT_EQ(threads_now(), threads);
  EXPECT_LT(::mallinfo2().uordblks, bytes + kCalls * kBytesEach);
  EXPECT_TRUE(answers.all().empty());
  // Others go on meanwhile.
  EXPECT_EQ(client->post("/", {}, "{}").status, 200);
  server.release();
  for (const Answer& answer : answers.wait_for(kCalls)) {
    EXPECT_EQ(answer.status, 200);
    EXPECT_TRUE(answer.sent);
    EXPECT_EQ(answer.body, "{}");
  }
}

TEST(HttpClient, Stop_TellsEachCallOnceAndHowFarItGot) {
  constexpr std::size_t kCalls = 50;
  HoldingServer server;
  Answers answers;
  const auto client = client_of(server.url());
  for (std::size_t i = 0; i < kCalls; ++i) {
    client->post("/hold", {}, "{}", answers.take());
  }
  server.wait_for_held(kCalls);
  client->stop();
  ASSERT_EQ(answers.all().size(), kCalls);
  for (const Answer& answer : answers.all()) {
    EXPECT_EQ(answer.status, 0);
    EXPECT_TRUE(answer.sent);
    EXPECT_EQ(answer.error, "stopping");
  }
  client->get("/", answers.take());
  ASSERT_EQ(answers.all().size(), kCalls + 1);
  EXPECT_FALSE(answers.all().back().sent);
  EXPECT_EQ(answers.all().back().error, "stopping");
  EXPECT_EQ(client->get("/").error, "stopping");
}

TEST(HttpClient, ItsEnd_EndsItsCalls) {
  HoldingServer server;
  Answers answers;
  {
    const auto client = client_of(server.url());
    client->post("/hold", {}, "{}", answers.take());
    server.wait_for_held(1);
  }
  ASSERT_EQ(answers.all().size(), 1U);
  EXPECT_EQ(answers.all()[0].error, "stopping");
}

TEST(HttpClient, ANameThatManyCallsLookUp_TakesFewThreads) {
  constexpr std::size_t kCalls = 3 * Transfers::kLookupsMax;
  // A name that the system knows by itself, as a rule; what comes of the calls does not matter.
  std::string name(256, '\0');
  ASSERT_EQ(::gethostname(name.data(), name.size() - 1), 0);
  Answers answers;
  const auto client = client_of("http://" + std::string(name.c_str()) + ":1");
  const std::size_t threads = threads_now();
  std::size_t most = 0;
  for (std::size_t i = 0; i < kCalls; ++i) {
    client->post("/", {}, "{}", answers.take());
    most = std::max(most, threads_now());
  }
  while (answers.all().size() < kCalls) {
    most = std::max(most, threads_now());
  }
  EXPECT_LE(most, threads + Transfers::kLookupsMax);
}

}  // namespace
}  // namespace payonce::adapters
