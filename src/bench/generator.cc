#include "bench/generator.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <system_error>

namespace payonce::bench {
namespace {

constexpr std::int64_t kConnectTimeoutNs = 5 * kNsPerS;
constexpr std::int64_t kReconnectNs = 100 * kNsPerMs;
constexpr std::int64_t kLookAfterNs = 50 * kNsPerMs;
constexpr std::size_t kEventsMax = 256;

std::string text_of(int error) { return std::generic_category().message(error); }

socklen_t to_address(const config::Endpoint& endpoint, sockaddr_storage& out) {
  auto* v4 = reinterpret_cast<sockaddr_in*>(&out);
  if (::inet_pton(AF_INET, endpoint.host.c_str(), &v4->sin_addr) == 1) {
    v4->sin_family = AF_INET;
    v4->sin_port = htons(endpoint.port);
    return sizeof *v4;
  }
  auto* v6 = reinterpret_cast<sockaddr_in6*>(&out);
  if (::inet_pton(AF_INET6, endpoint.host.c_str(), &v6->sin6_addr) == 1) {
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(endpoint.port);
    return sizeof *v6;
  }
  return 0;
}

}  // namespace

std::int64_t monotonic_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

// One call of run().
struct Generator::Run {
  Work* work;
  Recorder* recorder;
  Schedule schedule;
  bool open_loop;
  std::int64_t ends_ns;  // what has not ended then is given up
  std::uint64_t next = 0;
  std::deque<Waiting> backlog;
  std::deque<Waiting> again;  // closed loop: shed, to be sent again, in the order of time
  std::int64_t look_after_ns = 0;
  bool unreachable = false;

  [[nodiscard]] bool finished(std::uint64_t busy) const {
    return next == schedule.count() && backlog.empty() && again.empty() && busy == 0;
  }
};

Generator::Generator(config::Endpoint target, Limits limits)
    : target_(std::move(target)), limits_(limits) {
  for (std::uint64_t i = 0; i < limits_.connections; ++i) {
    connections_.push_back(std::make_unique<Connection>(i));
  }
}

Generator::~Generator() {
  if (epoll_ >= 0) {
    ::close(epoll_);
  }
}

Result<int> Generator::wait(std::int64_t timeout_ns) {
  std::array<epoll_event, kEventsMax> events;
  const timespec timeout{.tv_sec = timeout_ns / kNsPerS, .tv_nsec = timeout_ns % kNsPerS};
  const int count = ::epoll_pwait2(epoll_, events.data(), kEventsMax, &timeout, nullptr);
  if (count < 0 && errno != EINTR) {
    return fail(Errc::kIo, "epoll_pwait2: " + text_of(errno));
  }
  ready_.clear();
  for (int i = 0; i < count; ++i) {
    const epoll_event& event = events[static_cast<std::size_t>(i)];
    ready_.push_back({event.data.u64, (event.events & (EPOLLRDHUP | EPOLLHUP)) != 0});
  }
  return count;
}

Result<void> Generator::connect() {
  address_length_ = to_address(target_, address_);
  epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
  if (address_length_ == 0 || epoll_ < 0) {
    return fail(Errc::kIo, "cannot connect to " + config::to_string(target_));
  }
  const auto refuse = [&](const std::string& why) {
    return fail(Errc::kIo, "cannot connect to " + config::to_string(target_) + ": " + why);
  };
  for (const auto& connection : connections_) {
    if (const int error = connection->open(address_, address_length_, epoll_)) {
      return refuse(text_of(error));
    }
  }
  const std::int64_t deadline = monotonic_ns() + kConnectTimeoutNs;
  while (free_.size() < connections_.size()) {
    const std::int64_t left = deadline - monotonic_ns();
    if (left <= 0) {
      return refuse("no connection within 5 s");
    }
    if (const auto waited = wait(left); !waited) {
      return std::unexpected(waited.error());
    }
    for (const Ready& ready : ready_) {
      Connection& connection = *connections_[ready.id];
      if (connection.state() != Connection::State::kConnecting) {
        continue;
      }
      if (const int error = connection.finish_connect()) {
        return refuse(text_of(error));
      }
      if (connection.state() == Connection::State::kIdle) {
        make_free(connection);
      }
    }
  }
  return {};
}

void Generator::make_free(Connection& connection) {
  if (!connection.queued) {
    connection.queued = true;
    free_.push_back(&connection);
  }
}

Connection* Generator::take_free() {
  while (!free_.empty()) {
    Connection* connection = free_.front();
    free_.pop_front();
    connection->queued = false;
    if (connection->state() == Connection::State::kIdle) {
      return connection;
    }
  }
  return nullptr;
}

void Generator::reopen(Connection& connection, std::int64_t now_ns) {
  connection.retry_ns = now_ns + kReconnectNs;
  if (const int error = connection.open(address_, address_length_, epoll_)) {
    last_error_ = error;
  }
}

void Generator::take_due(Run& run, std::int64_t now_ns) {
  if (!run.open_loop) {
    return;
  }
  while (run.next < run.schedule.count()) {
    const std::int64_t due_ns = run.schedule.time_of(run.next);
    if (due_ns > now_ns) {
      return;
    }
    run.recorder->due(due_ns, now_ns);
    if (run.backlog.size() < limits_.backlog_max) {
      run.backlog.push_back({run.next, due_ns});
    } else {
      run.recorder->failed(due_ns, Outcome::kNotSent);
    }
    ++run.next;
  }
}

void Generator::send_waiting(Run& run, std::int64_t now_ns) {
  while (true) {
    const bool repeat = !run.again.empty() && run.again.front().due_ns <= now_ns;
    const bool fresh = !run.open_loop && run.next < run.schedule.count();
    if (run.backlog.empty() && !repeat && !fresh) {
      return;
    }
    Connection* connection = take_free();
    if (connection == nullptr) {
      return;
    }
    if (!run.backlog.empty()) {
      const Waiting waiting = run.backlog.front();
      run.backlog.pop_front();
      send(run, *connection, waiting, now_ns);
    } else if (repeat) {
      const Waiting waiting{run.again.front().sequence, now_ns};
      run.again.pop_front();
      run.recorder->due(now_ns, now_ns);
      send(run, *connection, waiting, now_ns);
    } else {
      run.recorder->due(now_ns, now_ns);
      send(run, *connection, {run.next++, now_ns}, now_ns);
    }
  }
}

void Generator::send(Run& run, Connection& connection, const Waiting& waiting,
                     std::int64_t now_ns) {
  connection.request().clear();
  connection.ticket = run.work->write(waiting.sequence, connection.request());
  connection.sequence = waiting.sequence;
  connection.due_ns = waiting.due_ns;
  connection.sent_ns = now_ns;
  ++busy_;
  run.recorder->sent();
  if (!connection.begin()) {
    lose(run, connection, Outcome::kSocketError, now_ns);
  }
}

void Generator::lose(Run& run, Connection& connection, Outcome outcome, std::int64_t now_ns) {
  --busy_;
  run.recorder->failed(connection.due_ns, outcome);
  run.work->lost(connection.ticket);
  reopen(connection, now_ns);
}

void Generator::handle_answer(Run& run, Connection& connection, bool hangup) {
  const std::int64_t now_ns = monotonic_ns();
  const Response& response = connection.response();
  const Judgement judgement = run.work->judge(connection.ticket, response);
  --busy_;
  run.recorder->answered(connection.due_ns, now_ns, judgement.outcome);
  if (judgement.outcome == Outcome::kWrong) {
    run.recorder->sample(response, judgement.complaint);
  }
  if (judgement.outcome == Outcome::kShed && !run.open_loop) {
    run.again.push_back({connection.sequence, now_ns + response.retry_after_s * kNsPerS});
  }
  if (response.keep_alive && !hangup) {
    make_free(connection);
  } else {
    reopen(connection, now_ns);
  }
}

void Generator::handle(Run& run, Connection& connection, bool hangup) {
  switch (connection.state()) {
    case Connection::State::kDown:
      return;  // an event from before it was closed
    case Connection::State::kConnecting:
      if (const int error = connection.finish_connect()) {
        last_error_ = error;
      } else if (connection.state() == Connection::State::kIdle) {
        make_free(connection);
      }
      return;
    case Connection::State::kIdle:
      // Closed, or turned away: not again at once, or a full server would be asked without end.
      if (!connection.still_idle()) {
        connection.close();
        connection.retry_ns = monotonic_ns() + kReconnectNs;
      }
      return;
    case Connection::State::kBusy:
      switch (connection.advance()) {
        case ResponseParser::State::kMore:
          return;
        case ResponseParser::State::kDone:
          handle_answer(run, connection, hangup);
          return;
        case ResponseParser::State::kBroken:
          lose(run, connection, Outcome::kSocketError, monotonic_ns());
          return;
      }
  }
}

// Time-outs, connections that are down, and whether the server is there at all.
void Generator::look_after(Run& run, std::int64_t now_ns) {
  run.look_after_ns = now_ns + kLookAfterNs;
  for (const auto& one : connections_) {
    Connection& connection = *one;
    if (connection.state() == Connection::State::kBusy &&
        now_ns - connection.sent_ns > limits_.timeout_ns) {
      lose(run, connection, Outcome::kTimeout, now_ns);
    } else if (connection.state() == Connection::State::kDown && now_ns >= connection.retry_ns) {
      reopen(connection, now_ns);
    }
    if (connection.state() == Connection::State::kIdle ||
        connection.state() == Connection::State::kBusy) {
      reached_ns_ = now_ns;
    }
  }
  run.unreachable = now_ns - reached_ns_ > kUnreachableNs;
}

void Generator::give_up(Run& run, Outcome in_flight, std::int64_t now_ns) {
  run.recorder->give_up(now_ns);
  for (const auto& connection : connections_) {
    if (connection->state() == Connection::State::kBusy) {
      lose(run, *connection, in_flight, now_ns);
    }
  }
  for (const Waiting& waiting : run.backlog) {
    run.recorder->failed(waiting.due_ns, Outcome::kNotSent);
  }
  for (std::size_t i = 0; i < run.again.size(); ++i) {
    run.recorder->failed(now_ns, Outcome::kNotSent);
  }
  for (; run.next < run.schedule.count(); ++run.next) {
    run.recorder->failed(run.open_loop ? run.schedule.time_of(run.next) : now_ns,
                         Outcome::kNotSent);
  }
}

Result<void> Generator::run(Work& work, const Pace& pace, std::int64_t start_ns,
                            Recorder& recorder) {
  const Schedule schedule(start_ns, std::max<std::uint64_t>(1, pace.rate), pace.count);
  Run run{.work = &work,
          .recorder = &recorder,
          .schedule = schedule,
          .open_loop = pace.rate > 0,
          .ends_ns = pace.rate > 0 ? schedule.time_of(pace.count) + limits_.timeout_ns
                                   : start_ns + pace.limit_ns,
          .backlog = {},
          .again = {}};
  reached_ns_ = monotonic_ns();
  while (!run.finished(busy_)) {
    const std::int64_t now_ns = monotonic_ns();
    take_due(run, now_ns);
    send_waiting(run, now_ns);
    if (now_ns >= run.look_after_ns) {
      look_after(run, now_ns);
    }
    recorder.tick(now_ns, run.backlog.size(), busy_);
    if (now_ns > run.ends_ns || run.unreachable) {
      give_up(run, Outcome::kTimeout, now_ns);
      break;
    }
    std::int64_t until_ns = run.look_after_ns;
    if (run.open_loop && run.next < schedule.count()) {
      until_ns = std::min(until_ns, schedule.time_of(run.next));
    }
    // The time moves on while requests are sent; what is due meanwhile does not wait for a sleep.
    const auto waited = wait(std::max<std::int64_t>(0, until_ns - monotonic_ns()));
    if (!waited) {
      give_up(run, Outcome::kTimeout, now_ns);
      return std::unexpected(waited.error());
    }
    for (const Ready& ready : ready_) {
      handle(run, *connections_[ready.id], ready.hangup);
    }
  }
  recorder.finish(monotonic_ns());
  if (run.unreachable) {
    return fail(Errc::kIo, config::to_string(target_) +
                               " has not been reachable for 5 s: " + text_of(last_error_));
  }
  return {};
}

}  // namespace payonce::bench
