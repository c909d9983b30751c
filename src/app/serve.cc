#include "app/serve.h"

#include <unistd.h>
#include <csignal>

#include <chrono>
#include <cstdio>
#include <future>
#include <memory>
#include <optional>
#include <random>
#include <thread>
#include <utility>

#include "adapters/log_notifier.h"
#include "adapters/mock_gateway.h"
#include "app/clock.h"
#include "app/exit_code.h"
#include "app/fault_handler.h"
#include "app/store.h"
#include "app/version.h"
#include "app/version_text.h"
#include "engine/checkpointer.h"
#include "engine/engine.h"
#include "http/api.h"
#include "http/server.h"
#include "observe/logger.h"
#include "tasks/scheduler.h"

namespace payonce::app {
namespace {

using std::chrono::duration_cast;
using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;

observe::Level to_level(config::LogLevel level) {
  switch (level) {
    case config::LogLevel::kDebug:
      return observe::Level::kDebug;
    case config::LogLevel::kInfo:
      return observe::Level::kInfo;
    case config::LogLevel::kWarn:
      return observe::Level::kWarn;
    case config::LogLevel::kError:
      return observe::Level::kError;
  }
  return observe::Level::kInfo;
}

core::RetryPolicy to_policy(const config::RetryPolicy& policy) {
  return {.initial_interval_ms = static_cast<std::uint32_t>(policy.initial_interval.count()),
          .backoff_coefficient_permille =
              static_cast<std::uint32_t>(policy.backoff_coefficient_permille),
          .maximum_interval_ms = static_cast<std::uint32_t>(policy.maximum_interval.count()),
          .maximum_attempts = policy.maximum_attempts};
}

std::uint64_t random_salt() {
  std::random_device source;
  return (std::uint64_t{source()} << 32) | source();
}

http::Settings to_settings(const config::Options& options, Currency currency) {
  http::Settings settings;
  settings.default_currency = currency;
  settings.payment_rules = {.version = options.saga.payment_version,
                            .gateway_retry = to_policy(options.gateway.retry),
                            .notify_retry = to_policy(options.notify.retry)};
  settings.idempotency_retention = Duration::ms(options.idempotency.retention.count());
  settings.idempotency_required = options.idempotency.required;
  settings.metadata_bytes_max = options.limits.metadata_bytes_max;
  settings.wait_max = duration_cast<seconds>(options.server.wait_max);
  settings.waiters_max = options.server.waiters_max;
  settings.version = version_json();
  return settings;
}

http::ServerOptions to_server_options(const config::Options& options) {
  http::ServerOptions server;
  server.host = options.server.listen.host;
  server.port = options.server.listen.port;
  server.threads = options.server.threads;
  server.keep_alive_timeout = duration_cast<seconds>(options.server.keep_alive_timeout);
  server.keep_alive_max_requests = options.server.keep_alive_max_requests;
  server.read_timeout = options.server.read_timeout;
  server.write_timeout = options.server.write_timeout;
  server.body_bytes_max = options.server.body_bytes_max;
  server.access_log = options.log.access;
  return server;
}

// Everything behind the HTTP server, from the data directory up. Made once the address is taken, so
// that a recovering server already answers that it is not ready.
class Backstage {
 public:
  Backstage(const config::Options& options, Store store, observe::Logger& log)
      : options_(&options),
        log_(&log),
        store_(std::move(store)),
        gateway_(
            {.latency = options.gateway.latency,
             .failure_rate = static_cast<double>(options.gateway.failure_rate_permille) / 1000.0,
             .journal = options.gateway.journal}),
        notifier_(log),
        clock_(store_.position.last_time),
        scheduler_(clock_, options.payments.open_max) {}

  // Recovers and starts all threads. The number of workflows whose tasks were released again.
  [[nodiscard]] Result<std::size_t> start() {
    if (auto opened = gateway_.open(); !opened) {
      return std::unexpected(opened.error());
    }
    auto snapshot = store_.state->snapshot();
    if (!snapshot) {
      return std::unexpected(snapshot.error());
    }
    const auto on_failure = [this](const Error& error) { die(error); };
    engine_.emplace(engine::Engine::Parts{.log = *store_.log,
                                          .state = *store_.state,
                                          .clock = clock_,
                                          .tasks = scheduler_,
                                          .on_failure = on_failure},
                    store_.position, std::move(*snapshot),
                    engine::Limits{.inbox_max = options_->engine.inbox_max,
                                   .batch_max = options_->engine.batch_max});
    checkpointer_.emplace(
        engine::Checkpointer::Parts{.engine = *engine_,
                                    .log = *store_.log,
                                    .state = *store_.state,
                                    .salt = store_.position.salt,
                                    .storage_low = [this] { return storage_low(); },
                                    .on_failure = on_failure},
        engine::CheckpointPolicy{.events = options_->storage.checkpoint_events,
                                 .interval = options_->storage.checkpoint_interval},
        store_.position.last_seq);
    add_queues();
    scheduler_.set_post([this](core::Command command) { engine_->post(std::move(command)); });
    auto recovered = engine_->recover();
    if (!recovered) {
      return recovered;
    }
    engine_->set_storage_low(storage_low());
    engine_->start();
    checkpointer_->start();
    scheduler_.start();
    backend_.emplace(http::Backend{.engine = *engine_,
                                   .checkpointer = *checkpointer_,
                                   .log = *store_.log,
                                   .state = *store_.state,
                                   .salt = store_.position.salt,
                                   .on_unreadable = [this](const Error& error) {
                                     log_->error("data_unreadable", {{"what", error.message}});
                                   }});
    return recovered;
  }

  [[nodiscard]] http::Backend& backend() { return *backend_; }
  [[nodiscard]] std::size_t folded() const { return store_.folded; }
  void stop_accepting() { engine_->stop_accepting(); }

  // For a stop that cannot wait for everybody: what is durable is folded as well. Safe while others
  // still run.
  void last_checkpoint() { static_cast<void>(checkpointer_->wait_applied(engine_->durable_seq())); }

  // In the order of the flow: no more tasks, then no more commands, then the last checkpoint.
  void stop() {
    gateway_.stop();
    scheduler_.stop();
    engine_->stop();
    checkpointer_->stop();
  }

 private:
  void add_queues() {
    scheduler_.add_queue(
        {.name = "gateway",
         .workers = options_->gateway.workers,
         .ready_max = options_->gateway.queue_max},
        [this](const core::Effect& task) -> core::Command {
          return gateway_.charge(std::get<core::CallGateway>(task));
        },
        [](const core::Effect& task) { return std::holds_alternative<core::CallGateway>(task); });
    scheduler_.add_queue(
        {.name = "notify",
         .workers = options_->notify.workers,
         .ready_max = options_->notify.queue_max},
        [this](const core::Effect& task) -> core::Command {
          return notifier_.send(std::get<core::SendNotification>(task));
        },
        [](const core::Effect& task) {
          return std::holds_alternative<core::SendNotification>(task);
        });
  }

  [[nodiscard]] bool storage_low() {
    const std::uint64_t wanted = options_->storage.free_bytes_min;
    const auto disk = store_.dir.free_bytes();
    std::uint64_t free = disk ? *disk : wanted;
    bool low = free < wanted;
    // A full map stops LMDB just as a full disk does; a small map keeps a quarter of itself free.
    const auto look_at = [&](std::uint64_t free_in_map, std::uint64_t map_size) {
      free = std::min(free, free_in_map);
      low = low || free_in_map < std::min(wanted, map_size / 4);
    };
    look_at(store_.log->free_map_bytes(), options_->storage.log_map_size);
    look_at(store_.state->free_map_bytes(), options_->storage.state_map_size);
    if (low != was_low_) {
      was_low_ = low;
      log_->warn(low ? "storage_low" : "storage_ok",
                 {{"free_bytes", free}, {"free_bytes_min", options_->storage.free_bytes_min}});
    }
    return low;
  }

  // Fail-stop: what reached the disk is unknown, so nothing more is said or done. Recovery decides.
  [[noreturn]] void die(const Error& error) {
    if (error.code == Errc::kCorrupt) {
      distrust_state(store_.dir.path());
    }
    log_->error("storage_failed",
                {{"what", error.message},
                 {"next", "stopping; what was acknowledged is durable, start again to recover"}});
    ::_exit(kExitFailed);
  }

  const config::Options* options_;
  observe::Logger* log_;
  Store store_;
  adapters::MockGateway gateway_;
  adapters::LogNotifier notifier_;
  LogClock clock_;
  tasks::Scheduler scheduler_;
  std::optional<engine::Engine> engine_;
  std::optional<engine::Checkpointer> checkpointer_;
  std::optional<http::Backend> backend_;
  bool was_low_ = false;  // touched by start() and then by the checkpointer only
};

// Signals are taken by sigwait in the main thread alone; every thread inherits the mask.
sigset_t block_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGHUP);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  return signals;
}

void reload(const config::Options& running, const config::Sources& sources, observe::Logger& log) {
  const auto fresh = config::load(sources);
  if (!fresh) {
    for (const config::Error& error : fresh.error()) {
      log.error("reload_refused", {{"why", error.message}});
    }
    return;
  }
  const config::Reloaded applied = config::reload(running, fresh->options);
  log.set_level(to_level(applied.options.log.level));
  log.info("reloaded", {{"log_level", observe::name(to_level(applied.options.log.level))}});
  for (const std::string& key : applied.ignored) {
    log.warn("reload_needs_restart", {{"key", key}});
  }
}

void wait_for_end(const sigset_t& signals, const config::Options& options,
                  const config::Sources& sources, observe::Logger& log) {
  for (int signal = 0; sigwait(&signals, &signal) == 0;) {
    if (signal == SIGHUP) {
      reload(options, sources, log);
    } else {
      log.info("draining", {{"signal", signal == SIGTERM ? "SIGTERM" : "SIGINT"}});
      return;
    }
  }
}

// The part of the stop that may take time: requests in progress, running tasks, a last checkpoint.
// It gets drain_timeout; then the process ends anyway, which loses nothing.
void drain(http::Server& server, std::thread& serving, Backstage& backstage, milliseconds at_most,
           observe::Logger& log) {
  auto done = std::async(std::launch::async, [&] {
    server.stop();
    serving.join();
    backstage.stop();
  });
  if (done.wait_for(at_most) == std::future_status::timeout) {
    log.warn("drain_timeout", {{"waited_ms", at_most.count()}});
    backstage.last_checkpoint();
    std::fflush(nullptr);
    ::_exit(kExitOk);
  }
  done.get();
}

}  // namespace

int serve(const config::Options& options, const config::Sources& sources) {
  const auto begun = steady_clock::now();
  const sigset_t signals = block_signals();
  observe::Logger log(to_level(options.log.level));
  const auto currency = Currency::find(options.payments.currency);
  if (!currency) {
    log.error("start_refused", {{"why", "payments.currency: " + options.payments.currency +
                                            " is not an ISO 4217 currency with minor units"}});
    return kExitUsage;
  }
  auto dir = log::DataDir::acquire(options.storage.data);
  if (!dir) {
    log.error("start_refused", {{"why", dir.error().message}});
    return kExitData;
  }
  http::Api api(to_settings(options, *currency));
  http::Server server(api, log, to_server_options(options));
  const auto port = server.bind();
  if (!port) {
    log.error("start_refused", {{"why", port.error().message}});
    return kExitUsage;
  }
  std::thread serving([&] { server.serve(); });
  const config::Endpoint address{options.server.listen.host, static_cast<std::uint16_t>(*port)};
  log.info("listening",
           {{"address", config::to_string(address)}, {"version", build_info().version}});
  const auto give_up = [&](const Error& error) {
    log.error("start_refused", {{"why", error.message}});
    server.stop();
    serving.join();
    return kExitData;
  };
  install_fault_handler(options.storage.data);
  auto store = open_store(std::move(*dir),
                          {.path = options.storage.data,
                           .log_map_size = options.storage.log_map_size,
                           .state_map_size = options.storage.state_map_size},
                          random_salt(), SystemClock().now(), log);
  if (!store) {
    return give_up(store.error());
  }
  Backstage backstage(options, std::move(*store), log);
  const auto recovered = backstage.start();
  if (!recovered) {
    return give_up(recovered.error());
  }
  api.open(backstage.backend());
  log.info("ready",
           {{"events_folded", backstage.folded()},
            {"workflows_resumed", *recovered},
            {"took_ms", duration_cast<milliseconds>(steady_clock::now() - begun).count()}});
  wait_for_end(signals, options, sources, log);
  api.close();
  backstage.stop_accepting();
  drain(server, serving, backstage, options.server.drain_timeout, log);
  log.info("stopped", {});
  return kExitOk;
}

}  // namespace payonce::app
