// A server with everything behind it, for one input of the HTTP fuzzer at a time.
//
// The server listens on a port of 127.0.0.1 for as long as the process lives; the engine, its log
// in memory and its state are made anew for each input, with payments in several phases. Nobody
// calls a gateway: what is released is answered when a test says so, and is never answered behind
// its back.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

#include "engine/checkpointer.h"
#include "engine/engine.h"
#include "fuzz/fuzz.h"
#include "http/api.h"
#include "http/server.h"
#include "log/checkpoint.h"
#include "log/memory_log.h"

namespace payonce::fuzz {

inline constexpr Timestamp kWorldStart{1'800'000'000'000'000};
inline constexpr std::uint64_t kWorldSalt = 0x5a17;

// Time moves by a millisecond with each look, so that no two runs of an input differ.
class StepClock final : public engine::Clock {
 public:
  [[nodiscard]] Timestamp now() override {
    return kWorldStart + Duration::ms(steps_.fetch_add(1, std::memory_order_relaxed));
  }

 private:
  std::atomic<std::int64_t> steps_{0};
};

// Keeps what is released.
class HeldTasks final : public engine::TaskSink {
 public:
  void release(core::Effect effect) override {
    const std::lock_guard lock(mutex_);
    effects_.push_back(std::move(effect));
  }
  [[nodiscard]] bool saturated() const override { return false; }
  [[nodiscard]] std::vector<core::Effect> take() {
    const std::lock_guard lock(mutex_);
    return std::exchange(effects_, {});
  }

 private:
  std::mutex mutex_;
  std::vector<core::Effect> effects_;
};

// A good answer to each task.
class GoodAnswer {
 public:
  std::optional<core::Command> operator()(const core::CallGateway& task) const {
    const bool accepted = task.payment_method == "pm_manual";
    const bool declined = task.payment_method == "pm_decline";
    return core::RecordGatewayReply{.payment_id = task.payment_id,
                                    .attempt = task.attempt,
                                    .reply = accepted   ? core::GatewayReply::kAccepted
                                             : declined ? core::GatewayReply::kDeclined
                                                        : core::GatewayReply::kConfirmed,
                                    .detail = "gw"};
  }
  std::optional<core::Command> operator()(const core::InquireGateway& task) const {
    return core::RecordInquiryReply{.payment_id = task.payment_id,
                                    .inquiry = task.inquiry,
                                    .reply = core::InquiryReply::kConfirmed,
                                    .detail = "gw"};
  }
  std::optional<core::Command> operator()(const core::UndoAtGateway& task) const {
    const bool fails = task.payment_method == "pm_void_fail";
    return core::RecordUndoReply{.payment_id = task.payment_id,
                                 .call = task.call,
                                 .reply = fails ? core::UndoReply::kFailed : core::UndoReply::kDone,
                                 .detail = "gw"};
  }
  std::optional<core::Command> operator()(const core::RefundAtGateway& task) const {
    return core::RecordRefundReply{.refund_id = task.refund_id,
                                   .call = task.call,
                                   .reply = core::RefundReply::kConfirmed,
                                   .detail = "gw"};
  }
  std::optional<core::Command> operator()(const core::CheckFraud& task) const {
    return core::RecordFraudReply{.fraud_id = task.fraud_id,
                                  .attempt = task.attempt,
                                  .reply = core::FraudReply::kApproved,
                                  .detail = "ok"};
  }
  std::optional<core::Command> operator()(const core::SendNotification& task) const {
    return core::RecordNotification{.payment_id = task.payment_id,
                                    .channel = task.channel,
                                    .attempt = task.attempt,
                                    .reply = core::NotifyReply::kDelivered,
                                    .error = {}};
  }
  std::optional<core::Command> operator()(const core::StartTimer& /*task*/) const { return {}; }
  std::optional<core::Command> operator()(const core::WorkflowEnded& /*task*/) const { return {}; }
};

// A directory in memory where there is one.
class ScratchDir {
 public:
  ScratchDir() {
    const std::filesystem::path memory = "/dev/shm";
    std::error_code error;
    const bool there = std::filesystem::is_directory(memory, error);
    path_ = ((there ? memory : std::filesystem::temp_directory_path()) / "payonce_XXXXXX").string();
    require(::mkdtemp(path_.data()) != nullptr, "a directory can be made", path_);
  }
  ~ScratchDir() { std::filesystem::remove_all(path_); }
  ScratchDir(const ScratchDir&) = delete;
  ScratchDir& operator=(const ScratchDir&) = delete;
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// The engine and what it stands on.
class HttpWorld {
 public:
  explicit HttpWorld(http::Api& api) : api_(&api) {
    const auto identity = log::identify(log_, kWorldSalt, kWorldStart);
    state_ =
        std::move(log::StateStore::open(dir_.path(), std::uint64_t{64} << 20, kWorldSalt).value());
    require(log::catch_up(log_, *state_, kWorldSalt, 1000).has_value(), "the state is made");
    const auto die = [](const Error& error) { broken("nothing fails", error.message); };
    engine_ = std::make_unique<engine::Engine>(
        engine::Engine::Parts{
            .log = log_, .state = *state_, .clock = clock_, .tasks = tasks_, .on_failure = die},
        core::Machine::Position{
            .last_seq = log_.last_seq(), .last_time = identity->last_time, .salt = kWorldSalt},
        std::move(state_->snapshot().value()), engine::Limits{});
    require(engine_->recover().has_value(), "the engine recovers");
    checkpointer_ =
        std::make_unique<engine::Checkpointer>(engine::Checkpointer::Parts{.engine = *engine_,
                                                                           .log = log_,
                                                                           .state = *state_,
                                                                           .salt = kWorldSalt,
                                                                           .storage_low = {},
                                                                           .on_failure = die},
                                               engine::CheckpointPolicy{}, log_.last_seq());
    engine_->start();
    checkpointer_->start();
    backend_.emplace(http::Backend{.engine = *engine_,
                                   .checkpointer = *checkpointer_,
                                   .log = log_,
                                   .state = *state_,
                                   .salt = kWorldSalt,
                                   .on_unreadable = die,
                                   .queues = [] { return std::vector<http::QueueInfo>(2); },
                                   .metrics = [] { return std::string("up 1\n"); }});
    populate();
    api_->open(*backend_);
  }
  ~HttpWorld() {
    api_->close();
    engine_->stop();
    checkpointer_->stop();
  }
  HttpWorld(const HttpWorld&) = delete;
  HttpWorld& operator=(const HttpWorld&) = delete;

  // Answers every task, and those that follow from the answers.
  void answer_tasks() {
    for (int round = 0; round < 100; ++round) {
      const std::vector<core::Effect> effects = tasks_.take();
      if (effects.empty()) {
        return;
      }
      for (const core::Effect& effect : effects) {
        if (auto command = std::visit(GoodAnswer(), effect)) {
          execute(*std::move(command));
        }
      }
    }
  }

 private:
  void execute(core::Command command) {
    engine::Request request(core::Input{std::move(command), std::nullopt}, nullptr);
    require(engine_->execute(request) == engine::Verdict::kDone, "the engine carries commands out");
  }
  void pay(const std::string& id, const std::string& method, core::FraudMode mode) {
    core::CreatePayment payment;
    payment.id = id;
    payment.content = {.user_id = "alice",
                       .amount = {100, *Currency::find("USD")},
                       .payment_method = method,
                       .description = {},
                       .metadata = {}};
    payment.rules.fraud.mode = mode;
    payment.rules.compensation_retry.maximum_attempts = 1;
    execute(payment);
    answer_tasks();
  }
  // Accounts alice and bob; payments that succeeded, failed, wait for a callback or a verdict, were
  // cancelled, and could not be undone.
  void populate() {
    const Currency usd = *Currency::find("USD");
    execute(core::OpenAccount{
        .id = "alice", .currency = usd, .opening_minor = 100'000, .metadata = {}});
    execute(core::OpenAccount{
        .id = "bob", .currency = *Currency::find("JPY"), .opening_minor = 0, .metadata = {}});
    pay("paid", "pm_ok", core::FraudMode::kNone);
    pay("declined", "pm_decline", core::FraudMode::kInline);
    pay("manual", "pm_manual", core::FraudMode::kNone);
    pay("checked", "pm_ok", core::FraudMode::kManual);
    pay("off", "pm_manual", core::FraudMode::kNone);
    execute(core::CancelPayment{.payment_id = "off", .reason = "off"});
    pay("stuck", "pm_manual.pm_void_fail", core::FraudMode::kNone);
    answer_tasks();
  }

  http::Api* api_;
  ScratchDir dir_;
  StepClock clock_;
  HeldTasks tasks_;
  log::MemoryLog log_;
  std::unique_ptr<log::StateStore> state_;
  std::unique_ptr<engine::Engine> engine_;
  std::unique_ptr<engine::Checkpointer> checkpointer_;
  std::optional<http::Backend> backend_;
};

// The server and its Api, without a backend. There is one, and it is never stopped.
class HttpFront {
 public:
  static HttpFront& instance() {
    static auto* const front = new HttpFront();  // its threads outlive every other object
    return *front;
  }
  [[nodiscard]] http::Api& api() { return api_; }
  [[nodiscard]] int port() const { return port_; }

 private:
  HttpFront()
      : api_(settings()),
        log_(observe::Level::kError),
        server_(api_, log_,
                {.host = "127.0.0.1",
                 .port = 0,
                 .threads = 1,
                 .readers = 1,
                 .keep_alive_max_requests = 20,
                 .body_bytes_max = 1024}) {
    const auto bound = server_.bind();
    require(bound.has_value(), "the server listens");
    port_ = *bound;
    std::thread([this] { static_cast<void>(server_.serve()); }).detach();
  }
  static http::Settings settings() {
    http::Settings settings;
    settings.default_currency = *Currency::find("USD");
    settings.payment_rules = [](const core::PaymentContent&) { return core::PaymentRules(); };
    settings.unix_seconds = [] { return kWorldStart.us / 1'000'000; };
    settings.idempotency_retention = Duration::seconds(3600);
    settings.metadata_bytes_max = 256;
    settings.wait_max = std::chrono::seconds(0);
    settings.version = R"({"version":"fuzz"})";
    return settings;
  }

  http::Api api_;
  observe::Logger log_;
  http::Server server_;
  int port_ = 0;
};

}  // namespace payonce::fuzz
