// http/loop.h: one thread that serves many sockets: an event loop over epoll, and fibers for what
// is in progress.
//
// A socket without a request costs its entry here, not a thread and not a stack. Code in a fiber is
// written as if it could block: waiting for a socket, for the engine or for a deadline parks the
// fiber, and the thread goes on with others. Code that does block (reading the disk, a long
// computation) stops every socket of the loop, and has no place here.
//
// A turn of the loop: what epoll reports, then all fibers that can go on, then the chore that they
// left (engine/parker.h): so one commit serves all requests of a turn. Threads: run() in one;
// post() and unpark() from any; everything else on the loop's own thread. Bounds: `tasks_max`
// fibers, not counting those in a long wait (engine/parker.h), whose number is bounded by who
// permits it; more work waits in order.
#pragma once

#include <sys/epoll.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <utility>
#include <vector>

#include "base/result.h"
#include "engine/parker.h"
#include "http/fiber.h"

namespace payonce::http {

class Loop {
 public:
  using Clock = engine::Parker::Clock;

  struct Options {
    std::size_t tasks_max = 1024;
    std::size_t stack_bytes = kFiberStackBytes;
  };

  // A socket of the loop. What epoll said last, edge by edge; whoever meets EAGAIN takes it back.
  class Socket {
   public:
    explicit Socket(int fd) : fd_(fd) {}
    virtual ~Socket() = default;
    Socket(const Socket&) = delete;
    Socket& operator=(const Socket&) = delete;

    [[nodiscard]] int fd() const { return fd_; }

   protected:
    // There is something to read, or the peer has gone, while no fiber waits for that.
    virtual void on_ready() = 0;

    bool readable = false;
    bool writable = false;
    bool hung_up = false;  // the peer sends no more: reading always answers at once
    bool gone = false;     // nor does it take anything any more

   private:
    friend class Loop;
    int fd_;
    engine::Parker* waiter_ = nullptr;
    engine::Parker* attendant_ = nullptr;  // who works for the peer
  };

  [[nodiscard]] static Result<std::unique_ptr<Loop>> open(Options options);
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  // Runs until stop() and the end of the last task and socket. `every_second` is called about as
  // often, while there are sockets.
  void run(const std::function<void(Clock::time_point)>& every_second);
  // Work for the loop's thread, outside of fibers; short.
  void post(std::function<void()> work);
  void stop();

  void add(Socket& socket);
  void remove(Socket& socket);  // before it is closed
  // Runs `body` in a fiber, as soon as one is free. It must not throw.
  void spawn(std::function<void()> body);

  // In a fiber: waits until the socket is readable (or writable). False: not before the deadline.
  [[nodiscard]] bool wait_readable(Socket& socket, Clock::time_point deadline);
  [[nodiscard]] bool wait_writable(Socket& socket, Clock::time_point deadline);

  // In a fiber: lets everything else have its turn.
  void yield();
  // In a fiber: it works for the socket's peer from now on, and no more. What it waits for in the
  // peer's name has no purpose once the peer has hung up (engine/parker.h).
  static void attend(Socket& socket);
  static void attend_no_more(Socket& socket);
  // In a fiber: a pointer of its own, null when its body starts.
  [[nodiscard]] static void*& local();

 private:
  class Task;
  using Timer = std::pair<Clock::time_point, Task*>;

  Loop(Options options, int epoll, int doorbell);
  bool wait_for(Socket& socket, const bool Socket::*flag, Clock::time_point deadline);
  [[nodiscard]] int timeout_ms(Clock::time_point now) const;
  void wait_for_events(int timeout_ms);
  void on_event(const epoll_event& event);
  void take_mail();
  void expire(Clock::time_point now);
  void run_ready();
  void resume(Task& task);
  void start(std::function<void()> body);
  void start_waiting();
  [[nodiscard]] bool add_task();
  void wake(Task& task);
  void mail(Task& task);
  void ring();

  Options options_;
  int epoll_;
  int doorbell_;  // an eventfd: something has come by mail
  std::atomic<bool> asleep_{false};
  std::size_t sockets_ = 0;
  std::size_t tasks_running_ = 0;
  std::size_t tasks_counted_ = 0;             // of these, those that are not in a long wait
  std::vector<std::unique_ptr<Task>> tasks_;  // all that were ever needed at the same time
  std::vector<Task*> idle_;
  std::deque<std::function<void()>> waiting_;  // for a task
  std::deque<Task*> ready_;
  std::set<Timer> timers_;
  engine::Chore* chore_ = nullptr;
  bool stopping_ = false;

  std::mutex mail_mutex_;
  std::vector<Task*> mailed_tasks_;
  std::vector<std::function<void()>> mailed_work_;
};

}  // namespace payonce::http
