#include "http/listener.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <string>
#include <utility>

#include "observe/thread_name.h"

namespace payonce::http {

// The library's idea of who works on an accepted connection: the accepting thread, which only hands
// it to a loop.
class Listener::Handoff final : public httplib::TaskQueue {
 public:
  explicit Handoff(Listener& listener) : listener_(&listener) {}
  bool enqueue(std::function<void()> task) override {
    task();
    return true;
  }
  void shutdown() override { listener_->close(); }

 private:
  Listener* listener_;
};

// One loop, its thread and its connections.
class Listener::Lane final : public Connection::Owner {
 public:
  Lane(Listener& listener, std::unique_ptr<Loop> loop)
      : listener_(&listener), loop_(std::move(loop)) {}

  void start() {
    thread_ = std::thread([this] {
      observe::name_thread("http");
      loop_->run([this](auto now) { sweep(now); });
    });
  }
  void adopt(int fd) {
    loop_->post([this, fd] {
      if (stopping_) {
        ::close(fd);
        listener_->connections_.fetch_sub(1);
        return;
      }
      auto connection =
          std::make_unique<Connection>(fd, *loop_, *this, listener_->limits_.connection);
      Connection& added = *connection;
      connections_.emplace(&added, std::move(connection));
      loop_->add(added);
    });
  }
  void stop() {
    loop_->post([this] {
      stopping_ = true;
      close_idle(Loop::Clock::time_point::max());
    });
    loop_->stop();
  }
  void join() {
    if (thread_.joinable()) {
      thread_.join();
    }
  }

  bool process(Connection& connection, bool last) override {
    bool closed = false;
    const bool good = listener_->process_request(
        connection, connection.remote_address(), connection.remote_port(),
        connection.local_address(), connection.local_port(), last, closed, nullptr);
    return good && !closed;
  }
  void over(Connection& connection) override {
    connections_.erase(&connection);
    listener_->connections_.fetch_sub(1);
  }
  [[nodiscard]] bool stopping() const override { return stopping_; }

 private:
  void sweep(Loop::Clock::time_point now) {
    close_idle(now - listener_->limits_.connection.keep_alive_timeout);
  }
  void close_idle(Loop::Clock::time_point before) {
    for (auto at = connections_.begin(); at != connections_.end();) {
      Connection& connection = *at->first;
      ++at;  // it may be gone afterwards
      connection.close_if_idle_since(before);
    }
  }

  Listener* listener_;
  std::unique_ptr<Loop> loop_;
  bool stopping_ = false;  // of the loop's thread
  std::unordered_map<Connection*, std::unique_ptr<Connection>> connections_;
  std::thread thread_;
};

Listener::Listener(ListenerLimits limits) : limits_(std::move(limits)) {
  new_task_queue = [this] { return new Handoff(*this); };
  // For the header that announces them; kept they are by Connection and Lane.
  set_keep_alive_timeout(limits_.connection.keep_alive_timeout.count());
  set_keep_alive_max_count(limits_.connection.requests_max);
}

Listener::~Listener() { close(); }

Result<void> Listener::open() {
  const Loop::Options options{.tasks_max =
                                  std::max<std::size_t>(limits_.requests_max / limits_.threads, 1)};
  for (std::size_t i = 0; i < limits_.threads; ++i) {
    auto loop = Loop::open(options);
    if (!loop) {
      return std::unexpected(loop.error());
    }
    lanes_.push_back(std::make_unique<Lane>(*this, *std::move(loop)));
  }
  for (const auto& lane : lanes_) {
    lane->start();
  }
  return {};
}

void Listener::close() {
  for (const auto& lane : lanes_) {
    lane->stop();
  }
  for (const auto& lane : lanes_) {
    lane->join();
  }
}

// On the accepting thread.
bool Listener::process_and_close_socket(socket_t socket) {
  if (connections_.fetch_add(1) >= limits_.connections_max) {
    connections_.fetch_sub(1);
    const std::string answer = limits_.turned_away();
    ::send(socket, answer.data(), answer.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    ::shutdown(socket, SHUT_WR);
    ::close(socket);
    return false;
  }
  lanes_[next_lane_]->adopt(socket);
  next_lane_ = (next_lane_ + 1) % lanes_.size();
  return true;
}

}  // namespace payonce::http
