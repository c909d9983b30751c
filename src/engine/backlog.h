// engine/backlog.h: which of the tasks that the state waits for are in memory.
//
// Every pending task stands in the state under its due time (core/due.h). In memory, with the task
// sink, is what is due up to a horizon that runs ahead of the clock. Where the sink has no room,
// the horizon stands still, and what is decided beyond it is left to the state. So memory follows
// what is due soon, not what waits: a million payments that wait for a callback, or as many
// notifications for a receiver that is down, are rows.
//
// When a horizon moves, everything that has been decided before that is found in the first snapshot
// that holds the newest entry of that moment, and everything that is decided later is let through:
// each task is released once. What is due before that moment and was left behind, after a start or
// behind a full sink, is brought in by slices of limited size, oldest first.
//
// Owner: the engine. admit(), look_ahead() and take_fresh() under its decide lock; bring_in() and
// all else by one thread at a time, the checkpointer's, without that lock.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "core/due.h"
#include "core/machine.h"
#include "engine/ports.h"
#include "log/state_store.h"

namespace payonce::engine {

class Backlog {
 public:
  struct Limits {
    Duration ahead = Duration::seconds(20);  // how far a horizon runs ahead; it moves at half of it
    std::size_t slice = 5'000;               // most tasks of a class brought in at once
  };
  using Fresh = std::unordered_set<std::string>;

  Backlog(TaskSink& tasks, Limits limits) : tasks_(&tasks), limits_(limits) {}

  // Whether a task that has just been decided goes to the sink with its commit. The others are
  // brought in later.
  [[nodiscard]] bool admit(const core::Effect& effect);
  // Moves the horizons on. `newest` is the newest entry that has been decided; `now` is no later
  // than the time of any decision after this call.
  void look_ahead(const core::Machine::Position& newest, Timestamp now);
  // The tasks that were admitted since the horizons moved and that the state may show as well.
  [[nodiscard]] Fresh take_fresh();

  // The snapshot for bring_in() has to hold this entry.
  [[nodiscard]] core::Seq wanted_seq() const { return wanted_seq_; }
  // Whether there is anything to bring in.
  [[nodiscard]] bool waits() const;
  // Whether there is more to bring in for which the sink has room.
  [[nodiscard]] bool behind() const;
  // Releases what the horizons have reached, and a slice of what was left behind. The number of
  // tasks. A failed read is left in the snapshot's error().
  std::size_t bring_in(log::StateStore::Snapshot& snapshot, const Fresh& fresh);

 private:
  struct Lane {
    Timestamp horizon;  // all that is due up to it is in memory, or in one of the ranges below
    std::optional<Timestamp> ahead;  // from here to the horizon: once, in the next snapshot
    std::string next;                // keys from here to those due at `until`: by slices
    Timestamp until;                 // zero: nothing is left behind
  };

  void move(Lane& lane, Timestamp since) const;
  std::size_t bring_ahead(log::StateStore::Snapshot& snapshot, core::TaskClass task, Lane& lane,
                          const Fresh& fresh);
  std::size_t bring_slice(log::StateStore::Snapshot& snapshot, core::TaskClass task, Lane& lane);
  void remind(log::StateStore::Snapshot& snapshot);
  [[nodiscard]] Lane& lane_of(core::TaskClass task) {
    return lanes_[static_cast<std::size_t>(task)];
  }

  TaskSink* tasks_;
  Limits limits_;
  std::array<Lane, core::kTaskClasses.size()> lanes_{};
  core::Seq wanted_seq_ = 0;
  bool tracking_ = false;
  Fresh fresh_;
  bool started_ = false;
  std::optional<std::string> reminded_;  // timers up to this key have been told of
  std::vector<core::Effect> released_;   // scratch
};

}  // namespace payonce::engine
