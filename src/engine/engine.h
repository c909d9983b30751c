// engine/engine.h: inbox → decide → commit → release. The only room that knows that order.
//
// The engine is a role, not a thread. Whoever submits a command puts it into the inbox (lock-free)
// and then tries to do what is to be done: decide what is in the inbox (under the decide lock), and
// commit what has been decided (under the commit lock). While one thread syncs a batch, others
// decide the next one into the open batch; so a batch is as large as what arrived during one sync,
// and never waits on a timer. A thread of the HTTP server does so once for all requests that it
// has at hand (parker.h: Chore). Any other submitter whose own command is done does not go on
// working for others: it hands what is left to the engine's own thread. So does, after one commit,
// who only posts or reads: under load there is always a next batch, and a task's worker has its own
// queue to serve. Results of tasks for which no client waits are patient: they go along with the
// next commit, and the engine's thread makes one for them if none comes (Limits::patience).
//
// Laws kept here: nothing is answered, shown or released before the commit of everything it depends
// on; after a failed commit nothing is done any more (fail-stop), since what reached the disk is
// then unknown; time never runs backwards in the log.
//
// Lock order: commit, then decide. Threads: all public functions from any thread, except where
// said.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <limits>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <variant>
#include <vector>

#include <concurrentqueue/concurrentqueue.h>

#include "core/machine.h"
#include "engine/backlog.h"
#include "engine/parker.h"
#include "engine/ports.h"
#include "engine/request.h"
#include "engine/waiters.h"
#include "log/log_store.h"
#include "log/state_store.h"

namespace payonce::engine {

struct Limits {
  std::size_t inbox_max = 65'536;  // commands not yet decided; clients' ones are refused above
  std::size_t batch_max = 1024;    // commands per commit
  // How long the results of tasks may wait for a commit that has to be made anyway, as long as no
  // client waits for any workflow. A client's command never waits.
  std::chrono::microseconds patience{0};
  // Calls to the gateway and fraud checks that may wait; above it no new workflow is accepted.
  std::size_t open_max = std::numeric_limits<std::size_t>::max();
  Backlog::Limits backlog = {};
};

class Engine final : private Chore {
 public:
  // What the engine works on; all of it outlives the engine. `on_failure` is called once, by the
  // thread that saw the failure, and is expected to end the process.
  struct Parts {
    log::LogStore& log;
    log::StateStore& state;
    Clock& clock;
    TaskSink& tasks;
    std::function<void(const Error&)> on_failure;
  };

  Engine(Parts parts, core::Machine::Position position, log::StateStore::Snapshot snapshot,
         Limits limits);
  ~Engine() override;
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  // Releases what is due soon according to the state (which must hold the whole log), then accepts
  // commands. Once, before anything else. The number of tasks; there may be more to bring in.
  [[nodiscard]] Result<std::size_t> recover();
  // Releases tasks that have waited in the state and are due soon; by the checkpointer's thread.
  [[nodiscard]] Result<std::size_t> bring_in();
  // The state has to hold this entry before bring_in() can go on; 0: nothing is awaited.
  [[nodiscard]] core::Seq awaited_seq() const {
    return backlog_.waits() ? backlog_.wanted_seq() : 0;
  }
  // Whether tasks wait to be brought in, now or when the sink has room for them.
  [[nodiscard]] bool waits() const { return backlog_.waits(); }
  // Whether calling bring_in() again would do more at once.
  [[nodiscard]] bool behind() const { return backlog_.behind(); }
  void start();  // the engine's own thread
  // Refuses new commands from clients from now on; results of tasks are still taken.
  void stop_accepting();
  // Commits what is left and ends the engine's thread. After it nothing may be submitted.
  void stop();

  // Carries a client's command to its durable answer; blocks. See Request for lifetime.
  [[nodiscard]] Verdict execute(Request& request);
  // For whoever drives the engine on one thread, without start(): submit() puts the command in, or
  // says why it is refused; turn() decides what is there or commits what has been decided, and the
  // request has its verdict after some of them. True: there is more to do.
  [[nodiscard]] std::optional<Verdict> submit(Request& request);
  bool turn();
  // Takes a result from a task; nobody waits for it. Never refused while the engine runs.
  void post(core::Command command);
  // The same for several, which may be patient.
  void post_all(std::vector<core::Command> commands);

  // Copies of rows as of now; returns only when all that they show is durable. After a failure they
  // are nothing: whoever tells a client that there is no such row looks at failed() first.
  [[nodiscard]] std::optional<core::Payment> find_payment(const std::string& id);
  [[nodiscard]] std::optional<core::Account> find_account(const std::string& id);
  [[nodiscard]] std::optional<core::KeyRecord> find_key(const std::string& key);
  [[nodiscard]] std::optional<core::FraudCheck> find_fraud(const std::string& id);
  [[nodiscard]] std::optional<core::Refund> find_refund(const std::string& id);

  // Whether the state still waits for each of these tasks: asked right before they are run. A task
  // that is not wanted is dropped, which is right even if what made it so is not durable yet:
  // either that becomes durable, or this process ends and recovery releases the task again.
  [[nodiscard]] std::vector<bool> wanted(std::span<const core::Effect> effects);
  [[nodiscard]] bool wanted(const core::Effect& effect) {
    return wanted(std::span(&effect, 1)).front();
  }

  [[nodiscard]] Waiters& waiters() { return waiters_; }
  [[nodiscard]] core::Seq durable_seq() const { return durable_.load(std::memory_order_acquire); }
  [[nodiscard]] bool failed() const { return failed_.load(std::memory_order_acquire); }
  [[nodiscard]] bool accepting() const { return accepting_.load(std::memory_order_acquire); }
  [[nodiscard]] std::size_t rows_in_memory() const {
    return rows_count_.load(std::memory_order_relaxed);
  }

  // How many events of each type this process has decided, by place in core::Event.
  using EventCounts = std::array<std::uint64_t, std::variant_size_v<core::Event>>;
  [[nodiscard]] EventCounts event_counts() const;

  // Set by whoever watches the disk: below the watermark clients' commands are refused.
  void set_storage_low(bool low) { storage_low_.store(low, std::memory_order_release); }
  // Drops from memory what the checkpoint at `applied` holds; a few rows at a time, so that
  // decisions are not held up.
  void trim(core::Seq applied);
  // A commit that only drops what the log may drop: for when there are too few others. Does nothing
  // while somebody else commits, who drops some as well.
  void drop_history();

 private:
  // A batch that is being filled, or being committed.
  struct Open {
    log::Batch batch;
    std::vector<Request*> requests;
    std::vector<core::Effect> effects;
    std::vector<core::Effect> later;  // left to the state
  };

  [[nodiscard]] std::optional<Verdict> refusal(const Request& request) const;
  void enqueue(Request* request);
  [[nodiscard]] static Request* detached(core::Command command);
  void drive(const Request* own);
  bool work() override;
  void see_to_it();
  bool try_decide();
  bool try_commit();
  void decide_inbox();
  void decide_one(Request* request, Timestamp now);
  void commit_open();
  void answer(Open& batch);
  void release(Open& batch);
  void finish(Request* request, Verdict verdict);
  void fail_stop(const Error& error);
  void abandon();
  [[nodiscard]] bool something_left() const { return pending_.load() > 0 || open_size_.load() > 0; }
  [[nodiscard]] bool due() const;
  void kick();  // hands what is due over to the engine's thread
  void wake();
  void run();
  void sleep();
  template <class Row>
  std::optional<Row> find_row(core::RowTable<Row>& table, const std::string& id);
  // The row that a task is for says whether it is wanted; called under the decide lock.
  [[nodiscard]] static bool wanted_by(const core::Effect& effect, const core::WorkflowEnded& task);
  [[nodiscard]] bool wanted_by(const core::Effect& effect, const core::CheckFraud& task);
  [[nodiscard]] bool wanted_by(const core::Effect& effect, const core::RefundAtGateway& task);
  [[nodiscard]] bool wanted_by(const core::Effect& effect, const core::StartTimer& task);
  template <class PaymentTask>
  [[nodiscard]] bool wanted_by(const core::Effect& effect, const PaymentTask& task) {
    return core::wanted(effect, rows_.payments.find(task.payment_id));
  }
  void note_progress();
  [[nodiscard]] bool wait_durable(core::Seq seq);  // false: it never will be known to be

  Parts parts_;
  Limits limits_;
  Waiters waiters_;

  moodycamel::ConcurrentQueue<Request*> inbox_;
  // In the inbox. Below zero for a moment when a command is taken out before it has been counted.
  std::atomic<std::int64_t> pending_{0};
  std::atomic<std::int64_t> prompt_{0};   // those in the inbox or in a batch that are not patient
  std::atomic<std::int64_t> readers_{0};  // that wait for something to become durable
  std::atomic<bool> accepting_{false};
  std::atomic<bool> storage_low_{false};
  std::atomic<bool> failed_{false};
  std::atomic<core::Seq> durable_{0};
  std::mutex sleepers_mutex_;
  std::vector<Parker*> sleepers_;  // who waits for durable_ or failed_ to change
  std::atomic<std::size_t> rows_count_{0};
  std::array<std::atomic<std::uint64_t>, std::variant_size_v<core::Event>> event_counts_{};

  std::atomic<std::size_t> rows_due_{0};  // calls and checks that wait, as of a checkpoint
  // Guards the machine, its rows and snapshot, open_ and produced_, and admission to the backlog.
  std::mutex decide_mutex_;
  Backlog backlog_;
  log::StateStore::Snapshot snapshot_;
  core::Rows rows_;
  core::Machine machine_;
  core::Produced produced_;
  Open open_;
  std::atomic<std::size_t> open_size_{0};  // requests and entries in open_

  std::mutex commit_mutex_;  // guards committing_ and the right to append to the log
  Open committing_;

  std::atomic<Parker*> own_{nullptr};  // of the engine's thread
  std::atomic<bool> asleep_{false};
  std::atomic<bool> kicked_{false};  // handed something over
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

}  // namespace payonce::engine
