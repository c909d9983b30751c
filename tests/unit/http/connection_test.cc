// Connections as clients see them: a listener on 127.0.0.1, and plain sockets.
#include "http/connection.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "engine/parker.h"
#include "http/listener.h"
#include "support/engine_world.h"

namespace payonce::http {
namespace {

using engine::Parker;
using testing::StartsWith;
using testing_support::eventually;

constexpr const char* kEnd = "";  // instead of an answer: the connection was closed

std::string request(std::string_view body, std::string_view path = "/echo",
                    std::string_view headers = "") {
  return std::string("POST ") + std::string(path) + " HTTP/1.1\r\nHost: test\r\n" +
         std::string(headers) + "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" +
         std::string(body);
}

// A client's side of a connection. Nothing waits for longer than a minute, which is a failure.
class Client {
 public:
  explicit Client(int port, int receive_bytes = 0) : fd_(::socket(AF_INET, SOCK_STREAM, 0)) {
    const timeval minute{.tv_sec = 60, .tv_usec = 0};
    const int yes = 1;
    ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &minute, sizeof minute);
    ::setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &minute, sizeof minute);
    ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    if (receive_bytes > 0) {
      ::setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &receive_bytes, sizeof receive_bytes);
    }
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const int code = ::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address);
    EXPECT_EQ(code, 0);
  }
  ~Client() { ::close(fd_); }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  void send(std::string_view bytes) const {
    while (!bytes.empty()) {
      const ssize_t put = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
      ASSERT_GT(put, 0);
      bytes.remove_prefix(static_cast<std::size_t>(put));
    }
  }
  void send_no_more() const { ::shutdown(fd_, SHUT_WR); }
  // The next answer whole; kEnd when the server closed the connection instead.
  std::string answer() {
    while (true) {
      const std::size_t head = received_.find("\r\n\r\n");
      if (head != std::string::npos && received_.size() >= head + 4 + length(head)) {
        const std::size_t size = head + 4 + length(head);
        std::string whole = received_.substr(0, size);
        received_.erase(0, size);
        return whole;
      }
      char buffer[16'384];
      const ssize_t got = ::recv(fd_, buffer, sizeof buffer, 0);
      EXPECT_GE(got, 0);
      if (got <= 0) {
        EXPECT_EQ(received_, "") << "a part of an answer";
        return kEnd;
      }
      received_.append(buffer, static_cast<std::size_t>(got));
    }
  }
  // The body of the next answer.
  std::string body() {
    const std::string whole = answer();
    EXPECT_THAT(whole, StartsWith("HTTP/1.1 200 "));
    return whole.substr(std::min(whole.size(), whole.find("\r\n\r\n") + 4));
  }

 private:
  [[nodiscard]] std::size_t length(std::size_t head) const {
    constexpr std::string_view kName = "Content-Length: ";
    const std::size_t at = received_.find(kName);
    std::size_t bytes = 0;
    EXPECT_LT(at, head);
    std::from_chars(received_.data() + at + kName.size(), received_.data() + head, bytes);
    return bytes;
  }

  int fd_;
  std::string received_;
};

class ConnectionTest : public testing::Test {
 protected:
  ~ConnectionTest() override {
    open_gate();
    wait_for_end();
  }

  void start() {
    limits.connection.keep_alive_timeout = std::chrono::hours(1);
    limits.connection.read_timeout = std::chrono::minutes(10);
    start_as_limited();
  }
  void start_as_limited() {
    listener = std::make_unique<Listener>(limits);
    listener->set_tcp_nodelay(true);
    listener->set_payload_max_length(std::size_t{16} << 20);
    const auto echo = [](const httplib::Request& request, httplib::Response& response) {
      response.set_content(request.body, "text/plain");
    };
    listener->Post("/echo", echo);
    listener->Post("/gate", [this](const httplib::Request& request, httplib::Response& response) {
      pass_gate();
      response.set_content(request.body, "text/plain");
    });
    listener->set_pre_routing_handler([](const httplib::Request&, httplib::Response&) {
      Connection::current().head_is_read();
      return httplib::Server::HandlerResponse::Unhandled;
    });
    listener->set_post_routing_handler([](const httplib::Request&, httplib::Response& response) {
      if (response.get_header_value("Connection") == "close") {
        Connection::current().close_after_answer();
      }
    });
    ASSERT_TRUE(listener->open());
    port = listener->bind_to_any_port("127.0.0.1");
    ASSERT_GT(port, 0);
    thread = std::thread([this] { EXPECT_TRUE(listener->accept_until_stopped()); });
  }
  // The end has begun when this returns; wait_for_end() returns when it is over.
  void stop() {
    if (!stopped) {
      stopped = true;
      listener->stop_accepting();
    }
  }
  void wait_for_end() {
    if (thread.joinable()) {
      stop();
      thread.join();
    }
  }
  // On the listener's side: waits in its fiber until the gate is open.
  void pass_gate() {
    waiter = &Parker::current();
    ++at_gate;
    while (!gate_open) {
      Parker::current().park();
      ++wake_ups;
    }
  }
  void open_gate() {
    gate_open = true;
    if (Parker* const parker = waiter.load()) {
      parker->unpark();
    }
  }
  // Lets the loop of the request at the gate look at its sockets twice.
  void turn_the_loop() {
    for (int turn = 0; turn < 2; ++turn) {
      const int before = wake_ups;
      waiter.load()->unpark();
      ASSERT_TRUE(eventually([&] { return wake_ups > before; }));
    }
  }

  ListenerLimits limits;
  std::unique_ptr<Listener> listener;
  int port = 0;
  std::thread thread;
  bool stopped = false;
  std::atomic<Parker*> waiter{nullptr};
  std::atomic<bool> gate_open{false};
  std::atomic<int> at_gate{0};
  std::atomic<int> wake_ups{0};
};

// ---- One connection

TEST_F(ConnectionTest, ItCarriesManyRequestsOneAfterAnother) {
  start();
  Client client(port);
  for (int i = 0; i < 100; ++i) {
    client.send(request(std::to_string(i)));
    ASSERT_EQ(client.body(), std::to_string(i));
  }
}

TEST_F(ConnectionTest, RequestsSentAheadAreAnsweredInTheirOrder) {
  start();
  Client client(port);
  client.send(request("one") + request("two"));
  EXPECT_EQ(client.body(), "one");
  EXPECT_EQ(client.body(), "two");
}

TEST_F(ConnectionTest, SoAreManyMoreThanAreReadAtOnce) {
  start();
  Client client(port);
  std::string all;
  for (int i = 0; i < 500; ++i) {
    all += request(std::to_string(i));
  }
  client.send(all);
  for (int i = 0; i < 500; ++i) {
    ASSERT_EQ(client.body(), std::to_string(i));
  }
}

TEST_F(ConnectionTest, ARequestMayComeByteByByte) {
  start();
  Client client(port);
  for (const char byte : request("slow") + request("and again")) {
    client.send(std::string_view(&byte, 1));
  }
  EXPECT_EQ(client.body(), "slow");
  EXPECT_EQ(client.body(), "and again");
}

TEST_F(ConnectionTest, ABigBodyGoesThroughBothWays) {
  start();
  std::string body(std::size_t{1} << 20, ' ');
  for (std::size_t i = 0; i < body.size(); ++i) {
    body[i] = static_cast<char>('a' + i * 31 % 26);
  }
  Client client(port, 4096);  // takes little at a time, so that the server has to wait for room
  client.send(request(body) + request("small"));
  EXPECT_TRUE(client.body() == body);
  EXPECT_EQ(client.body(), "small");
}

TEST_F(ConnectionTest, AClientThatSendsNoMoreStillGetsItsAnswers) {
  start();
  const std::string body(std::size_t{8} << 20, 'x');
  Client client(port, 4096);  // the server has to wait for room, with the hang-up seen
  client.send(request("one") + request(body, "/gate"));
  client.send_no_more();
  EXPECT_EQ(client.body(), "one");
  ASSERT_TRUE(eventually([&] { return at_gate == 1; }));
  turn_the_loop();
  open_gate();
  EXPECT_TRUE(client.body() == body);
  EXPECT_EQ(client.answer(), kEnd);
}

TEST_F(ConnectionTest, BytesBehindAnAnswerThatSaysCloseAreNotAnswered) {
  start();
  Client client(port);
  client.send(request("last", "/echo", "Connection: close\r\n") + request("behind"));
  EXPECT_EQ(client.body(), "last");
  EXPECT_EQ(client.answer(), kEnd);
}

TEST_F(ConnectionTest, BytesBehindARequestThatIsNoneAreNotAnswered) {
  start();
  Client client(port);
  client.send("this is no request\r\n\r\n" + request("behind"));
  EXPECT_THAT(client.answer(), StartsWith("HTTP/1.1 400 "));
  EXPECT_EQ(client.answer(), kEnd);
}

TEST_F(ConnectionTest, TheLastRequestOfAConnectionSaysSo) {
  limits.connection.requests_max = 2;
  start();
  Client client(port);
  client.send(request("one") + request("two") + request("three"));
  EXPECT_THAT(client.answer(), testing::Not(testing::HasSubstr("Connection: close")));
  EXPECT_THAT(client.answer(), testing::HasSubstr("Connection: close"));
  EXPECT_EQ(client.answer(), kEnd);
}

TEST_F(ConnectionTest, ARequestThatDoesNotComeWholeIsGivenUp) {
  limits.connection.read_timeout = std::chrono::milliseconds(1);
  start_as_limited();
  Client client(port);
  client.send("POST /echo HT");
  EXPECT_EQ(client.answer(), kEnd);
}

// The loop looks for idle connections about once a second.
TEST_F(ConnectionTest, AnIdleConnectionIsClosedAfterItsTime) {
  limits.connection.keep_alive_timeout = std::chrono::seconds(0);
  start_as_limited();
  Client client(port);
  client.send(request("one"));
  EXPECT_EQ(client.body(), "one");
  EXPECT_EQ(client.answer(), kEnd);
}

// ---- Many connections

// What was read of the body fills the reader's buffer exactly, which tells nothing about the rest.
TEST_F(ConnectionTest, AnIdleConnectionThatHasSentABodyHoldsUpNobody) {
  limits.threads = 1;
  limits.requests_max = 1;
  start();
  Client idle(port);
  const std::string body(std::size_t{64} << 10, 'x');
  idle.send(request(body));
  EXPECT_TRUE(idle.body() == body);
  Client client(port);
  client.send(request("served"));
  EXPECT_EQ(client.body(), "served");
}

TEST_F(ConnectionTest, AClientThatGoesAwayInTheMiddleOfARequestHoldsUpNobody) {
  limits.threads = 1;
  limits.requests_max = 1;
  limits.connections_max = 4;
  start();
  for (const std::string& part : {std::string("POST /ec"), request("body").substr(0, 50)}) {
    const Client gone(port);
    gone.send(part);
  }
  for (int i = 0; i < 2; ++i) {
    Client client(port);
    client.send(request("served"));
    EXPECT_EQ(client.body(), "served");
  }
}

TEST_F(ConnectionTest, ConnectionsAboveTheLimitAreTurnedAway) {
  limits.connections_max = 2;
  limits.turned_away = [] {
    return std::string("HTTP/1.1 503 Too Many\r\nContent-Length: 4\r\n\r\nbusy");
  };
  start();
  Client first(port);
  auto second = std::make_unique<Client>(port);
  for (Client* client : {&first, second.get()}) {
    client->send(request("served"));
    EXPECT_EQ(client->body(), "served");
  }
  for (int i = 0; i < 3; ++i) {
    Client third(port);
    EXPECT_EQ(third.answer(), limits.turned_away());
    EXPECT_EQ(third.answer(), kEnd);
  }
  first.send(request("still served"));
  EXPECT_EQ(first.body(), "still served");
  // There is room again as soon as one has gone.
  second.reset();
  EXPECT_TRUE(eventually([&] {
    Client next(port);
    next.send(request("next"));
    return next.answer().ends_with("\r\n\r\nnext");
  }));
}

TEST_F(ConnectionTest, ARequestAboveTheLimitWaitsForTheOneInProgress) {
  limits.threads = 1;
  limits.requests_max = 1;
  start();
  Client first(port);
  Client second(port);
  second.send(request("here"));
  EXPECT_EQ(second.body(), "here");
  first.send(request("first", "/gate"));
  ASSERT_TRUE(eventually([&] { return at_gate == 1; }));
  second.send(request("second", "/gate"));
  turn_the_loop();
  EXPECT_EQ(at_gate, 1);
  open_gate();
  EXPECT_EQ(first.body(), "first");
  EXPECT_EQ(second.body(), "second");
  EXPECT_EQ(at_gate, 2);
}

TEST_F(ConnectionTest, RequestsInProgressDoNotHoldUpOthersOfTheirThread) {
  limits.threads = 1;
  start();
  Client slow(port);
  slow.send(request("slow", "/gate"));
  ASSERT_TRUE(eventually([&] { return at_gate == 1; }));
  Client client(port);
  client.send(request("served"));
  EXPECT_EQ(client.body(), "served");
  open_gate();
  EXPECT_EQ(slow.body(), "slow");
}

TEST_F(ConnectionTest, HundredsOfIdleConnectionsLeaveTheOthersServed) {
  limits.threads = 1;
  limits.requests_max = 1;
  start();
  std::vector<std::unique_ptr<Client>> idle;
  for (int i = 0; i < 300; ++i) {
    idle.push_back(std::make_unique<Client>(port));
    if (i % 2 == 0) {
      idle.back()->send(request("hello"));
      ASSERT_EQ(idle.back()->body(), "hello");
    }
  }
  Client client(port);
  client.send(request("served"));
  EXPECT_EQ(client.body(), "served");
  for (const auto& other : idle) {
    other->send(request("still there"));
    ASSERT_EQ(other->body(), "still there");
  }
}

TEST_F(ConnectionTest, ManyClientsAreServedAtTheSameTime) {
  start();
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&, t] {
      Client client(port);
      for (int i = 0; i < 50; ++i) {
        const std::string body = std::to_string(t) + "." + std::to_string(i);
        client.send(request(body));
        ASSERT_EQ(client.body(), body);
      }
    });
  }
  for (std::thread& one : threads) {
    one.join();
  }
}

// ---- The end

TEST_F(ConnectionTest, CloseEndsIdleConnections) {
  start();
  Client fresh(port);
  Client used(port);
  used.send(request("one"));
  EXPECT_EQ(used.body(), "one");
  wait_for_end();
  EXPECT_EQ(fresh.answer(), kEnd);
  EXPECT_EQ(used.answer(), kEnd);
}

TEST_F(ConnectionTest, CloseLetsARequestInProgressEndAndItsConnectionThen) {
  limits.threads = 1;
  start();
  Client busy(port);
  Client idle(port);
  for (Client* client : {&busy, &idle}) {
    client->send(request("here"));
    EXPECT_EQ(client->body(), "here");
  }
  busy.send(request("busy", "/gate"));
  ASSERT_TRUE(eventually([&] { return at_gate == 1; }));
  stop();
  EXPECT_EQ(idle.answer(), kEnd);  // so close() has begun
  open_gate();
  EXPECT_EQ(busy.body(), "busy");
  EXPECT_EQ(busy.answer(), kEnd);
}

}  // namespace
}  // namespace payonce::http
