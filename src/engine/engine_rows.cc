// The side of the engine that looks at rows: queries, what tasks are still wanted, and trimming
// what is in memory and in the log.
#include <algorithm>
#include <limits>
#include <utility>
#include <variant>

#include "engine/engine.h"

#include "base/planted.h"

namespace payonce::engine {
namespace {

// Rows looked at per hold of the decide lock while trimming: some tens of microseconds.
constexpr std::size_t kTrimSlice = 256;

}  // namespace

template <class Row>
std::optional<Row> Engine::find_row(core::RowTable<Row>& table, const std::string& id) {
  std::optional<Row> found(std::in_place);
  std::optional<Error> unreadable;
  core::Seq changed = 0;
  {
    const std::lock_guard lock(decide_mutex_);
    snapshot_.refresh();
    if (!table.peek(id, *found, changed)) {
      found.reset();
      // Its absence is as durable as the newest decision: nothing to wait for.
    }
    unreadable = snapshot_.error();
    snapshot_.release();
  }
  if (unreadable) {
    const std::lock_guard lock(commit_mutex_);
    fail_stop(*unreadable);
    return std::nullopt;
  }
  // Somebody may have failed to get the lock while we had it.
  see_to_it();
  if (!planted(Bug::kReadUncommitted) && !wait_durable(changed)) {
    return std::nullopt;
  }
  return found;
}

std::optional<core::Payment> Engine::find_payment(const std::string& id) {
  return find_row(rows_.payments, id);
}

std::optional<core::Account> Engine::find_account(const std::string& id) {
  return find_row(rows_.accounts, id);
}

std::optional<core::KeyRecord> Engine::find_key(const std::string& key) {
  return find_row(rows_.keys, key);
}

std::optional<core::FraudCheck> Engine::find_fraud(const std::string& id) {
  return find_row(rows_.frauds, id);
}

std::optional<core::Refund> Engine::find_refund(const std::string& id) {
  return find_row(rows_.refunds, id);
}

Engine::EventCounts Engine::event_counts() const {
  EventCounts counts{};
  for (std::size_t i = 0; i < counts.size(); ++i) {
    counts[i] = event_counts_[i].load(std::memory_order_relaxed);
  }
  return counts;
}

std::vector<bool> Engine::wanted(std::span<const core::Effect> effects) {
  std::vector<bool> answers;
  answers.reserve(effects.size());
  {
    const std::lock_guard lock(decide_mutex_);
    snapshot_.refresh();
    for (const core::Effect& effect : effects) {
      const bool waits =
          std::visit([&](const auto& task) { return wanted_by(effect, task); }, effect);
      // After a failed read nothing is known; the next decision sees the error and stops.
      answers.push_back(waits && !snapshot_.error());
    }
    snapshot_.release();
  }
  see_to_it();  // somebody may have failed to get the lock while we had it
  return answers;
}

bool Engine::wanted_by(const core::Effect& effect, const core::WorkflowEnded& /*task*/) {
  return core::wanted(effect, static_cast<const core::Payment*>(nullptr));
}

bool Engine::wanted_by(const core::Effect& effect, const core::CheckFraud& task) {
  return core::wanted(effect, rows_.frauds.find(task.fraud_id));
}

bool Engine::wanted_by(const core::Effect& effect, const core::RefundAtGateway& task) {
  return core::wanted(effect, rows_.refunds.find(task.refund_id));
}

bool Engine::wanted_by(const core::Effect& effect, const core::StartTimer& task) {
  return task.kind == core::StreamKind::kFraud ? core::wanted(effect, rows_.frauds.find(task.id))
                                               : core::wanted(effect, rows_.payments.find(task.id));
}

void Engine::note_progress() {
  const std::lock_guard lock(sleepers_mutex_);
  for (Parker* sleeper : sleepers_) {
    sleeper->unpark();
  }
}

bool Engine::wait_durable(core::Seq seq) {
  if (durable_.load() >= seq) {
    return true;
  }
  Parker& self = Parker::current();
  {
    const std::lock_guard lock(sleepers_mutex_);
    sleepers_.push_back(&self);
  }
  readers_.fetch_add(1);
  see_to_it();
  while (durable_.load() < seq && !failed()) {
    self.park();
  }
  readers_.fetch_sub(1);
  const std::lock_guard lock(sleepers_mutex_);
  sleepers_.erase(std::ranges::find(sleepers_, &self));
  return durable_.load() >= seq;
}

Result<std::size_t> Engine::bring_in() {
  std::optional<Backlog::Fresh> fresh;
  auto state = [&] {
    // The view is taken under the lock, as all are that are held beside it.
    const std::lock_guard lock(decide_mutex_);
    backlog_.look_ahead(machine_.position(), parts_.clock.now());
    auto view = parts_.state.snapshot();
    if (view && backlog_.waits() && view->applied_seq() >= backlog_.wanted_seq()) {
      fresh = backlog_.take_fresh();
    }
    return view;
  }();
  if (due()) {  // somebody may have failed to get the lock while we had it
    kick();
  }
  if (!state) {
    return std::unexpected(state.error());
  }
  rows_due_.store(state->count(core::Index::kGatewayDue) + state->count(core::Index::kFraudDue),
                  std::memory_order_relaxed);
  const std::size_t tasks = fresh ? backlog_.bring_in(*state, *fresh) : 0;
  if (const auto& error = state->error()) {
    return std::unexpected(*error);
  }
  return tasks;
}

void Engine::trim(core::Seq applied) {
  applied += planted(Bug::kTrimmedTooEarly) ? 20 : 0;
  const auto trim_table = [&](auto& table) {
    std::size_t left = std::numeric_limits<std::size_t>::max();
    while (left > 0) {
      {
        const std::lock_guard lock(decide_mutex_);
        left = std::min(left, table.size());
        left -= table.trim(applied, std::min(left, kTrimSlice));
        rows_count_.store(rows_.size(), std::memory_order_relaxed);
      }
      // Somebody may have failed to get the lock while we had it.
      see_to_it();
    }
  };
  trim_table(rows_.payments);
  trim_table(rows_.transfers);
  trim_table(rows_.accounts);
  trim_table(rows_.keys);
  trim_table(rows_.frauds);
  trim_table(rows_.refunds);
}

void Engine::drop_history() {
  {
    const std::unique_lock lock(commit_mutex_, std::try_to_lock);
    if (!lock.owns_lock() || failed()) {
      return;
    }
    if (auto dropped = parts_.log.append({}, durable_.load()); !dropped) {
      fail_stop(dropped.error());
    }
  }
  if (something_left()) {  // somebody may have failed to get the lock while we had it
    kick();
  }
}

}  // namespace payonce::engine
