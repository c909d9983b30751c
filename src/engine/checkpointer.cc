#include "engine/checkpointer.h"

#include <algorithm>
#include <utility>

#include "log/checkpoint.h"
#include "observe/thread_name.h"

namespace payonce::engine {
namespace {

// How often the thread looks whether so many entries have come that a checkpoint is due early.
constexpr std::chrono::milliseconds kPace{20};

// How often it makes a commit that only drops history, at most.
constexpr std::chrono::milliseconds kDrop{20};

// How often it looks for tasks that are due soon: well within the time that they are ahead.
constexpr std::chrono::milliseconds kLook{2'000};

}  // namespace

Checkpointer::Checkpointer(Parts parts, CheckpointPolicy policy, core::Seq applied)
    : parts_(std::move(parts)), policy_(policy), applied_(applied) {}

Checkpointer::~Checkpointer() { stop(); }

void Checkpointer::start() {
  thread_ = std::thread([this] { run(); });
}

void Checkpointer::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) {
    thread_.join();
  }
}

bool Checkpointer::wait_applied(core::Seq seq) {
  std::unique_lock lock(mutex_);
  if (applied_ < seq) {
    wanted_ = std::max(wanted_, seq);
    wake_.notify_all();
    applied_changed_.wait(lock, [&] { return applied_ >= seq || failed_ || stopped_; });
  }
  return applied_ >= seq;
}

void Checkpointer::turn() {
  round();
  bring_in();
}

core::Seq Checkpointer::applied() const {
  const std::lock_guard lock(mutex_);
  return applied_;
}

bool Checkpointer::due() const {
  return stopping_ || wanted_ > applied_ ||
         parts_.engine.durable_seq() - applied_ >= policy_.events ||
         parts_.engine.rows_in_memory() > policy_.rows_max;
}

void Checkpointer::run() {
  observe::name_thread("checkpoint");
  auto last = std::chrono::steady_clock::now();
  auto looked = last;
  std::unique_lock lock(mutex_);
  while (!failed_) {
    const auto tick = std::min(kPace, policy_.interval);
    const auto deadline = last + policy_.interval;
    while (!due() && !failed_ && std::chrono::steady_clock::now() < deadline) {
      // While nothing happens there is nothing to look at: an idle server sleeps long.
      const bool behind = parts_.engine.behind();
      const bool idle = parts_.engine.durable_seq() == applied_ && !parts_.engine.waits();
      wake_.wait_for(lock, idle ? std::min(kLook, policy_.interval) : tick);
      const auto now = std::chrono::steady_clock::now();
      if ((behind || now - looked >= kLook) && !stopping_) {
        lock.unlock();
        bring_in();
        looked = now;
        lock.lock();
      }
    }
    const bool last_round = stopping_;
    lock.unlock();
    round();
    if (!last_round) {
      bring_in();
    }
    last = std::chrono::steady_clock::now();
    looked = last;
    lock.lock();
    if (last_round) {
      stopped_ = true;
      applied_changed_.notify_all();
      return;
    }
  }
}

void Checkpointer::round() {
  if (parts_.storage_low) {
    parts_.engine.set_storage_low(parts_.storage_low());
  }
  if (parts_.engine.failed()) {
    const std::lock_guard lock(mutex_);
    failed_ = true;
    applied_changed_.notify_all();
    return;
  }
  if (catch_up()) {
    retain();
  }
}

bool Checkpointer::catch_up() {
  core::Seq before = 0;
  {
    const std::lock_guard lock(mutex_);
    before = applied_;
  }
  if (parts_.engine.durable_seq() > before) {
    const auto done = log::catch_up(parts_.log, parts_.state, parts_.salt, policy_.slice_events);
    if (!done) {
      give_up(done.error());
      return false;
    }
    const std::lock_guard lock(mutex_);
    applied_ = done->applied;
    before = applied_;
    applied_changed_.notify_all();
  }
  parts_.engine.trim(before);
  return true;
}

void Checkpointer::retain() {
  if (parts_.retention == nullptr) {
    return;
  }
  core::Seq applied = 0;
  {
    const std::lock_guard lock(mutex_);
    applied = applied_;
  }
  const auto behind = parts_.retention->round(applied);
  if (!behind) {
    give_up(behind.error());
  } else if (const auto now = parts_.steady(); *behind && now - dropped_ >= kDrop) {
    dropped_ = now;
    parts_.engine.drop_history();
  }
}

void Checkpointer::give_up(const Error& error) {
  {
    const std::lock_guard lock(mutex_);
    failed_ = true;
    applied_changed_.notify_all();
  }
  parts_.on_failure(error);
}

// Tasks that have waited in the state, and are due soon.
void Checkpointer::bring_in() {
  if (const auto done = parts_.engine.bring_in(); !done) {
    give_up(done.error());
    return;
  }
  const core::Seq awaited = parts_.engine.awaited_seq();
  const std::lock_guard lock(mutex_);
  if (awaited <= parts_.engine.durable_seq()) {
    wanted_ = std::max(wanted_, awaited);
  }
}

}  // namespace payonce::engine
