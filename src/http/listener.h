// http/listener.h: cpp-httplib's server on our own event loops.
//
// Private to the server, since it includes httplib.h. The library reads, routes and answers
// requests; who is accepted, when and on which thread that happens, is decided here. The library's
// own loops end for good when a connection is reset before it is accepted, spin when there are no
// descriptors, hold a thread per open connection, announce "Connection: close" after an error but
// go on to read what follows as requests, and drop what was sent ahead of the answer (pipelining).
// Threads: as many as there are loops, besides the one that accepts. Errors of accept() that pass
// are waited out; only a listening socket that is broken ends it.
#pragma once

#include <httplib.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
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
  // Told, now and then, of the errno for which no connection can be accepted for a while.
  std::function<void(int)> cannot_accept = [](int) {};
  std::size_t requests_max = 1'024;  // in progress at the same time; more wait unread
};

class Listener final : public httplib::Server {
 public:
  explicit Listener(ListenerLimits limits);
  ~Listener() override;

  // Makes the loops and starts their threads; before the library listens.
  [[nodiscard]] Result<void> open();
  // Accepts until stop_accepting(), and then does what close() does. False: the listening socket
  // is broken.
  [[nodiscard]] bool accept_until_stopped();
  // Any thread, at any time after open(); also before accept_until_stopped().
  void stop_accepting();
  bool listen_after_bind() = delete;  // the library's own way
  void stop() = delete;
  // Lets requests in progress end, closes every connection, and ends the threads.
  void close();

 private:
  class Lane;

  bool process_and_close_socket(socket_t socket) override;
  void pause(int code);

  ListenerLimits limits_;
  std::vector<std::unique_ptr<Lane>> lanes_;
  std::size_t next_lane_ = 0;  // of the accepting thread
  std::atomic<std::size_t> connections_{0};

  std::atomic<bool> ending_{false};
  std::mutex accept_mutex_;  // guards the listening socket's end, and the sleep of a pause
  std::condition_variable pause_over_;
  std::optional<std::chrono::steady_clock::time_point> told_;  // of the accepting thread
};

}  // namespace payonce::http
