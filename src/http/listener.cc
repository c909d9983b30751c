#include "http/listener.h"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <string>

namespace payonce::http {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

// How soon an idle connection notices that the server is stopping.
constexpr milliseconds kStopCheck{200};
// After an error the client may still be sending. Closing at once would reset the connection and
// with it the answer, so what still comes is read and dropped, within these bounds.
constexpr milliseconds kLingerTime{500};
constexpr std::size_t kLingerBytes = std::size_t{1} << 20;

// True while the answer that was just written promised to keep the connection.
thread_local bool t_keep_connection = true;

bool readable_within(socket_t socket, milliseconds at_most) {
  pollfd waiting{.fd = socket, .events = POLLIN, .revents = 0};
  return ::poll(&waiting, 1, static_cast<int>(at_most.count())) > 0;
}

void linger(socket_t socket) {
  ::shutdown(socket, SHUT_WR);
  const auto deadline = steady_clock::now() + kLingerTime;
  std::array<char, 4096> dropped{};
  for (std::size_t total = 0; total < kLingerBytes;) {
    const auto left = std::chrono::duration_cast<milliseconds>(deadline - steady_clock::now());
    if (left.count() <= 0 || !readable_within(socket, left)) {
      return;
    }
    const ssize_t size = ::recv(socket, dropped.data(), dropped.size(), MSG_DONTWAIT);
    if (size <= 0) {
      return;
    }
    total += static_cast<std::size_t>(size);
  }
}

}  // namespace

void Listener::close_after_answer() { t_keep_connection = false; }

bool Listener::wait_for_request(socket_t socket) const {
  const auto deadline = steady_clock::now() + std::chrono::seconds(keep_alive_timeout_sec_);
  while (svr_sock_ != INVALID_SOCKET) {
    const auto left = std::chrono::duration_cast<milliseconds>(deadline - steady_clock::now());
    if (left.count() <= 0) {
      return false;
    }
    if (readable_within(socket, std::min(left, kStopCheck))) {
      return true;
    }
  }
  return false;
}

bool Listener::process_and_close_socket(socket_t socket) {
  namespace detail = httplib::detail;
  std::string remote_address;
  int remote_port = 0;
  detail::get_remote_ip_and_port(socket, remote_address, remote_port);
  std::string local_address;
  int local_port = 0;
  detail::get_local_ip_and_port(socket, local_address, local_port);

  // One stream for the whole connection: it buffers what was read ahead of the current request.
  detail::SocketStream stream(socket, read_timeout_sec_, read_timeout_usec_, write_timeout_sec_,
                              write_timeout_usec_);
  bool good = false;
  bool closed = false;
  t_keep_connection = true;
  for (std::size_t left = keep_alive_max_count_; left > 0 && !closed; --left) {
    if (!stream.is_readable() && !wait_for_request(socket)) {
      break;
    }
    good = process_request(stream, remote_address, remote_port, local_address, local_port,
                           left == 1, closed, nullptr);
    closed = closed || !good || !t_keep_connection;
  }
  if (!t_keep_connection) {
    linger(socket);
  }
  detail::shutdown_socket(socket);
  detail::close_socket(socket);
  return good;
}

}  // namespace payonce::http
