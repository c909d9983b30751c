// An engine with everything around it under a test's control: the clock, the tasks, and a log that
// can be made to wait or to fail.
#pragma once

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "engine/engine.h"
#include "log/checkpoint.h"
#include "log/codec.h"
#include "log/memory_log.h"
#include "support/machine_world.h"
#include "support/temp_dir.h"

namespace payonce::testing_support {

// Yields until the condition holds; false when it does not for a minute, which is a failure.
template <class Condition>
[[nodiscard]] bool eventually(Condition&& condition) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::minutes(1);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) {
      return false;
    }
    std::this_thread::yield();
  }
  return true;
}

class ManualClock final : public engine::Clock {
 public:
  [[nodiscard]] Timestamp now() override {
    reads_.fetch_add(1);
    return Timestamp{us_.load()};
  }
  void set(Timestamp t) { us_.store(t.us); }
  void advance(Duration by) { us_.fetch_add(by.us); }
  // How often the time was asked for.
  [[nodiscard]] std::uint64_t reads() const { return reads_.load(); }

 private:
  std::atomic<std::int64_t> us_{kStart.us};
  std::atomic<std::uint64_t> reads_{0};
};

// Collects what the engine releases.
class FakeTasks final : public engine::TaskSink {
 public:
  void release(core::Effect effect) override {
    if (on_release) {
      on_release(effect);
    }
    const std::lock_guard lock(mutex_);
    released_.push_back(std::move(effect));
  }
  void later(const core::Effect& effect) override {
    const std::lock_guard lock(mutex_);
    later_.push_back(dump(effect));
  }
  [[nodiscard]] bool wants_later() const override { return is_curious.load(); }
  [[nodiscard]] std::size_t room(core::TaskClass task) const override {
    return rooms[static_cast<std::size_t>(task)].load();
  }
  [[nodiscard]] bool saturated() const override { return is_saturated.load(); }

  [[nodiscard]] std::vector<std::string> told_of() const {
    const std::lock_guard lock(mutex_);
    return later_;
  }
  // How often each task was released.
  [[nodiscard]] std::map<std::string, int> identities() const {
    const std::lock_guard lock(mutex_);
    std::map<std::string, int> all;
    for (const core::Effect& effect : released_) {
      ++all[core::task_identity(effect)];
    }
    return all;
  }
  [[nodiscard]] std::vector<std::string> released() const {
    const std::lock_guard lock(mutex_);
    return dump_all(released_);
  }
  // The oldest one that was not taken yet.
  [[nodiscard]] std::optional<core::Effect> take() {
    const std::lock_guard lock(mutex_);
    if (taken_ == released_.size()) {
      return std::nullopt;
    }
    return released_[taken_++];
  }

  std::function<void(const core::Effect&)> on_release;  // set before anything is released
  std::atomic<bool> is_saturated{false};
  std::atomic<bool> is_curious{false};
  // By place in kTaskClasses.
  std::array<std::atomic<std::size_t>, core::kTaskClasses.size()> rooms{kPlenty, kPlenty, kPlenty,
                                                                        kPlenty, kPlenty, kPlenty};
  static constexpr std::size_t kPlenty = std::numeric_limits<std::size_t>::max();

 private:
  mutable std::mutex mutex_;
  std::vector<std::string> later_;
  std::vector<core::Effect> released_;
  std::size_t taken_ = 0;
};

// A log in memory whose appends wait while the gate is closed, and fail when they are told to.
class GatedLog final : public log::LogStore {
 public:
  struct Append {
    std::size_t entries = 0;
    std::thread::id by;
  };

  Result<void> append(const log::Batch& batch, core::Seq expected_last) override {
    std::unique_lock lock(mutex_);
    appends_.push_back({batch.size(), std::this_thread::get_id()});
    changed_.notify_all();
    changed_.wait(lock, [&] { return open_ > 0; });
    if (open_ != kAlways) {
      --open_;
    }
    if (failure_) {
      return std::unexpected(*failure_);
    }
    return inner_.append(batch, expected_last);
  }
  Result<void> read(core::Seq from, const Visit& visit) const override {
    return inner_.read(from, visit);
  }
  [[nodiscard]] core::Seq last_seq() const override { return inner_.last_seq(); }
  [[nodiscard]] core::Seq first_seq() const override { return inner_.first_seq(); }
  void drop_below(core::Seq floor) override { inner_.drop_below(floor); }

  void close() { set_open(0); }
  void open() { set_open(kAlways); }
  void let_one_pass() {
    const std::lock_guard lock(mutex_);
    ++open_;
    changed_.notify_all();
  }
  // From now on appends fail, also the one that waits at the gate.
  void fail_with(Error error) {
    const std::lock_guard lock(mutex_);
    failure_ = std::move(error);
  }
  // Blocks until append() was called `count` times in all, whether they have returned or not.
  void wait_for_appends(std::size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return appends_.size() >= count; });
  }
  [[nodiscard]] std::vector<Append> appends() const {
    const std::lock_guard lock(mutex_);
    return appends_;
  }

 private:
  static constexpr int kAlways = 1 << 30;

  void set_open(int count) {
    const std::lock_guard lock(mutex_);
    open_ = count;
    changed_.notify_all();
  }

  log::MemoryLog inner_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  int open_ = kAlways;
  std::optional<Error> failure_;
  std::vector<Append> appends_;
};

// The engine and what it stands on. start() may be called again after stop(): like a restart of the
// process, over what is durable.
class EngineWorld {
 public:
  ManualClock clock;
  GatedLog log;
  TempDir dir;
  std::unique_ptr<log::StateStore> state;
  std::unique_ptr<FakeTasks> tasks;
  std::unique_ptr<engine::Engine> engine;
  engine::Limits limits;
  std::atomic<int> failures{0};  // how often on_failure was called
  std::size_t recovered = 0;     // tasks that recover() brought in
  bool curious = false;          // whether the tasks' sink wants to be told of those due later
  std::uint64_t salt = 0;

  ~EngineWorld() {
    log.open();
    stop();
  }

  void start() {
    prepare();
    recovered = engine->recover().value();
    engine->start();
  }
  // All but recover() and start().
  void prepare() {
    const auto identity = log::identify(log, kSalt, clock.now()).value();
    salt = identity.salt;
    if (!state) {
      open_state();
    }
    catch_up();
    tasks = std::make_unique<FakeTasks>();
    tasks->is_curious = curious;
    engine = std::make_unique<engine::Engine>(
        engine::Engine::Parts{.log = log,
                              .state = *state,
                              .clock = clock,
                              .tasks = *tasks,
                              .on_failure = [this](const Error&) { failures.fetch_add(1); }},
        core::Machine::Position{
            .last_seq = log.last_seq(), .last_time = identity.last_time, .salt = salt},
        std::move(state->snapshot().value()), limits);
  }
  void stop() {
    if (engine) {
      engine->stop();
    }
    engine.reset();
  }
  void open_state() {
    state.reset();
    state = std::move(
        log::StateStore::open(dir / "state", std::uint64_t{256} << 20, kSalt, log::Sync::kNever)
            .value());
  }
  core::Seq catch_up() { return log::catch_up(log, *state, salt, 1'000'000).value().applied; }

  engine::Verdict execute(core::Command command, core::Answer* answer = nullptr) {
    return execute_input(core::Input{std::move(command), std::nullopt}, answer);
  }
  engine::Verdict execute_input(core::Input input, core::Answer* answer = nullptr) {
    KindRenderer renderer;
    engine::Request request(std::move(input), &renderer);
    const engine::Verdict verdict = engine->execute(request);
    if (answer != nullptr) {
      *answer = request.answer;
    }
    return verdict;
  }
  static core::OpenAccount open_account(std::string id, std::int64_t opening_minor = 0) {
    return core::OpenAccount{.id = std::move(id),
                             .currency = currency("USD"),
                             .opening_minor = opening_minor,
                             .metadata = {}};
  }
  static core::CreatePayment payment(std::string id, std::string user, std::int64_t minor) {
    return core::CreatePayment{.id = std::move(id),
                               .content = {.user_id = std::move(user),
                                           .amount = usd(minor),
                                           .payment_method = "pm_ok",
                                           .description = {},
                                           .metadata = {}},
                               .rules = {}};
  }
  static core::RecordGatewayReply confirmed(std::string id, std::uint32_t attempt = 1) {
    return core::RecordGatewayReply{.payment_id = std::move(id),
                                    .attempt = attempt,
                                    .reply = core::GatewayReply::kConfirmed,
                                    .detail = "gw"};
  }
  // Every entry of the log, decoded; a failure when one is missing or damaged.
  std::vector<core::Record> records() const {
    std::vector<core::Record> all;
    const auto done = log.read(1, [&](core::Seq seq, std::string_view bytes) {
      auto record = log::decode_record(seq, bytes, salt);
      EXPECT_TRUE(record) << record.error().message;
      EXPECT_EQ(seq, all.size() + 1);
      all.push_back(std::move(*record));
      return true;
    });
    EXPECT_TRUE(done);
    return all;
  }
};

}  // namespace payonce::testing_support
