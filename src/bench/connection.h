// bench/connection.h: one keep-alive connection of the load generator, which never blocks.
//
// One request at a time. The generator owns it, waits for its socket with epoll (edge-triggered)
// and decides what becomes of a request whose connection broke. One thread. Failures are errno
// values; the socket is closed then.
#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <string>

#include "bench/response.h"
#include "bench/work.h"

namespace payonce::bench {

class Connection {
 public:
  enum class State : std::uint8_t { kDown, kConnecting, kIdle, kBusy };

  // `id` names it in the events of epoll.
  explicit Connection(std::uint64_t id) : id_(id) {}
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection() { close(); }

  // Begins to connect and adds the socket to `epoll`; 0 or an errno.
  int open(const sockaddr_storage& address, socklen_t length, int epoll);
  // After an event while connecting: 0 and kIdle, 0 and still kConnecting, or an errno.
  int finish_connect();
  void close();

  // Where the bytes of the next request go, while kIdle; then begin().
  [[nodiscard]] std::string& request() { return request_; }
  // Starts sending; false when the connection broke.
  [[nodiscard]] bool begin();

  // After an event while busy. kDone: response() is whole until the next begin().
  [[nodiscard]] ResponseParser::State advance();
  // After an event while idle: false when the server has closed, or talks without being asked.
  [[nodiscard]] bool still_idle();
  [[nodiscard]] const Response& response() const { return parser_.response(); }

  [[nodiscard]] State state() const { return state_; }

  // The generator's notes about the request in flight, and about when to connect again.
  Ticket ticket;
  std::uint64_t sequence = 0;
  std::int64_t due_ns = 0;
  std::int64_t sent_ns = 0;
  std::int64_t retry_ns = 0;
  bool queued = false;  // stands in the generator's queue of free connections

 private:
  [[nodiscard]] bool send_some();

  std::uint64_t id_;
  int socket_ = -1;
  State state_ = State::kDown;
  std::string request_;
  std::size_t request_sent_ = 0;
  ResponseParser parser_;
};

}  // namespace payonce::bench
