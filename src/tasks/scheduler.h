// tasks/scheduler.h: named task queues, each with its own bounded worker pool, and the timer that
// holds back what is due later.
//
// A task is a call to the outside that some workflow's state waits for. The scheduler only knows
// when and where to run it; that it is pending is recorded in the log, so whatever is lost here
// with the process is released again by recovery. A waiting task holds no worker.
//
// One charge, one call: tasks about the same charge (its call, inquiries, voids, refunds) never run
// at the same time, and the result of one is in the engine's inbox before the next one starts. A
// task that the state does not wait for any more is dropped at the moment when it would run. So a
// void never overtakes the call that it is to undo, and no call is made after it.
//
// Two kinds of queues. With an Activity, each of its workers runs one task after the other: for
// what answers at once, or may hold a thread. With a Call, one worker, the queue's conductor,
// starts up to calls_max calls and waits for none of them; what has come to its end meanwhile is
// posted together (conductor.cc). A call that waits there holds no thread either.
//
// Order: a ConcurrentQueue is FIFO per producer only, and nothing here relies on more: order is
// given by the engine's sequence. Bounds: `ready_max` tasks of a queue are ready to run; more wait,
// with the delayed ones, in order of their due time. Of a queue with a `memory_max` the engine
// leaves in the state what finds no room; above `pending_max` of the others together, saturated()
// asks it to accept no new workflows (results and retries of accepted ones still come through).
// Threads: release() and all else from any thread.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <queue>
#include <span>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include <concurrentqueue/blockingconcurrentqueue.h>

#include "core/commands.h"
#include "core/due.h"
#include "core/outcome.h"
#include "engine/ports.h"

namespace payonce::tasks {

// Runs one task and says what became of it. Called by a worker; may block; must not throw. A result
// that is not known must not be made up: nothing is returned when the task was cut short because
// the process ends, and recovery releases it again.
using Activity = std::function<std::optional<core::Command>(const core::Effect& task)>;

// Starts one task. `done` is called exactly once, with what an activity would return: from any
// thread, also by the call itself. Neither may block or throw; the conductor does what takes time.
using Done = std::function<void(std::optional<core::Command>)>;
using Call = std::function<void(const core::Effect& task, Done done)>;

// The queues' semaphore may spin before it sleeps; with workers that wait most of the time on two
// cores that only takes time from those who have work.
struct QueueTraits : moodycamel::ConcurrentQueueDefaultTraits {
  static const int MAX_SEMA_SPINS = 0;  // NOLINT(readability-identifier-naming): the library's name
};

struct QueueOptions {
  std::string name;
  core::TaskClass takes = core::TaskClass::kGateway;
  std::size_t workers = 1;
  std::size_t ready_max = 65'536;
  // Tasks in memory above which there is no room for more. None: they count towards pending_max.
  std::optional<std::size_t> memory_max = std::nullopt;
  // Tasks that a worker takes at once, and whose results it hands back together. Above 1 only where
  // no task waits for anything, or those behind it would wait as well.
  std::size_t batch_max = 1;
  // Of a queue with a Call, which needs neither of workers and batch_max: calls in flight.
  std::size_t calls_max = 1'024;
};

struct QueueStats {
  std::string name;
  core::TaskClass takes = core::TaskClass::kGateway;
  std::size_t waiting = 0;  // ready, held back, or behind another task about the same charge
  std::size_t running = 0;
  std::uint64_t completed = 0;  // results that were posted
  // How long the oldest ready task has waited, at most: counted from when its predecessor became
  // ready. 0 when none is ready.
  std::chrono::milliseconds oldest_age{0};
};

class Scheduler final : public engine::TaskSink {
 public:
  using Post = std::function<void(std::vector<core::Command>)>;  // gives results to the engine
  // Which tasks the state still waits for; asked right before they are run.
  using Wanted = std::function<std::vector<bool>(std::span<const core::Effect>)>;

  Scheduler(engine::Clock& clock, std::size_t pending_max);
  ~Scheduler() override;
  Scheduler(const Scheduler&) = delete;
  Scheduler& operator=(const Scheduler&) = delete;

  // Both before start(). Every class of tasks needs a queue before one is released.
  void add_queue(QueueOptions options, Activity activity);
  void add_queue(QueueOptions options, Call call);
  void set_post(Post post) { post_ = std::move(post); }
  void set_wanted(Wanted wanted) { wanted_ = std::move(wanted); }
  void start();
  // Lets running tasks finish, all calls in flight included, and drops waiting ones, which the log
  // remembers. Whoever carries calls out has to end them soon.
  void stop();

  // For whoever drives it on one thread, without start(): one round of every queue. True: some task
  // was run or dropped, or some call was started or has ended.
  bool turn();
  // How long until a task that is held back can run; nothing if there is none, or no room for it.
  [[nodiscard]] std::optional<Duration> next_due();

  void release(core::Effect effect) override;
  void release_all(std::vector<core::Effect>& effects) override;
  [[nodiscard]] std::size_t room(core::TaskClass task) const override;
  [[nodiscard]] bool saturated() const override {
    return pending_.load(std::memory_order_relaxed) >= pending_max_;
  }
  [[nodiscard]] std::vector<QueueStats> stats() const;

 private:
  struct Held {
    Timestamp due;
    std::uint64_t order;  // breaks ties: first released, first run
    core::Effect task;
  };
  struct LaterFirst {
    bool operator()(const Held& a, const Held& b) const {
      return a.due != b.due ? a.due > b.due : a.order > b.order;
    }
  };
  struct Ready {
    core::Effect task;
    Timestamp since;
    bool has_turn = false;  // the task before it has passed it the turn of its charge
  };
  struct Ended {
    std::string charge;
    std::optional<core::Command> result;
  };
  struct Queue {
    QueueOptions options;
    Activity activity;  // either this
    Call call;          // or this
    moodycamel::BlockingConcurrentQueue<Ready, QueueTraits> ready;
    std::atomic<std::size_t> ready_count{0};
    // True while tasks that are due wait in `held` for room: newer ones then queue behind them.
    std::atomic<bool> backlogged{false};
    std::atomic<std::int64_t> last_since_us{0};  // of the task that was last taken
    std::atomic<std::size_t> running{0};
    std::atomic<std::uint64_t> completed{0};
    std::vector<Held> held;  // a heap by LaterFirst; guarded by timer_mutex_
    std::atomic<std::size_t> held_count{0};
    std::mutex busy_mutex;
    // Charges whose turn is taken, and the tasks that wait for it; guarded by busy_mutex.
    std::unordered_map<std::string, std::deque<core::Effect>> busy;
    std::atomic<std::size_t> behind{0};  // tasks in `busy`
    std::vector<std::thread> workers;

    // Of a queue with a call. The first two are the conductor's own.
    std::deque<Ready> taken;  // from `ready` and not started; ready_count still counts them
    std::size_t in_flight = 0;
    std::mutex ended_mutex;
    std::vector<Ended> ended;  // calls that have come to their end; guarded by ended_mutex

    [[nodiscard]] bool counted() const { return !options.memory_max; }
    [[nodiscard]] std::size_t waiting() const {
      return ready_count.load() + behind.load() + held_count.load();
    }
  };

  [[nodiscard]] Queue* queue_of(core::TaskClass task) const;  // null: no queue takes it
  void make_ready(Queue& queue, Timestamp now, core::Effect task, bool has_turn = false);
  void hold_back(Queue& queue, Timestamp now, Timestamp due, core::Effect task);
  // The room of `count` ready tasks that are started now, the last of them ready since then.
  void leave_ready(Queue& queue, std::size_t count, Timestamp since);
  void work(Queue& queue);
  void work_on(Queue& queue, std::vector<Ready>& batch);
  void release_at(Timestamp now, core::Effect effect);
  void run(Queue& queue, std::vector<Ready>& batch);
  void perform(Queue& queue, std::span<const core::Effect> tasks);
  [[nodiscard]] std::vector<bool> ask_wanted(std::span<const core::Effect> tasks) const;

  void conduct(Queue& queue);
  static void take(Queue& queue, std::span<Ready> batch);
  void begin(Queue& queue);
  void begin_calls(Queue& queue, std::span<const core::Effect> tasks,
                   std::vector<std::string> charges);
  static void end(Queue& queue, Ended ended);
  void settle(Queue& queue);

  // The charge that a task is about; empty for tasks that are about none.
  [[nodiscard]] static std::string charge_of(const core::Effect& task);
  // Takes the turn of the task's charge; false: another task has it, and will pass it on to this.
  [[nodiscard]] static bool take_turn(Queue& queue, const std::string& charge, Ready& ready);
  void pass_turn(Queue& queue, const std::string& charge);
  void run_timer();
  [[nodiscard]] std::chrono::microseconds promote(Timestamp now);

  engine::Clock* clock_;
  std::size_t pending_max_;
  Post post_;
  Wanted wanted_;
  std::vector<std::unique_ptr<Queue>> queues_;
  std::atomic<std::size_t> pending_{0};  // waiting or running, in all queues
  std::atomic<bool> stopping_{false};

  mutable std::mutex timer_mutex_;
  std::condition_variable timer_wake_;
  std::uint64_t next_order_ = 0;
  bool poked_ = false;
  std::thread timer_;
};

}  // namespace payonce::tasks
