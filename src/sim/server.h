// sim/server.h: the simulated machine: its disk, and the process that dies on it and starts again.
//
// Requests come in through send(), which answers once: with what the engine says, or that the
// connection broke. Everything that the process does happens in actions of the world, so a crash
// may come between any two of them, and inside each commit. Owner: one simulation, one thread.
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <string>

#include "core/commands.h"
#include "engine/request.h"
#include "sim/disk.h"
#include "sim/life.h"
#include "sim/outside.h"
#include "sim/setup.h"
#include "sim/world.h"

namespace payonce::sim {

class Server {
 public:
  // What a request ended with: `answer` counts only after kDone. kStopped: there was nobody to ask.
  struct Reply {
    engine::Verdict verdict = engine::Verdict::kStopped;
    core::OutcomeKind kind = core::OutcomeKind::kResultStale;
    core::Answer answer;
  };
  using OnReply = std::function<void(const Reply&)>;
  struct Counts {
    std::uint64_t starts = 0;
    std::uint64_t crashes = 0;
    std::uint64_t stops = 0;
    std::uint64_t rebuilds = 0;  // of the state, after it was lost
  };

  Server(World& world, Outside& outside, const Setup& setup, std::string dir);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  void begin();  // the first start, and the faults from then on

  // `renderer` outlives the simulation.
  void send(core::Input input, core::Renderer& renderer, OnReply on_reply);
  // Told whenever the process is ready again, before it does anything.
  void set_on_start(std::function<void()> on_start) { on_start_ = std::move(on_start); }
  // A read: null while the process is down. Whatever it did may have ended the process.
  [[nodiscard]] Life* life() { return life_.get(); }
  // After each use of life(): looks after what that has brought about.
  void settle();

  void heal();  // no more faults
  [[nodiscard]] const Disk& disk() const { return disk_; }
  [[nodiscard]] const Counts& counts() const { return counts_; }

 private:
  struct Exchange {
    Exchange(core::Input input, core::Renderer& renderer, OnReply then)
        : request(std::move(input), &renderer), on_reply(std::move(then)) {}
    engine::Request request;
    OnReply on_reply;
  };

  void start();
  void bury();  // the process has died
  void crash();
  void stop_and_start();
  void answer_finished();
  static void reply_to(Exchange& done);
  void plan_turn(Duration delay);
  void plan_wake_up(Duration delay);
  void plan_checkpoint();
  void plan_faults();
  void fill_disk();
  void jump_clock();
  void spoil_state();
  void keep_old_state();
  [[nodiscard]] Duration until_next(Duration mean);

  World* world_;
  Random random_;
  Outside* outside_;
  const Setup* setup_;
  std::string dir_;
  Disk disk_;
  std::unique_ptr<Life> life_;
  std::uint64_t lives_ = 0;  // numbers them: an action planned for one does nothing in the next
  std::list<std::unique_ptr<Exchange>> open_;
  bool turn_planned_ = false;
  std::int64_t wake_up_us_ = 0;
  bool storage_low_ = false;
  Counts counts_;
  std::function<void()> on_start_ = [] {};
};

}  // namespace payonce::sim
