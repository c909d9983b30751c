#include "bench/connection.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <array>
#include <cerrno>

namespace payonce::bench {
namespace {

constexpr std::size_t kReadBytes = 16 << 10;

bool would_block(int error) { return error == EAGAIN || error == EWOULDBLOCK; }

}  // namespace

int Connection::open(const sockaddr_storage& address, socklen_t length, int epoll) {
  close();
  socket_ = ::socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (socket_ < 0) {
    return errno;
  }
  const int on = 1;
  ::setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  epoll_event event{.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data = {.u64 = id_}};
  const bool begun =
      ::epoll_ctl(epoll, EPOLL_CTL_ADD, socket_, &event) == 0 &&
      (::connect(socket_, reinterpret_cast<const sockaddr*>(&address), length) == 0 ||
       errno == EINPROGRESS);
  if (!begun) {
    const int error = errno;
    close();
    return error;
  }
  state_ = State::kConnecting;
  return 0;
}

int Connection::finish_connect() {
  int error = 0;
  socklen_t length = sizeof error;
  if (::getsockopt(socket_, SOL_SOCKET, SO_ERROR, &error, &length) != 0) {
    error = errno;
  }
  if (error != 0) {
    close();
    return error;
  }
  sockaddr_storage peer{};
  length = sizeof peer;
  if (::getpeername(socket_, reinterpret_cast<sockaddr*>(&peer), &length) == 0) {
    state_ = State::kIdle;
  } else if (errno != ENOTCONN) {
    error = errno;
    close();
  }
  return error;
}

void Connection::close() {
  if (socket_ >= 0) {
    ::close(socket_);
  }
  socket_ = -1;
  state_ = State::kDown;
  request_.clear();
}

bool Connection::begin() {
  state_ = State::kBusy;
  request_sent_ = 0;
  parser_.reset();
  return send_some();
}

bool Connection::send_some() {
  while (request_sent_ < request_.size()) {
    const ssize_t sent = ::send(socket_, request_.data() + request_sent_,
                                request_.size() - request_sent_, MSG_NOSIGNAL);
    if (sent >= 0) {
      request_sent_ += static_cast<std::size_t>(sent);
    } else if (errno != EINTR) {
      return would_block(errno);  // an event tells when there is room again
    }
  }
  return true;
}

ResponseParser::State Connection::advance() {
  using Progress = ResponseParser::State;
  if (!send_some()) {
    return Progress::kBroken;
  }
  std::array<char, kReadBytes> buffer;
  while (true) {
    const ssize_t read = ::recv(socket_, buffer.data(), buffer.size(), 0);
    if (read < 0) {
      if (errno == EINTR) {
        continue;
      }
      return would_block(errno) ? Progress::kMore : Progress::kBroken;
    }
    const Progress state = parser_.feed({buffer.data(), static_cast<std::size_t>(read)});
    if (state == Progress::kDone) {
      state_ = State::kIdle;
      request_.clear();
    }
    // To the end of what is there: the end of the connection may be behind it, and has no event of
    // its own when it came together with the bytes.
    if (state != Progress::kMore) {
      return state;
    }
  }
}

bool Connection::still_idle() {
  char byte = 0;
  const ssize_t read = ::recv(socket_, &byte, 1, MSG_PEEK);
  return read < 0 && (would_block(errno) || errno == EINTR);
}

}  // namespace payonce::bench
