// sim/life.h: one life of the server's process, from its start to its crash or stop.
//
// The parts are the server's own: engine, scheduler, checkpointer, retention, state store. Only
// their surroundings are simulated, and instead of threads whoever owns this calls turn().
// Owner: sim/server.h; one thread. Lifetime: destroying it is the process dying; cut the disk off
// before, unless the process was stopped in order.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/result.h"
#include "engine/checkpointer.h"
#include "engine/engine.h"
#include "engine/log_clock.h"
#include "engine/retention.h"
#include "log/state_store.h"
#include "sim/disk.h"
#include "sim/outside.h"
#include "sim/setup.h"
#include "sim/world.h"
#include "tasks/scheduler.h"

namespace payonce::sim {

class Life {
 public:
  struct Place {
    World& world;
    Disk& disk;
    Outside& outside;
    const Setup& setup;
    std::string state_dir;
    std::function<bool()> storage_low;
    std::function<void()> on_result;  // a call has ended: there is something to do
  };

  // What `payonce serve` does from opening the data directory to being ready.
  [[nodiscard]] static Result<std::unique_ptr<Life>> start(const Place& place);
  ~Life();
  Life(const Life&) = delete;
  Life& operator=(const Life&) = delete;

  // One round of everything that wants to run. True: there is more to do at once.
  bool turn();
  void checkpoint() { checkpointer_->turn(); }
  [[nodiscard]] bool checkpoint_due() const;
  // How long until a task that is held back is due.
  [[nodiscard]] std::optional<Duration> next_due() { return scheduler_.next_due(); }
  // Ends in order: no more tasks, no more commands, the last checkpoint.
  void stop();

  [[nodiscard]] engine::Engine& engine() { return *engine_; }
  [[nodiscard]] log::StateStore& state() { return *state_; }
  [[nodiscard]] core::Seq applied() const { return checkpointer_->applied(); }
  [[nodiscard]] std::uint64_t salt() const { return position_.salt; }
  [[nodiscard]] bool failed() const { return failed_; }

 private:
  explicit Life(const Place& place, core::Machine::Position position);
  [[nodiscard]] Result<void> begin();
  void add_queues();
  void repeat_later(const core::Command& result);
  void add_calls(core::TaskClass task, std::string name);

  Place place_;
  Random random_;
  core::Machine::Position position_;
  engine::LogClock clock_;
  tasks::Scheduler scheduler_;
  std::unique_ptr<log::StateStore> state_;
  std::optional<engine::Engine> engine_;
  std::optional<engine::Retention> retention_;
  std::optional<engine::Checkpointer> checkpointer_;
  bool failed_ = false;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  // for what outlives this
};

}  // namespace payonce::sim
