#include "http/loop.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <new>
#include <utility>

#include "base/assert.h"

namespace payonce::http {
namespace {

constexpr int kEventsMax = 128;
constexpr std::chrono::seconds kSweep{1};

thread_local Loop* t_loop = nullptr;
thread_local void** t_local = nullptr;  // of the running fiber

}  // namespace

// A fiber as the engine sees it: something that waits and is woken. Which of its flags is set is
// known to the loop's thread alone.
class Loop::Task final : public engine::Parker {
 public:
  Task(Loop& loop, std::size_t stack_bytes) : loop_(&loop), fiber_(stack_bytes) {}

  void park() override {
    if (!permit_) {
      parked_ = true;
      fiber_.yield();
      parked_ = false;
    }
    permit_ = false;
  }
  void park_until(Clock::time_point deadline) override {
    if (permit_) {
      permit_ = false;
      return;
    }
    const auto place = loop_->timers_.emplace(deadline, this).first;
    park();
    loop_->timers_.erase(place);
  }
  void unpark() override {
    if (t_loop == loop_) {
      loop_->wake(*this);
    } else {
      loop_->mail(*this);
    }
  }
  [[nodiscard]] bool deserted() const override { return client_ != nullptr && client_->hung_up; }
  bool put_off(engine::Chore& chore) override {
    const bool only_one = loop_->chore_ == nullptr || loop_->chore_ == &chore;
    PAYONCE_ASSERT(only_one);
    loop_->chore_ = &chore;
    return true;
  }

  void begin_long_wait() override {
    --loop_->tasks_counted_;
    loop_->start_waiting();
  }
  void end_long_wait() override { ++loop_->tasks_counted_; }

 private:
  friend class Loop;
  void run() {
    set_current(this);
    t_local = &local_;
    fiber_.resume();
    t_local = nullptr;
    set_current(nullptr);
  }

  Loop* loop_;
  Fiber fiber_;
  bool parked_ = false;
  bool permit_ = false;
  bool queued_ = false;  // in ready_
  void* local_ = nullptr;
  const Socket* client_ = nullptr;  // whose peer it works for
};

Result<std::unique_ptr<Loop>> Loop::open(Options options) {
  const int epoll = ::epoll_create1(EPOLL_CLOEXEC);
  const int doorbell = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  epoll_event event{.events = EPOLLIN | EPOLLET, .data = {.ptr = nullptr}};
  if (epoll < 0 || doorbell < 0 || ::epoll_ctl(epoll, EPOLL_CTL_ADD, doorbell, &event) != 0) {
    const int code = errno;
    ::close(epoll);
    ::close(doorbell);
    return fail(Errc::kIo, std::string("cannot make an event loop: ") + std::strerror(code));
  }
  std::unique_ptr<Loop> loop(new Loop(options, epoll, doorbell));
  if (!loop->add_task()) {  // with one, every request has its turn in the end
    return fail(Errc::kIo, "cannot make an event loop: no memory for a stack");
  }
  return loop;
}

Loop::Loop(Options options, int epoll, int doorbell)
    : options_(options), epoll_(epoll), doorbell_(doorbell) {}

Loop::~Loop() {
  ::close(doorbell_);
  ::close(epoll_);
}

void Loop::run(const std::function<void(Clock::time_point)>& every_second) {
  t_loop = this;
  auto swept = Clock::now();
  while (!stopping_ || tasks_running_ > 0 || sockets_ > 0) {
    const auto now = Clock::now();
    wait_for_events(timeout_ms(now));
    take_mail();
    expire(Clock::now());
    run_ready();
    if (chore_ != nullptr) {
      if (!chore_->work()) {
        chore_ = nullptr;
      }
      run_ready();
    }
    if (now - swept >= kSweep) {
      swept = now;
      every_second(now);
    }
  }
  t_loop = nullptr;
}

int Loop::timeout_ms(Clock::time_point now) const {
  using std::chrono::milliseconds;
  if (chore_ != nullptr || !ready_.empty()) {
    return 0;
  }
  if (timers_.empty()) {
    return sockets_ == 0 ? -1 : static_cast<int>(milliseconds(kSweep).count());
  }
  const auto left = std::chrono::ceil<milliseconds>(timers_.begin()->first - now);
  return static_cast<int>(std::clamp(left, milliseconds(0), milliseconds(kSweep)).count());
}

void Loop::wait_for_events(int timeout_ms) {
  std::array<epoll_event, kEventsMax> events;
  if (timeout_ms != 0) {
    asleep_.store(true);
    const std::lock_guard lock(mail_mutex_);
    if (!mailed_tasks_.empty() || !mailed_work_.empty()) {
      timeout_ms = 0;
    }
  }
  const int count = ::epoll_wait(epoll_, events.data(), kEventsMax, timeout_ms);
  asleep_.store(false, std::memory_order_relaxed);
  for (int i = 0; i < count; ++i) {
    on_event(events[static_cast<std::size_t>(i)]);
  }
}

void Loop::on_event(const epoll_event& event) {
  auto* socket = static_cast<Socket*>(event.data.ptr);
  if (socket == nullptr) {
    std::uint64_t rings = 0;
    const ssize_t got = ::read(doorbell_, &rings, sizeof rings);
    (void)got;  // nothing to read: it was read by an earlier turn
    return;
  }
  socket->gone = socket->gone || (event.events & (EPOLLHUP | EPOLLERR)) != 0;
  socket->hung_up = socket->hung_up || socket->gone || (event.events & EPOLLRDHUP) != 0;
  socket->readable = socket->readable || socket->hung_up || (event.events & EPOLLIN) != 0;
  socket->writable = socket->writable || socket->gone || (event.events & EPOLLOUT) != 0;
  if (socket->waiter_ != nullptr) {
    socket->waiter_->unpark();
  } else if (socket->readable) {
    socket->on_ready();
    if (socket->hung_up && socket->attendant_ != nullptr) {
      socket->attendant_->unpark();
    }
  }
}

void Loop::take_mail() {
  std::vector<Task*> tasks;
  std::vector<std::function<void()>> works;
  {
    const std::lock_guard lock(mail_mutex_);
    tasks.swap(mailed_tasks_);
    works.swap(mailed_work_);
  }
  for (Task* task : tasks) {
    wake(*task);
  }
  for (const auto& work : works) {
    work();
  }
}

void Loop::expire(Clock::time_point now) {
  for (const auto& [deadline, task] : timers_) {
    if (deadline > now) {
      return;
    }
    wake(*task);  // which takes itself out of timers_ once it runs
  }
}

// Those that become ready meanwhile have their turn after the sockets.
void Loop::run_ready() {
  for (std::size_t left = ready_.size(); left > 0; --left) {
    Task* task = ready_.front();
    ready_.pop_front();
    resume(*task);
  }
}

void Loop::resume(Task& task) {
  task.queued_ = false;
  task.run();
  if (!task.fiber_.idle()) {
    return;
  }
  --tasks_running_;
  --tasks_counted_;
  idle_.push_back(&task);
  start_waiting();
}

void Loop::spawn(std::function<void()> body) {
  waiting_.push_back(std::move(body));
  start_waiting();
}

void Loop::start_waiting() {
  while (!waiting_.empty() && tasks_counted_ < options_.tasks_max) {
    if (idle_.empty() && !add_task()) {
      return;  // when one of the tasks has ended, this is tried again
    }
    std::function<void()> body = std::move(waiting_.front());
    waiting_.pop_front();
    start(std::move(body));
  }
}

// False: there is no memory for another stack.
bool Loop::add_task() {
  try {
    tasks_.push_back(std::make_unique<Task>(*this, options_.stack_bytes));
    idle_.push_back(tasks_.back().get());
    return true;
  } catch (const std::bad_alloc&) {
    return false;
  }
}

void Loop::start(std::function<void()> body) {
  Task* task = idle_.back();
  idle_.pop_back();
  ++tasks_running_;
  ++tasks_counted_;
  task->permit_ = false;
  task->local_ = nullptr;
  task->client_ = nullptr;
  task->fiber_.assign(std::move(body));
  task->queued_ = true;
  ready_.push_back(task);
}

void Loop::wake(Task& task) {
  if (task.queued_) {
    return;
  }
  task.permit_ = true;
  if (task.parked_) {
    task.queued_ = true;
    ready_.push_back(&task);
  }
}

void Loop::mail(Task& task) {
  {
    const std::lock_guard lock(mail_mutex_);
    mailed_tasks_.push_back(&task);
  }
  ring();
}

void Loop::post(std::function<void()> work) {
  {
    const std::lock_guard lock(mail_mutex_);
    mailed_work_.push_back(std::move(work));
  }
  ring();
}

void Loop::ring() {
  if (asleep_.exchange(false)) {
    const std::uint64_t one = 1;
    const ssize_t put = ::write(doorbell_, &one, sizeof one);
    (void)put;  // fails only when so many rings are unread that it will be looked at anyway
  }
}

void Loop::stop() {
  post([this] { stopping_ = true; });
}

void Loop::add(Socket& socket) {
  epoll_event event{.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data = {.ptr = &socket}};
  const int code = ::epoll_ctl(epoll_, EPOLL_CTL_ADD, socket.fd(), &event);
  if (code != 0) {
    // Out of memory in the kernel: the socket is as good as gone, and whoever reads it will see.
    socket.hung_up = true;
  }
  ++sockets_;
}

void Loop::remove(Socket& socket) {
  ::epoll_ctl(epoll_, EPOLL_CTL_DEL, socket.fd(), nullptr);
  --sockets_;
}

void Loop::yield() {
  auto& task = static_cast<Task&>(engine::Parker::current());
  task.queued_ = true;
  ready_.push_back(&task);
  task.fiber_.yield();
}

void Loop::attend(Socket& socket) {
  auto& task = static_cast<Task&>(engine::Parker::current());
  task.client_ = &socket;
  socket.attendant_ = &task;
}

void Loop::attend_no_more(Socket& socket) {
  static_cast<Task&>(engine::Parker::current()).client_ = nullptr;
  socket.attendant_ = nullptr;
}

void*& Loop::local() {
  PAYONCE_ASSERT(t_local != nullptr);
  return *t_local;
}

bool Loop::wait_for(Socket& socket, const bool Socket::*flag, Clock::time_point deadline) {
  engine::Parker& self = engine::Parker::current();
  socket.waiter_ = &self;
  while (!(socket.*flag) && Clock::now() < deadline) {
    self.park_until(deadline);
  }
  socket.waiter_ = nullptr;
  return socket.*flag;
}

bool Loop::wait_readable(Socket& socket, Clock::time_point deadline) {
  return wait_for(socket, &Socket::readable, deadline);
}

bool Loop::wait_writable(Socket& socket, Clock::time_point deadline) {
  return wait_for(socket, &Socket::writable, deadline);
}

}  // namespace payonce::http
