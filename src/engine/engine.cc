#include "engine/engine.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "base/assert.h"
#include "base/planted.h"
#include "log/codec.h"
#include "observe/thread_name.h"

namespace payonce::engine {
namespace {

// As many patient commands are worth a commit of their own.
constexpr std::int64_t kPatientMax = 256;

bool starts_workflow(const core::Command& command) {
  return std::holds_alternative<core::CreatePayment>(command) ||
         std::holds_alternative<core::CreateRefund>(command);
}

// What brings accepted work nearer to its end has room where new work has none.
bool finishes_work(const core::Command& command) {
  return std::holds_alternative<core::CancelPayment>(command) ||
         std::holds_alternative<core::RecordCallback>(command) ||
         std::holds_alternative<core::DecideFraud>(command) ||
         std::holds_alternative<core::RetryCompensation>(command);
}

}  // namespace

Engine::Engine(Parts parts, core::Machine::Position position, log::StateStore::Snapshot snapshot,
               Limits limits)
    : parts_(std::move(parts)),
      limits_(limits),
      durable_(position.last_seq),
      backlog_(parts_.tasks, limits_.backlog),
      snapshot_(std::move(snapshot)),
      rows_(snapshot_, nullptr),
      machine_(rows_, position) {
  snapshot_.release();  // whoever reads takes the newest view
}

Engine::~Engine() { stop(); }

Result<std::size_t> Engine::recover() {
  auto tasks = bring_in();
  if (tasks) {
    accepting_.store(true, std::memory_order_release);
  }
  return tasks;
}

void Engine::start() {
  thread_ = std::thread([this] { run(); });
}

void Engine::stop_accepting() {
  accepting_.store(false, std::memory_order_release);
  waiters_.wake_all();
}

void Engine::stop() {
  stop_accepting();
  stopping_.store(true);
  kick();
  if (thread_.joinable()) {
    thread_.join();
  }
  // Who holds a lock meanwhile, such as a trim, lets go of it soon and may leave the rest to us.
  while (something_left() && !failed()) {
    drive(nullptr);
    std::this_thread::yield();
  }
}

std::optional<Verdict> Engine::refusal(const Request& request) const {
  if (failed()) {
    return Verdict::kStopped;
  }
  // Recording the answer to work that was accepted is finishing, not new work.
  if (std::holds_alternative<core::CompleteKey>(request.input.command)) {
    return std::nullopt;
  }
  if (!accepting_.load(std::memory_order_acquire)) {
    return Verdict::kStopped;
  }
  if (storage_low_.load(std::memory_order_acquire) && !finishes_work(request.input.command)) {
    return Verdict::kStorageFull;
  }
  if (pending_.load(std::memory_order_relaxed) >= static_cast<std::int64_t>(limits_.inbox_max)) {
    return Verdict::kOverloaded;
  }
  if (starts_workflow(request.input.command) &&
      (parts_.tasks.saturated() || rows_due_.load(std::memory_order_relaxed) >= limits_.open_max)) {
    return Verdict::kOverloaded;
  }
  return std::nullopt;
}

Verdict Engine::execute(Request& request) {
  if (const auto refused = submit(request)) {
    return *refused;
  }
  if (!request.waiter_->put_off(*this)) {
    drive(&request);
  }
  return request.wait();
}

std::optional<Verdict> Engine::submit(Request& request) {
  const auto refused = refusal(request);
  if (!refused) {
    request.waiter_ = &Parker::current();
    enqueue(&request);
  }
  return refused;
}

// One step at a time, so that others see what lies between deciding and committing.
bool Engine::turn() {
  if (failed()) {
    abandon();
    return false;
  }
  if (!try_decide()) {
    static_cast<void>(try_commit());
  }
  return something_left() && !failed();
}

Request* Engine::detached(core::Command command) {
  auto* request = new Request(core::Input{std::move(command), std::nullopt}, nullptr);
  request->detached_ = true;
  return request;
}

void Engine::post(core::Command command) {
  enqueue(detached(std::move(command)));
  see_to_it();  // without the request: whoever decides it may have deleted it by now
}

void Engine::post_all(std::vector<core::Command> commands) {
  const bool patient = limits_.patience.count() > 0;
  for (core::Command& command : commands) {
    Request* request = detached(std::move(command));
    request->patient_ = patient;
    enqueue(request);
  }
  see_to_it();
  if (patient && asleep_.load()) {
    wake();
  }
}

// Whether somebody has to decide and commit now. Too many are as good as one that is not patient.
bool Engine::due() const {
  return something_left() &&
         (stopping_.load() || prompt_.load() > 0 || readers_.load() > 0 || waiters_.any() ||
          pending_.load() + static_cast<std::int64_t>(open_size_.load()) >= kPatientMax);
}

// The element is in the queue before pending_ counts it, and both orderings are sequentially
// consistent with the locks' try_lock below: so either the thread that holds a lock sees the count
// after it let go, or we get the lock ourselves. Nothing stays in the inbox unseen.
void Engine::enqueue(Request* request) {
  if (!request->patient_) {
    prompt_.fetch_add(1);
  }
  const bool queued = inbox_.enqueue(request);
  PAYONCE_ASSERT(queued);  // fails only when memory is exhausted
  pending_.fetch_add(1);
}

void Engine::drive(const Request* own) {
  while (true) {
    if (failed()) {
      abandon();
      return;
    }
    const bool decided = try_decide();
    const bool committed = try_commit();
    if (!decided && !committed) {
      return;
    }
    const bool done = own == nullptr ? committed : own->verdict() != Verdict::kWaiting;
    // Once the engine's thread is about to end there is nobody to hand the rest to.
    if (done && !stopping_.load()) {
      if (due()) {
        kick();
      }
      return;
    }
  }
}

// One round for a thread that has more to do than to wait. Who finds a lock taken need not come
// back: its holder looks again once it has let go.
bool Engine::work() {
  if (failed()) {
    abandon();
    return false;
  }
  const bool decided = try_decide();
  const bool committed = try_commit();
  return (decided || committed) && due();
}

// Makes sure that what waits in the inbox or in the open batch is looked at, by us or by others.
void Engine::see_to_it() {
  if (due() && !Parker::current().put_off(*this)) {
    drive(nullptr);
  }
}

bool Engine::try_decide() {
  if (pending_.load() <= 0 || open_size_.load() >= limits_.batch_max) {
    return false;
  }
  const std::unique_lock lock(decide_mutex_, std::try_to_lock);
  if (!lock.owns_lock()) {
    return false;
  }
  decide_inbox();
  return true;
}

bool Engine::try_commit() {
  if (open_size_.load() == 0) {
    return false;
  }
  const std::unique_lock lock(commit_mutex_, std::try_to_lock);
  if (!lock.owns_lock()) {
    return false;
  }
  commit_open();
  return true;
}

void Engine::decide_inbox() {
  snapshot_.refresh();
  const Timestamp now = parts_.clock.now();
  while (open_.requests.size() < limits_.batch_max) {
    Request* request = nullptr;
    if (!inbox_.try_dequeue(request)) {
      break;
    }
    pending_.fetch_sub(1);
    decide_one(request, now);
  }
  snapshot_.release();
  rows_count_.store(rows_.size(), std::memory_order_relaxed);
  open_size_.store(open_.requests.size());
}

void Engine::decide_one(Request* request, Timestamp now) {
  produced_.records.clear();
  produced_.effects.clear();
  const core::Outcome outcome =
      machine_.handle(request->input, now, request->renderer, request->answer, produced_);
  request->kind = outcome.kind;
  // An outcome from rows that could not be read goes to commit_open(), which refuses the batch.
  if (produced_.records.empty() && outcome.depends_on <= durable_.load() && !snapshot_.error()) {
    finish(request, Verdict::kDone);
    return;
  }
  for (const core::Record& record : produced_.records) {
    event_counts_[record.event.index()].fetch_add(1, std::memory_order_relaxed);
    log::encode_record(record, machine_.position().salt, open_.batch.bytes);
    open_.batch.ends.push_back(open_.batch.bytes.size());
  }
  for (core::Effect& effect : produced_.effects) {
    if (planted(Bug::kEffectBeforeCommit) && core::task_class(effect)) {
      parts_.tasks.release(std::move(effect));
    } else if (backlog_.admit(effect)) {
      open_.effects.push_back(std::move(effect));
    } else if (parts_.tasks.wants_later()) {
      open_.later.push_back(std::move(effect));
    }
  }
  open_.requests.push_back(request);
}

void Engine::commit_open() {
  std::optional<Error> unreadable;
  {
    const std::lock_guard lock(decide_mutex_);
    std::swap(open_, committing_);
    open_size_.store(0);
    unreadable = snapshot_.error();
  }
  if (failed()) {
    for (Request* request : committing_.requests) {
      finish(request, Verdict::kIndeterminate);
    }
    committing_.requests.clear();
    return;
  }
  // What was decided on rows that could not be read must not reach the log.
  if (unreadable) {
    fail_stop(*unreadable);
    return;
  }
  if (!committing_.batch.empty()) {
    const core::Seq before = durable_.load();
    if (planted(Bug::kReplyBeforeCommit)) {
      answer(committing_);
    }
    auto appended = parts_.log.append(committing_.batch, before);
    if (!appended && planted(Bug::kCommitTriedAgain)) {
      appended = parts_.log.append(committing_.batch, before);
    }
    if (!appended) {
      fail_stop(appended.error());
      return;
    }
    durable_.store(before + committing_.batch.size());
    note_progress();
  }
  release(committing_);
}

// They may not be touched once they are finished.
void Engine::answer(Open& batch) {
  for (Request* request : batch.requests) {
    finish(request, Verdict::kDone);
  }
  batch.requests.clear();
}

void Engine::release(Open& batch) {
  answer(batch);  // first: somebody waits for it
  std::erase_if(batch.effects, [&](const core::Effect& effect) {
    const auto* ended = std::get_if<core::WorkflowEnded>(&effect);
    if (ended != nullptr) {
      const bool key = ended->kind == core::StreamKind::kIdempotency;
      waiters_.notify(key ? Waiters::key_id(ended->id) : ended->id);
    }
    return ended != nullptr;
  });
  parts_.tasks.release_all(batch.effects);
  for (const core::Effect& effect : batch.later) {
    parts_.tasks.later(effect);
  }
  batch.later.clear();
  batch.batch.clear();
}

void Engine::finish(Request* request, Verdict verdict) {
  if (!request->patient_) {
    prompt_.fetch_sub(1);
  }
  if (request->detached_) {
    delete request;
  } else {
    request->finish(verdict);
  }
}

void Engine::fail_stop(const Error& error) {
  if (failed_.exchange(true)) {
    return;
  }
  parts_.on_failure(error);  // in the server this does not return
  for (Request* request : committing_.requests) {
    finish(request, Verdict::kIndeterminate);
  }
  committing_.requests.clear();
  note_progress();
  waiters_.wake_all();
  abandon();
}

void Engine::abandon() {
  Request* request = nullptr;
  while (inbox_.try_dequeue(request)) {
    pending_.fetch_sub(1);
    finish(request, Verdict::kStopped);
  }
  std::vector<Request*> decided;
  {
    const std::lock_guard lock(decide_mutex_);
    decided.swap(open_.requests);
    open_size_.store(0);
  }
  for (Request* left : decided) {
    finish(left, Verdict::kIndeterminate);
  }
}

void Engine::kick() {
  kicked_.store(true);
  wake();
}

void Engine::wake() {
  if (Parker* const own = own_.load()) {
    own->unpark();
  }
}

void Engine::run() {
  observe::name_thread("engine");
  own_.store(&Parker::current());  // before the first look: who saw none has left work to be seen
  while (true) {
    // Who saw stopping_ false has handed over what is left before this round; who sees it true
    // hands nothing over any more.
    const bool last = stopping_.load();
    drive(nullptr);
    if (last) {
      return;
    }
    sleep();
  }
}

// Returns when there may be something to drive: somebody handed it over, or what is patient has
// waited long enough without a commit by others. Such a commit may have left the newest of it
// behind, and what is due while others hold the locks is theirs.
void Engine::sleep() {
  Parker& own = Parker::current();
  const bool patient = limits_.patience.count() > 0;
  while (!kicked_.exchange(false) && !stopping_.load()) {
    if (patient && something_left()) {
      const core::Seq before = durable_.load();
      own.park_until(Parker::Clock::now() + limits_.patience);
      if (durable_.load() == before && something_left()) {
        return;
      }
    } else {
      asleep_.store(true);
      if (!(patient && something_left()) && !kicked_.load() && !stopping_.load()) {
        own.park();
      }
      asleep_.store(false);
    }
  }
}

}  // namespace payonce::engine
