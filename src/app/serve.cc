#include "app/serve.h"

#include <unistd.h>
#include <csignal>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <expected>
#include <future>
#include <memory>
#include <optional>
#include <random>
#include <thread>
#include <utility>

#include "app/backstage.h"
#include "app/clock.h"
#include "app/descriptors.h"
#include "app/exit_code.h"
#include "app/fault_handler.h"
#include "app/outside.h"
#include "app/recheck.h"
#include "app/rules.h"
#include "app/store.h"
#include "app/threads.h"
#include "app/version.h"
#include "app/version_text.h"
#include "http/api.h"
#include "http/server.h"
#include "observe/logger.h"

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

std::uint64_t random_salt() {
  std::random_device source;
  return (std::uint64_t{source()} << 32) | source();
}

Result<http::Settings> to_settings(const config::Options& options) {
  const auto currency = Currency::find(options.payments.currency);
  if (!currency) {
    return fail(Errc::kInvalid, "payments.currency: " + options.payments.currency +
                                    " is not an ISO 4217 currency with minor units");
  }
  auto rules = payment_rules(options);
  if (!rules) {
    return std::unexpected(rules.error());
  }
  http::Settings settings;
  settings.default_currency = *currency;
  settings.payment_rules = std::move(*rules);
  for (const std::string& text : options.gateway.callback_secrets) {
    auto secret = webhook::Secret::parse(text);
    if (!secret) {
      return fail(Errc::kInvalid, "gateway.callback_secrets: " + secret.error().message);
    }
    settings.callback_secrets.push_back(std::move(*secret));
  }
  settings.callback_tolerance = duration_cast<seconds>(options.gateway.callback_tolerance);
  settings.unix_seconds = unix_seconds;
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
  server.readers = options.server.readers;
  server.connections_max = options.server.connections_max;
  server.requests_max = options.server.requests_max;
  server.keep_alive_timeout = duration_cast<seconds>(options.server.keep_alive_timeout);
  server.keep_alive_max_requests = options.server.keep_alive_max_requests;
  server.read_timeout = options.server.read_timeout;
  server.write_timeout = options.server.write_timeout;
  server.body_bytes_max = options.server.body_bytes_max;
  server.access_log = options.log.access;
  return server;
}

// Signals are taken by sigwait in the main thread alone; every thread inherits the mask.
sigset_t block_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGHUP);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);  // a file at its limit is an error like any other
  return signals;
}

void reload(const config::Options& running, const config::Sources& sources, Backstage& backstage,
            observe::Logger& log) {
  const auto fresh = config::load(sources);
  if (!fresh) {
    for (const config::Error& error : fresh.error()) {
      log.error("reload_refused", {{"why", error.message}});
    }
    return;
  }
  const config::Reloaded applied = config::reload(running, fresh->options);
  log.set_level(to_level(applied.options.log.level));
  backstage.retune(applied.options);
  log.info("reloaded",
           {{"log_level", observe::name(to_level(applied.options.log.level))},
            {"history_retention_s",
             duration_cast<seconds>(applied.options.storage.history_retention).count()}});
  for (const std::string& key : applied.ignored) {
    log.warn("reload_needs_restart", {{"key", key}});
  }
}

void wait_for_end(const sigset_t& signals, const config::Options& options,
                  const config::Sources& sources, Backstage& backstage, observe::Logger& log) {
  for (int signal = 0; sigwait(&signals, &signal) == 0;) {
    if (signal == SIGHUP) {
      reload(options, sources, backstage, log);
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

struct Refusal {
  Error why;
  int exit_code = kExitData;
};

// The data directory brought up to its log, with open workflows that this build goes on with.
std::expected<Store, Refusal> open_checked_store(const config::Options& options, log::DataDir dir,
                                                 observe::Logger& log) {
  auto store = open_store(std::move(dir),
                          {.path = options.storage.data,
                           .log_map_size = options.storage.log_map_size,
                           .state_map_size = options.storage.state_map_size},
                          random_salt(), SystemClock().now(), log);
  if (!store) {
    return std::unexpected(Refusal{store.error(), kExitData});
  }
  const auto rechecked = recheck_open(*store, version_line());
  if (!rechecked) {
    return std::unexpected(Refusal{rechecked.error(), kExitData});
  }
  if (rechecked->first) {
    const std::string what = "this build would not go on with an open workflow as it was begun: " +
                             describe(*rechecked->first);
    return std::unexpected(Refusal{{Errc::kVersion, what}, kExitFailed});
  }
  return std::move(*store);
}

// All that there may be besides this one: pools as configured, and those that are always there.
std::size_t threads_max(const config::Options& options) {
  constexpr std::size_t kEngine = 2;   // and the checkpointer
  constexpr std::size_t kTasks = 3;    // the timer, a conductor for the gateway and one for fraud
  constexpr std::size_t kOutside = 3;  // calls over HTTP of each, later answers of the mock gateway
  constexpr std::size_t kAccepting = 1;
  return kEngine + kTasks + kOutside + kAccepting + options.server.threads +
         options.server.readers + core::kNotifyChannels.size() * options.notify.workers;
}

// What is fine on a developer's machine, and should be known anywhere else.
void warn_of_defaults(const config::Options& options, observe::Logger& log) {
  if (options.gateway.callback_secrets.empty()) {
    log.warn("callbacks_unsigned",
             {{"what", "gateway.callback_secrets is empty: callbacks need no signature"}});
  }
}

// The options with as many connections and calls as the system has descriptors for.
config::Options with_room(config::Options options, observe::Logger& log) {
  const bool gateway = options.gateway.kind == config::GatewayKind::kHttp;
  const bool fraud = options.fraud.mode == config::FraudMode::kHttp;
  const Descriptors wanted{.connections = options.server.connections_max,
                           .gateway_calls = gateway ? options.gateway.calls_max : 0,
                           .fraud_calls = fraud ? options.fraud.calls_max : 0};
  const Descriptors room = make_room_for(wanted);
  if (room == wanted) {
    return options;
  }
  const auto lower = [](std::uint32_t& value, std::size_t most) {
    value = std::min(value, static_cast<std::uint32_t>(most));
  };
  lower(options.server.connections_max, room.connections);
  if (gateway) {
    lower(options.gateway.calls_max, room.gateway_calls);
  }
  if (fraud) {
    lower(options.fraud.calls_max, room.fraud_calls);
  }
  log.warn("descriptors_few", {{"connections_max", room.connections},
                               {"configured", wanted.connections},
                               {"gateway_calls_max", room.gateway_calls},
                               {"gateway_configured", wanted.gateway_calls},
                               {"fraud_calls_max", room.fraud_calls},
                               {"fraud_configured", wanted.fraud_calls}});
  return options;
}

}  // namespace

int serve(const config::Options& configured, const config::Sources& sources) {
  const auto begun = steady_clock::now();
  const sigset_t signals = block_signals();
  observe::Logger log(to_level(configured.log.level));
  const config::Options options = with_room(configured, log);
  const auto refuse = [&](const Error& error, int code) {
    log.error("start_refused", {{"why", error.message}});
    return code;
  };
  auto settings = to_settings(options);
  if (!settings) {
    return refuse(settings.error(), kExitUsage);
  }
  if (const auto allowed = try_threads(threads_max(options)); !allowed) {
    return refuse(allowed.error(), kExitUsage);
  }
  auto outside = Outside::open(options, log);
  if (!outside) {
    return refuse(outside.error(), kExitUsage);
  }
  auto dir = log::DataDir::acquire(options.storage.data);
  if (!dir) {
    return refuse(dir.error(), kExitData);
  }
  http::Api api(std::move(*settings));
  http::Server server(api, log, to_server_options(options));
  const auto port = server.bind();
  if (!port) {
    return refuse(port.error(), kExitUsage);
  }
  std::thread serving([&] {
    if (!server.serve()) {
      // A process that lives on without listening helps nobody; what was acknowledged is durable.
      log.error("accept_failed", {{"next", "stopping; start again"}});
      ::_exit(kExitFailed);
    }
  });
  const config::Endpoint address{options.server.listen.host, static_cast<std::uint16_t>(*port)};
  log.info("listening",
           {{"address", config::to_string(address)}, {"version", build_info().version}});
  const auto give_up = [&](const Error& error, int code) {
    server.stop();
    serving.join();
    return refuse(error, code);
  };
  install_fault_handler(options.storage.data);
  auto store = open_checked_store(options, std::move(*dir), log);
  if (!store) {
    return give_up(store.error().why, store.error().exit_code);
  }
  Backstage backstage(options, std::move(*store), **outside, log);
  const auto recovered = backstage.start();
  if (!recovered) {
    return give_up(recovered.error(), kExitData);
  }
  warn_of_defaults(options, log);
  api.open(backstage.backend());
  log.info("ready",
           {{"events_folded", backstage.folded()},
            {"workflows_resumed", *recovered},
            {"took_ms", duration_cast<milliseconds>(steady_clock::now() - begun).count()}});
  wait_for_end(signals, configured, sources, backstage, log);
  api.close();
  backstage.stop_accepting();
  drain(server, serving, backstage, options.server.drain_timeout, log);
  log.info("stopped", {});
  return kExitOk;
}

}  // namespace payonce::app
