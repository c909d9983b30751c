#include "bench/generator.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <httplib.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <future>
#include <thread>

#include "bench/requests.h"

namespace payonce::bench {
namespace {

using std::chrono::milliseconds;
using testing::HasSubstr;

// Answers GET / as the handler says; the handler learns the how manieth request it is.
class World {
 public:
  using Handler = std::function<void(int number, httplib::Response&)>;

  explicit World(Handler handler) : handler_(std::move(handler)) {
    server_.Get("/", [this](const httplib::Request&, httplib::Response& response) {
      handler_(requests_++, response);
    });
    port_ = server_.bind_to_any_port("127.0.0.1");
    thread_ = std::thread([this] { server_.listen_after_bind(); });
    server_.wait_until_ready();
  }
  ~World() {
    server_.stop();
    thread_.join();
  }
  [[nodiscard]] config::Endpoint endpoint() const {
    return {"127.0.0.1", static_cast<std::uint16_t>(port_)};
  }
  [[nodiscard]] int requests() const { return requests_; }

 private:
  Handler handler_;
  std::atomic<int> requests_ = 0;
  httplib::Server server_;
  int port_ = 0;
  std::thread thread_;
};

class Gets final : public Work {
 public:
  Ticket write(std::uint64_t sequence, std::string& out) override {
    append_get(out, "127.0.0.1", "/");
    sequences.push_back(sequence);
    return {.subject = sequence};
  }
  Judgement judge(const Ticket& /*ticket*/, const Response& response) override {
    if (response.status == 503) {
      return {Outcome::kShed, nullptr};
    }
    return {response.status == 200 ? Outcome::kOk : Outcome::kWrong, nullptr};
  }
  void lost(const Ticket& /*ticket*/) override { ++lost_count; }

  std::vector<std::uint64_t> sequences;
  std::uint64_t lost_count = 0;
};

struct Trial {
  Trial(const config::Endpoint& endpoint, Generator::Limits limits) : generator(endpoint, limits) {
    const auto connected = generator.connect();
    EXPECT_TRUE(connected) << connected.error().message;
  }
  Result<void> run(const Pace& pace) { return generator.run(work, pace, start_ns, recorder); }

  Generator generator;
  Gets work;
  std::int64_t start_ns = monotonic_ns();
  Recorder recorder{start_ns, start_ns, nullptr};
};

constexpr Generator::Limits kLimits{
    .connections = 4, .backlog_max = 1000, .timeout_ns = 60 * kNsPerS};

TEST(Generator, OpenLoop_SendsEveryRequestOnceInItsOrder) {
  World world([](int, httplib::Response& response) { response.status = 200; });
  Trial trial(world.endpoint(), kLimits);
  ASSERT_TRUE(trial.run({.rate = 2000, .count = 200}));
  EXPECT_EQ(trial.recorder.measured().of(Outcome::kOk), 200U);
  EXPECT_EQ(trial.recorder.measured().all(), 200U);
  EXPECT_EQ(world.requests(), 200);
  for (std::uint64_t i = 0; i < 200; ++i) {
    ASSERT_EQ(trial.work.sequences[i], i);
  }
  // 199 intervals of half a millisecond: not before its time.
  EXPECT_GE(monotonic_ns() - trial.start_ns, 99 * kNsPerMs);
}

TEST(Generator, AStall_IsChargedToEveryRequestThatWasDueMeanwhile) {
  constexpr auto kStall = milliseconds(300);
  World world([&](int number, httplib::Response& response) {
    if (number == 0) {
      std::this_thread::sleep_for(kStall);  // what a server does that stalls
    }
    response.status = 200;
  });
  Trial trial(world.endpoint(),
              {.connections = 1, .backlog_max = 1000, .timeout_ns = 60 * kNsPerS});
  ASSERT_TRUE(trial.run({.rate = 100, .count = 30}));
  // Request n is due after 10 n ms and cannot be answered before 300 ms: the 15th waits 150 ms or
  // more. A closed loop would have seen one slow answer and 29 quick ones.
  EXPECT_GE(trial.recorder.latency().percentile_us(50), 149'000);
  EXPECT_GE(trial.recorder.latency().max_us(), 299'000);
  EXPECT_GE(trial.recorder.longest_stall_ns(), 299 * kNsPerMs);
}

TEST(Generator, WhatTheBacklogHasNoRoomFor_IsNotSentAndCounted) {
  std::promise<void> all_due;
  World world([released = all_due.get_future().share()](int, httplib::Response& response) {
    released.wait();
    response.status = 200;
  });
  Generator::Limits limits{.connections = 1, .backlog_max = 5, .timeout_ns = 60 * kNsPerS};
  Trial trial(world.endpoint(), limits);
  const std::int64_t start_ns = monotonic_ns();
  // The first second has passed only when all were due.
  Recorder recorder(start_ns, start_ns, [&](const Second& second) {
    if (second.number == 0) {
      all_due.set_value();
    }
  });
  ASSERT_TRUE(trial.generator.run(trial.work, {.rate = 200, .count = 100}, start_ns, recorder));
  // Five in the backlog, and one that may have left before that was full.
  const std::uint64_t answered = recorder.measured().of(Outcome::kOk);
  EXPECT_GE(answered, 5U);
  EXPECT_LE(answered, 6U);
  EXPECT_EQ(recorder.measured().of(Outcome::kNotSent), 100 - answered);
  EXPECT_EQ(static_cast<std::uint64_t>(world.requests()), answered);
}

TEST(Generator, ARequestWithoutAnswer_TimesOut) {
  std::promise<void> over;
  World world([released = over.get_future().share()](int, httplib::Response& response) {
    released.wait();
    response.status = 200;
  });
  Trial trial(world.endpoint(),
              {.connections = 2, .backlog_max = 10, .timeout_ns = 100 * kNsPerMs});
  const auto ran = trial.run({.rate = 1000, .count = 2});
  over.set_value();
  ASSERT_TRUE(ran);
  EXPECT_EQ(trial.recorder.measured().of(Outcome::kTimeout), 2U);
  EXPECT_EQ(trial.work.lost_count, 2U);
}

TEST(Generator, ClosedLoop_SendsWhatWasShedAgain) {
  World world([](int number, httplib::Response& response) {
    response.status = number < 7 ? 503 : 200;
    response.set_header("Retry-After", "0");
  });
  Trial trial(world.endpoint(), kLimits);
  ASSERT_TRUE(trial.run({.count = 50, .limit_ns = 60 * kNsPerS}));
  EXPECT_EQ(trial.recorder.measured().of(Outcome::kOk), 50U);
  EXPECT_EQ(trial.recorder.measured().of(Outcome::kShed), 7U);
  EXPECT_EQ(world.requests(), 57);
}

TEST(Generator, ClosedLoop_EndsAtItsLimit) {
  World world([](int, httplib::Response& response) {
    response.status = 503;
    response.set_header("Retry-After", "1000");
  });
  Trial trial(world.endpoint(), kLimits);
  ASSERT_TRUE(trial.run({.count = 3, .limit_ns = kNsPerS / 2}));
  EXPECT_EQ(trial.recorder.measured().of(Outcome::kOk), 0U);
  EXPECT_GE(trial.recorder.measured().of(Outcome::kNotSent), 3U);
}

TEST(Generator, AServerThatClosesAfterEachAnswer_IsConnectedToAgain) {
  World world([](int, httplib::Response& response) {
    response.status = 200;
    response.set_header("Connection", "close");
  });
  Trial trial(world.endpoint(), kLimits);
  ASSERT_TRUE(trial.run({.rate = 500, .count = 50}));
  EXPECT_EQ(trial.recorder.measured().of(Outcome::kOk), 50U);
}

TEST(Generator, AWrongAnswerIsKept) {
  World world([](int, httplib::Response& response) {
    response.status = 418;
    response.set_content("teapot", "text/plain");
  });
  Trial trial(world.endpoint(), kLimits);
  ASSERT_TRUE(trial.run({.rate = 1000, .count = 3}));
  EXPECT_EQ(trial.recorder.measured().of(Outcome::kWrong), 3U);
  EXPECT_EQ(trial.recorder.first_wrong(), "418 teapot");
}

// Sends `text` to whoever connects and asks, and closes at once.
class Abrupt {
 public:
  Abrupt(std::string text, int connections) {
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    EXPECT_EQ(::bind(listener_, reinterpret_cast<sockaddr*>(&address), length), 0);
    EXPECT_EQ(::listen(listener_, 16), 0);
    ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &length);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this, text = std::move(text), connections] {
      for (int i = 0; i < connections; ++i) {
        const int peer = ::accept(listener_, nullptr, nullptr);
        std::array<char, 4096> request;
        if (::recv(peer, request.data(), request.size(), 0) > 0) {
          ::send(peer, text.data(), text.size(), MSG_NOSIGNAL);
        }
        ::close(peer);
      }
    });
  }
  ~Abrupt() {
    ::shutdown(listener_, SHUT_RDWR);
    thread_.join();
    ::close(listener_);
  }
  [[nodiscard]] config::Endpoint endpoint() const { return {"127.0.0.1", port_}; }

 private:
  int listener_ = -1;
  std::uint16_t port_ = 0;
  std::thread thread_;
};

TEST(Generator, HalfAnAnswerAndTheEnd_IsABrokenConnectionAndNoTimeout) {
  Abrupt server("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", 4);
  Trial trial(server.endpoint(), {.connections = 1, .backlog_max = 10, .timeout_ns = 60 * kNsPerS});
  ASSERT_TRUE(trial.run({.rate = 1000, .count = 3}));
  EXPECT_EQ(trial.recorder.measured().of(Outcome::kSocketError), 3U);
  EXPECT_EQ(trial.work.lost_count, 3U);
}

TEST(Generator, NobodyThere_IsAnErrorThatNamesTheAddress) {
  config::Endpoint gone;
  {
    World world([](int, httplib::Response&) {});
    gone = world.endpoint();
  }
  Generator generator(gone, kLimits);
  const auto connected = generator.connect();
  ASSERT_FALSE(connected);
  EXPECT_THAT(connected.error().message, HasSubstr(config::to_string(gone)));
}

TEST(Generator, AServerThatGoesAway_EndsTheRunInBoundedTime) {
  auto world =
      std::make_unique<World>([](int, httplib::Response& response) { response.status = 200; });
  Trial trial(world->endpoint(), kLimits);
  world.reset();
  const auto ran = trial.run({.rate = 10, .count = 1'000'000});
  ASSERT_FALSE(ran);
  EXPECT_THAT(ran.error().message, HasSubstr("has not been reachable"));
  EXPECT_EQ(trial.recorder.measured().all(), 1'000'000U) << "each request ends exactly once";
  EXPECT_EQ(trial.recorder.measured().of(Outcome::kOk), 0U);
}

}  // namespace
}  // namespace payonce::bench
