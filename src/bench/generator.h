// bench/generator.h: sends the requests of a Work over a fixed number of connections.
//
// Open loop: each request is due at a time of its own (schedule.h), whatever became of those before
// it. When no connection is free it waits in a backlog, and that waiting counts as latency. What
// the backlog has no room for is counted as not sent.
// Closed loop: as fast as the connections take them; a request that was shed is sent again after
// the time that the server asked for.
//
// One thread. Lifetime: connect() once, then any number of run(), which keep the connections. Every
// wait is bounded: by the schedule and the time-out, or by the limit of a closed loop, and a server
// that cannot be reached for kUnreachableNs ends the run.
#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "bench/connection.h"
#include "bench/options.h"
#include "bench/recorder.h"
#include "bench/schedule.h"
#include "bench/work.h"

namespace payonce::bench {

struct Pace {
  std::uint64_t rate = 0;  // per second; 0: a closed loop
  std::uint64_t count = 0;
  std::int64_t limit_ns = 0;  // a closed loop ends then at the latest, after its start
};

class Generator {
 public:
  static constexpr std::int64_t kUnreachableNs = 5 * kNsPerS;

  struct Limits {
    std::uint64_t connections = 1;
    std::uint64_t backlog_max = 1;
    std::int64_t timeout_ns = kNsPerS;
  };

  Generator(config::Endpoint target, Limits limits);
  ~Generator();
  Generator(const Generator&) = delete;
  Generator& operator=(const Generator&) = delete;

  // Opens all connections; kIo when one of them is refused, or not there in time.
  [[nodiscard]] Result<void> connect();

  // From `start_ns` on until every request has ended; each ends in the recorder exactly once.
  // kIo: the server could not be reached any more, and the rest was given up.
  [[nodiscard]] Result<void> run(Work& work, const Pace& pace, std::int64_t start_ns,
                                 Recorder& recorder);

 private:
  struct Waiting {
    std::uint64_t sequence = 0;
    std::int64_t due_ns = 0;  // closed loop: not to be sent again before
  };
  struct Ready {
    std::uint64_t id = 0;
    bool hangup = false;  // the server has closed its side
  };
  struct Run;

  void take_due(Run& run, std::int64_t now_ns);
  void send_waiting(Run& run, std::int64_t now_ns);
  void send(Run& run, Connection& connection, const Waiting& waiting, std::int64_t now_ns);
  void handle(Run& run, Connection& connection, bool hangup);
  void handle_answer(Run& run, Connection& connection, bool hangup);
  void lose(Run& run, Connection& connection, Outcome outcome, std::int64_t now_ns);
  void look_after(Run& run, std::int64_t now_ns);
  void give_up(Run& run, Outcome in_flight, std::int64_t now_ns);
  void make_free(Connection& connection);
  [[nodiscard]] Connection* take_free();
  void reopen(Connection& connection, std::int64_t now_ns);
  [[nodiscard]] Result<int> wait(std::int64_t timeout_ns);

  config::Endpoint target_;
  Limits limits_;
  sockaddr_storage address_{};
  socklen_t address_length_ = 0;
  int epoll_ = -1;
  std::vector<std::unique_ptr<Connection>> connections_;
  std::deque<Connection*> free_;  // the one that rested longest comes first
  std::uint64_t busy_ = 0;
  std::int64_t reached_ns_ = 0;  // when a connection was last seen to be up
  int last_error_ = 0;           // of connecting
  std::vector<Ready> ready_;
};

// Now, on the clock of all times here.
[[nodiscard]] std::int64_t monotonic_ns();

}  // namespace payonce::bench
