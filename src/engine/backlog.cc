#include "engine/backlog.h"

#include <algorithm>
#include <utility>

#include "base/planted.h"

namespace payonce::engine {
namespace {

using core::TaskClass;
using log::StateStore;

constexpr Duration kTick{1};

// Tasks handed to the sink at once.
constexpr std::size_t kHandful = 1'024;

template <class Row>
void append_pending(StateStore::Snapshot& snapshot, std::string_view id,
                    std::vector<core::Effect>& out) {
  Row row;
  if (snapshot.load(id, row)) {
    core::append_pending_effects(row, out);
  }
}

// Appends the tasks that stand under this key of the class's index.
void append_due(StateStore::Snapshot& snapshot, TaskClass task, const core::DueKey& key,
                std::vector<core::Effect>& out) {
  std::vector<core::Effect> all;
  switch (key.kind) {
    case core::StreamKind::kPayment:
      append_pending<core::Payment>(snapshot, key.id, all);
      break;
    case core::StreamKind::kFraud:
      append_pending<core::FraudCheck>(snapshot, key.id, all);
      break;
    case core::StreamKind::kRefund:
      append_pending<core::Refund>(snapshot, key.id, all);
      break;
    case core::StreamKind::kLog:
    case core::StreamKind::kAccount:
    case core::StreamKind::kIdempotency:
      break;
  }
  for (core::Effect& effect : all) {
    if (core::task_class(effect) == task && core::due_of(effect) == key.at) {
      out.push_back(std::move(effect));
    }
  }
}

// The smallest key that is greater.
std::string after(std::string_view key) { return std::string(key) + '\0'; }

}  // namespace

bool Backlog::admit(const core::Effect& effect) {
  const auto task = core::task_class(effect);
  if (!task) {
    return true;
  }
  const Lane& lane = lane_of(*task);
  const Timestamp due = core::due_of(effect);
  if (due > lane.horizon) {
    return false;
  }
  if (tracking_ && lane.ahead && due >= *lane.ahead) {
    fresh_.insert(core::task_identity(effect));
  }
  return true;
}

void Backlog::look_ahead(const core::Machine::Position& newest, Timestamp now) {
  if (tracking_) {
    return;  // the horizons have moved, and what they have reached is still to be brought in
  }
  // All that is decided from now on is due then or later: the clock never runs backwards.
  const Timestamp since = std::max(newest.last_time, now);
  for (const TaskClass task : core::kTaskClasses) {
    Lane& lane = lane_of(task);
    const bool soon = lane.horizon < now + Duration{limits_.ahead.us / 2};
    const bool late = lane.horizon < since;
    // What was left behind is one range: while it is not brought in, no second one may begin.
    if (soon && tasks_->room(task) > 0 && (!late || lane.until.us == 0)) {
      move(lane, since);
      tracking_ = true;
    }
  }
  if (tracking_) {
    wanted_seq_ = newest.last_seq;
  }
  if (!started_) {
    started_ = true;
    if (planted(Bug::kTimerLostAtStart) || planted(Bug::kCallLostAtStart)) {
      Lane& lane =
          lane_of(planted(Bug::kTimerLostAtStart) ? TaskClass::kTimer : TaskClass::kGateway);
      lane.until = {};
      lane.ahead.reset();
    }
    if (tasks_->wants_later()) {
      reminded_ = core::due_from(lane_of(TaskClass::kTimer).horizon + kTick);
    }
  }
}

void Backlog::move(Lane& lane, Timestamp since) const {
  if (lane.horizon < since) {
    lane.next = core::due_from(lane.horizon + kTick);
    lane.until = since;
  }
  lane.ahead = std::max(lane.horizon + kTick, since);
  if (planted(Bug::kTaskLostAtHorizon)) {
    lane.ahead = *lane.ahead + Duration::seconds(1);
  }
  lane.horizon = since + limits_.ahead;
}

Backlog::Fresh Backlog::take_fresh() {
  tracking_ = false;
  return std::exchange(fresh_, {});
}

bool Backlog::waits() const {
  return reminded_ || std::ranges::any_of(lanes_, [](const Lane& lane) {
           return lane.ahead || lane.until.us != 0;
         });
}

bool Backlog::behind() const {
  return reminded_ || std::ranges::any_of(core::kTaskClasses, [&](TaskClass task) {
           const Lane& lane = lanes_[static_cast<std::size_t>(task)];
           return lane.until.us != 0 && tasks_->room(task) > 0;
         });
}

std::size_t Backlog::bring_in(StateStore::Snapshot& snapshot, const Fresh& fresh) {
  std::size_t count = 0;
  for (const TaskClass task : core::kTaskClasses) {
    Lane& lane = lane_of(task);
    if (lane.ahead) {
      count += bring_ahead(snapshot, task, lane, fresh);
    }
    if (lane.until.us != 0) {
      count += bring_slice(snapshot, task, lane);
    }
  }
  if (reminded_) {
    remind(snapshot);
  }
  return count;
}

std::size_t Backlog::bring_ahead(StateStore::Snapshot& snapshot, TaskClass task, Lane& lane,
                                 const Fresh& fresh) {
  std::size_t count = 0;
  const auto hand_over = [&] {
    std::erase_if(released_, [&](const core::Effect& effect) {
      return !fresh.empty() && fresh.contains(core::task_identity(effect));
    });
    count += released_.size();
    tasks_->release_all(released_);
  };
  snapshot.oldest_from(core::index_of(task), core::due_from(*lane.ahead),
                       [&](std::string_view key, std::string_view /*value*/) {
                         const auto due = core::parse_due_key(key);
                         if (!due || due->at > lane.horizon) {
                           return false;
                         }
                         append_due(snapshot, task, *due, released_);
                         if (released_.size() >= kHandful) {
                           hand_over();
                         }
                         return !snapshot.error();
                       });
  hand_over();
  lane.ahead.reset();
  return count;
}

std::size_t Backlog::bring_slice(StateStore::Snapshot& snapshot, TaskClass task, Lane& lane) {
  std::size_t left = std::min(limits_.slice, tasks_->room(task));
  if (left == 0) {
    return 0;
  }
  bool more = false;
  snapshot.oldest_from(core::index_of(task), lane.next,
                       [&](std::string_view key, std::string_view /*value*/) {
                         const auto due = core::parse_due_key(key);
                         if (!due || due->at >= lane.until) {
                           return false;
                         }
                         if (left == 0) {
                           more = true;
                           return false;
                         }
                         append_due(snapshot, task, *due, released_);
                         lane.next = after(key);
                         --left;
                         return !snapshot.error();
                       });
  if (!more) {
    lane.until = {};
  }
  const std::size_t count = released_.size();
  tasks_->release_all(released_);
  return count;
}

// Who listens for timers that are due later is told of those from before the start.
void Backlog::remind(StateStore::Snapshot& snapshot) {
  std::size_t left = limits_.slice;
  std::vector<core::Effect> timers;
  snapshot.oldest_from(core::index_of(TaskClass::kTimer), *reminded_,
                       [&](std::string_view key, std::string_view /*value*/) {
                         if (const auto due = core::parse_due_key(key)) {
                           append_due(snapshot, TaskClass::kTimer, *due, timers);
                           reminded_ = after(key);
                         }
                         return --left > 0 && !snapshot.error();
                       });
  for (const core::Effect& timer : timers) {
    tasks_->later(timer);
  }
  if (left > 0) {
    reminded_.reset();
  }
}

}  // namespace payonce::engine
