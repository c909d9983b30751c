#include "http/connection.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <exception>

namespace payonce::http {
namespace {

using std::chrono::milliseconds;

constexpr std::size_t kBufferBytes = 4096;
// The least rate of a body, and of an answer: as much in each read_timeout or write_timeout.
constexpr std::int64_t kBytesPerTimeout = std::int64_t{64} * 1024;
// After an error the client may still be sending. Closing at once would reset the connection and
// with it the answer, so what still comes is read and dropped, within these bounds.
constexpr milliseconds kLingerTime{500};
constexpr std::size_t kLingerBytes = std::size_t{1} << 20;

bool would_block(int code) { return code == EAGAIN || code == EWOULDBLOCK; }

// More time for what has come or gone, but never more than `timeout` at once: so whoever is
// silent, or slower than the least rate, is cut off.
Loop::Clock::time_point extended(Loop::Clock::time_point deadline, milliseconds timeout,
                                 std::size_t bytes) {
  const auto earned = timeout * static_cast<std::int64_t>(bytes) / kBytesPerTimeout;
  return std::min(deadline + earned, Loop::Clock::now() + timeout);
}

}  // namespace

Connection::Connection(int fd, Loop& loop, Owner& owner, const ConnectionLimits& limits)
    : Socket(fd),
      loop_(&loop),
      owner_(&owner),
      limits_(&limits),
      requests_left_(limits.requests_max),
      idle_since_(Loop::Clock::now()) {
  httplib::detail::get_remote_ip_and_port(fd, remote_address_, remote_port_);
  httplib::detail::get_local_ip_and_port(fd, local_address_, local_port_);
}

Connection::~Connection() { ::close(fd()); }

Connection& Connection::current() { return *static_cast<Connection*>(Loop::local()); }

void Connection::on_ready() {
  if (!busy_) {
    busy_ = true;
    loop_->spawn([this] { serve(); });
  }
}

void Connection::serve() {
  Loop::local() = this;
  loop_->attend(*this);
  bool good = true;
  bool more = true;
  while (good && more) {
    --requests_left_;
    const bool last = requests_left_ == 0 || stopping();
    begin_request();
    try {
      good = owner_->process(*this, last) && !last && !stopping();
      keep_ = keep_ && body_is_read();
      good = good && keep_;
      more = good && has_more();
    } catch (const std::exception&) {
      good = false;  // memory ran out while the request was read; nothing was carried out
    }
    if (more) {
      loop_->yield();  // however much was sent ahead, the others have their turn
    }
  }
  loop_->attend_no_more(*this);
  if (good) {
    busy_ = false;
    idle_since_ = Loop::Clock::now();
    return;
  }
  if (!keep_) {
    linger();
  }
  close();
}

void Connection::begin_request() {
  reading_head_ = true;
  deadline_ = Loop::Clock::now() + limits_->read_timeout;
  write_deadline_.reset();
  timed_out_ = false;
  working_ = false;
  malformed_ = false;
  head_ = {};
  checked_ = used_;
  body_left_ = 0;
  chunks_.reset();
}

// Bytes of a head or of a body that nobody read must not be taken for the next request.
bool Connection::body_is_read() const {
  return !reading_head_ && !malformed_ && body_left_ == 0 && (!chunks_ || chunks_->done());
}

void Connection::close() {
  loop_->remove(*this);
  ::shutdown(fd(), SHUT_RDWR);
  owner_->over(*this);
}

void Connection::close_if_idle_since(Loop::Clock::time_point before) {
  if (!busy_ && idle_since_ <= before) {
    close();
  }
}

void Connection::head_is_read(std::uint64_t body_bytes) {
  reading_head_ = false;
  body_left_ = body_bytes;
  deadline_ = Loop::Clock::now() + limits_->read_timeout;
}

void Connection::head_is_read_body_in_chunks() {
  head_is_read();
  chunks_.emplace();
}

// A head has a fixed time. A body has as much again, and more as it comes.
void Connection::extend_deadline(std::size_t received) {
  if (!reading_head_) {
    deadline_ = extended(deadline_, limits_->read_timeout, received);
  }
}

// Reads once. Whether more is there is known without asking again: only a full read leaves that
// open, and a peer that has gone (epoll(7), on edge-triggered stream sockets).
ssize_t Connection::receive(char* to, std::size_t size, Loop::Clock::time_point deadline) {
  while (true) {
    const ssize_t got = ::recv(fd(), to, size, MSG_DONTWAIT);
    if (got >= 0) {
      readable = hung_up || static_cast<std::size_t>(got) == size;
      return got;
    }
    if (would_block(errno)) {
      readable = hung_up;
      if (hung_up) {
        return -1;
      }
      if (!loop_->wait_readable(*this, deadline)) {
        timed_out_ = true;
        return -1;
      }
    } else if (errno != EINTR) {
      return -1;
    }
  }
}

// Whether something of a next request is here already, or the end of the connection.
bool Connection::has_more() {
  if (used_ < filled_ || !readable) {
    return used_ < filled_;
  }
  buffer_.resize(kBufferBytes);
  const ssize_t got = ::recv(fd(), buffer_.data(), buffer_.size(), MSG_DONTWAIT | MSG_PEEK);
  readable = hung_up || got >= 0 || !would_block(errno);
  return readable;
}

// The library reads a head byte by byte, so this is done some hundred times for each request.
ssize_t Connection::read(char* to, std::size_t size) {
  if (used_ < checked_ && size == 1) {
    *to = buffer_[used_++];
    return 1;
  }
  return reading_head_ ? read_head_byte(to) : read_body(to, size);
}

ssize_t Connection::read_body(char* to, std::size_t size) {
  if (malformed_) {
    return -1;
  }
  const ssize_t got = read_ahead(to, size);
  if (got > 0) {
    const auto taken = static_cast<std::size_t>(got);
    body_left_ -= std::min<std::uint64_t>(body_left_, taken);
    if (chunks_ && !chunks_->take({to, taken})) {
      malformed_ = true;
      return -1;
    }
  }
  return got;
}

// The library answers a request line that it cannot read, but not one that never ends: so where the
// line goes wrong, it ends.
ssize_t Connection::read_head_byte(char* to) {
  if (!malformed_) {
    if (used_ == filled_) {
      const ssize_t got = fill();
      if (got <= 0) {
        return got;
      }
    }
    checked_ = used_ + head_.take({buffer_.data() + used_, filled_ - used_});
    if (used_ < checked_) {
      *to = buffer_[used_++];
      return 1;
    }
    malformed_ = true;
    line_end_ = head_.in_first_line() ? "\r\n" : "";
  }
  if (line_end_.empty()) {
    return -1;
  }
  *to = line_end_.front();
  line_end_.remove_prefix(1);
  return 1;
}

ssize_t Connection::read_ahead(char* to, std::size_t size) {
  if (used_ == filled_) {
    if (size >= kBufferBytes) {
      const ssize_t got = receive(to, size, deadline_);
      extend_deadline(got > 0 ? static_cast<std::size_t>(got) : 0);
      return got;
    }
    const ssize_t got = fill();
    if (got <= 0) {
      return got;
    }
  }
  const std::size_t taken = std::min(size, filled_ - used_);
  std::memcpy(to, buffer_.data() + used_, taken);
  used_ += taken;
  return static_cast<ssize_t>(taken);
}

// Receives into the buffer, which is used up.
ssize_t Connection::fill() {
  buffer_.resize(kBufferBytes);
  used_ = 0;
  filled_ = 0;
  checked_ = 0;
  const ssize_t got = receive(buffer_.data(), buffer_.size(), deadline_);
  if (got > 0) {
    filled_ = static_cast<std::size_t>(got);
    extend_deadline(filled_);
  }
  return got;
}

// The time of an answer begins when the client takes no more of it, so most never look at the
// clock.
ssize_t Connection::write(const char* from, std::size_t size) {
  while (true) {
    const ssize_t put = ::send(fd(), from, size, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (put >= 0) {
      if (write_deadline_) {
        write_deadline_ =
            extended(*write_deadline_, limits_->write_timeout, static_cast<std::size_t>(put));
      }
      return put;
    }
    if (would_block(errno)) {
      if (!write_deadline_) {
        write_deadline_ = Loop::Clock::now() + limits_->write_timeout;
      }
      writable = gone;
      if (gone || !loop_->wait_writable(*this, *write_deadline_)) {
        return -1;
      }
    } else if (errno != EINTR) {
      return -1;
    }
  }
}

void Connection::linger() {
  ::shutdown(fd(), SHUT_WR);
  const auto deadline = Loop::Clock::now() + kLingerTime;
  std::array<char, kBufferBytes> dropped;
  for (std::size_t total = 0; total < kLingerBytes;) {
    const ssize_t got = receive(dropped.data(), dropped.size(), deadline);
    if (got <= 0) {
      return;
    }
    total += static_cast<std::size_t>(got);
  }
}

void Connection::get_remote_ip_and_port(std::string& ip, int& port) const {
  ip = remote_address_;
  port = remote_port_;
}

void Connection::get_local_ip_and_port(std::string& ip, int& port) const {
  ip = local_address_;
  port = local_port_;
}

}  // namespace payonce::http
