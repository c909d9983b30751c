// http/listener.h: cpp-httplib's server on our own event loops.
//
// Private to the server, since it includes httplib.h. The library accepts connections, and reads,
// routes and answers requests; when and on which thread is decided here. Its own loop holds a
// thread per open connection, announces "Connection: close" after an error but goes on to read what
// follows as requests, and drops bytes that a client sent ahead of the answer (pipelining).
// Threads: as many as there are loops, besides the one that accepts.
#pragma once

#include <httplib.h>

#include <atomic>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "http/connection.h"
#include "http/loop.h"

namespace payonce::http {

struct ListenerLimits {
  ConnectionLimits connection;
  std::size_t threads = 4;
  std::size_t connections_max = 10'000;  // open at the same time; more are turned away
  // The whole answer to a connection too many, whose request is not read.
  std::function<std::string()> turned_away = [] { return std::string(); };
  std::size_t requests_max = 1'024;  // in progress at the same time; more wait unread
};

class Listener final : public httplib::Server {
 public:
  explicit Listener(ListenerLimits limits);
  ~Listener() override;

  // Makes the loops and starts their threads; before the library listens.
  [[nodiscard]] Result<void> open();
  // Lets requests in progress end, closes every connection, and ends the threads.
  void close();

 private:
  class Lane;
  class Handoff;

  bool process_and_close_socket(socket_t socket) override;

  ListenerLimits limits_;
  std::vector<std::unique_ptr<Lane>> lanes_;
  std::size_t next_lane_ = 0;  // of the accepting thread
  std::atomic<std::size_t> connections_{0};
};

}  // namespace payonce::http
