// An HTTP server on 127.0.0.1 for many connections at a time, on one thread: it answers POSTs to
// any path at once, but those to /hold only when it is told to.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <condition_variable>
#include <cstddef>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace payonce::testing_support {

class HoldingServer {
 public:
  HoldingServer() {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    auto* const general = reinterpret_cast<sockaddr*>(&address);
    socklen_t size = sizeof address;
    const bool good = ::bind(listener_, general, size) == 0 && ::listen(listener_, 4096) == 0 &&
                      ::getsockname(listener_, general, &size) == 0;
    EXPECT_TRUE(good);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { serve(); });
  }
  ~HoldingServer() {
    change([&] { over_ = true; });
    thread_.join();
    for (const auto& [connection, text] : connections_) {
      ::close(connection);
    }
    ::close(listener_);
    ::close(doorbell_);
  }
  HoldingServer(const HoldingServer&) = delete;
  HoldingServer& operator=(const HoldingServer&) = delete;

  [[nodiscard]] std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }
  // Waits until so many requests are held.
  void wait_for_held(std::size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return held_.size() >= count; });
  }
  // Answers all that are held.
  void release() {
    change([&] { release_ = true; });
  }
  [[nodiscard]] std::size_t connections() {
    const std::lock_guard lock(mutex_);
    return accepted_;
  }
  [[nodiscard]] std::size_t requests() {
    const std::lock_guard lock(mutex_);
    return requests_;
  }

 private:
  template <class Change>
  void change(Change how) {
    const std::lock_guard lock(mutex_);
    how();
    ::eventfd_write(doorbell_, 1);
  }

  void serve() {
    while (true) {
      std::vector<pollfd> waiting{{listener_, POLLIN, 0}, {doorbell_, POLLIN, 0}};
      for (const auto& [connection, text] : connections_) {
        waiting.push_back({connection, POLLIN, 0});
      }
      ::poll(waiting.data(), waiting.size(), -1);
      const std::lock_guard lock(mutex_);
      if (over_) {
        return;
      }
      if (waiting[1].revents != 0) {
        eventfd_t rings = 0;
        ::eventfd_read(doorbell_, &rings);
      }
      if (waiting[0].revents != 0) {
        connections_.emplace(::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC), "");
        ++accepted_;
      }
      for (std::size_t i = 2; i < waiting.size(); ++i) {
        if (waiting[i].revents != 0) {
          read(waiting[i].fd);
        }
      }
      if (release_) {
        release_ = false;
        for (const int connection : std::exchange(held_, {})) {
          answer(connection);
        }
      }
      changed_.notify_all();
    }
  }

  void read(int connection) {
    char buffer[4096];
    const ssize_t size = ::recv(connection, buffer, sizeof buffer, 0);
    if (size <= 0) {
      ::close(connection);
      connections_.erase(connection);
      held_.erase(connection);
      return;
    }
    std::string& text = connections_.at(connection);
    text.append(buffer, static_cast<std::size_t>(size));
    const std::size_t head = text.find("\r\n\r\n");
    const std::size_t length = text.find("Content-Length: ");
    if (head == std::string::npos || length > head ||
        text.size() < head + 4 + std::stoul(text.substr(length + 16))) {
      return;
    }
    ++requests_;
    const bool hold = text.starts_with("POST /hold");
    text.clear();
    if (hold) {
      held_.insert(connection);
    } else {
      answer(connection);
    }
  }

  static void answer(int connection) {
    const std::string text = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";
    ::send(connection, text.data(), text.size(), MSG_NOSIGNAL);
  }

  int listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  int doorbell_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  int port_ = 0;
  std::map<int, std::string> connections_;  // and what has been read of a request
  std::mutex mutex_;
  std::condition_variable changed_;
  std::set<int> held_;  // connections
  std::size_t accepted_ = 0;
  std::size_t requests_ = 0;
  bool release_ = false;
  bool over_ = false;
  std::thread thread_;
};

}  // namespace payonce::testing_support
