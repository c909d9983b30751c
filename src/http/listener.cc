#include "http/listener.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <utility>

#include "observe/thread_name.h"

namespace payonce::http {

namespace {

// Without descriptors or memory, another try is worth it so late.
constexpr std::chrono::milliseconds kPause{100};
constexpr std::chrono::seconds kTellAgain{10};

// What may be wrong with one connection, or for a moment (accept(2)).
bool passes(int code) {
  return code != EBADF && code != EFAULT && code != EINVAL && code != ENOTSOCK;
}

// Of the connection that was about to be accepted: the next one is another matter.
bool concerns_one(int code) { return code == ECONNABORTED || code == EPROTO || code == EINTR; }

}  // namespace

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

bool Listener::accept_until_stopped() {
  const int listening = svr_sock_;
  bool good = true;
  bool failed_before = false;
  while (good && !ending_) {
    const int socket = ::accept4(listening, nullptr, nullptr, SOCK_CLOEXEC);
    if (socket >= 0) {
      failed_before = false;
      const int yes = 1;
      ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
      process_and_close_socket(socket);
      continue;
    }
    const int code = errno;
    good = passes(code) || ending_;
    // Whatever it is, it must not keep a core busy if it stays.
    if (good && !ending_ && (failed_before || !concerns_one(code))) {
      pause(code);
    }
    failed_before = true;
  }
  {
    const std::lock_guard lock(accept_mutex_);
    ::close(svr_sock_.exchange(INVALID_SOCKET));
  }
  close();
  return good;
}

void Listener::stop_accepting() {
  const std::lock_guard lock(accept_mutex_);
  ending_ = true;
  ::shutdown(svr_sock_, SHUT_RDWR);  // wakes who accepts
  pause_over_.notify_one();
}

void Listener::pause(int code) {
  const auto now = std::chrono::steady_clock::now();
  if (!told_ || now - *told_ >= kTellAgain) {
    told_ = now;
    limits_.cannot_accept(code);
  }
  std::unique_lock lock(accept_mutex_);
  pause_over_.wait_for(lock, kPause, [this] { return ending_.load(); });
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
