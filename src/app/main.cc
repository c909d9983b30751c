// payonce: the command line. Every subcommand reads its configuration the same way.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

#include "app/bench_command.h"
#include "app/exit_code.h"
#include "app/licenses.h"
#include "app/mock_gateway_command.h"
#include "app/offline.h"
#include "app/serve.h"
#include "app/simulate_command.h"
#include "app/verify.h"
#include "app/version_text.h"
#include "config/load.h"
#include "config/render.h"
#include "core/payment/transitions.h"
#include "http/server.h"

namespace payonce::app {
namespace {

struct Arguments {
  std::string config;
  std::string data;
  std::string listen;
  std::vector<std::string> sets;
  bool licenses = false;
  bool json = false;
  std::string id;  // of the workflow to inspect
  MockGatewayCommand mock;
  BenchCommand bench;
  SimulateCommand simulate;
};

config::Sources to_sources(const Arguments& arguments) {
  config::Sources sources;
  sources.environment = config::environment(environ);
  sources.sets = arguments.sets;
  if (!arguments.config.empty()) {
    sources.file = arguments.config;
  }
  if (!arguments.data.empty()) {
    sources.data = arguments.data;
  }
  if (!arguments.listen.empty()) {
    sources.listen = arguments.listen;
  }
  return sources;
}

void print(std::FILE* to, std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), to);
  std::fputc('\n', to);
}

int refuse(const std::vector<config::Error>& errors) {
  for (const config::Error& error : errors) {
    print(stderr, "payonce: " + error.message);
  }
  return kExitUsage;
}

int run_serve(const Arguments& arguments) {
  const config::Sources sources = to_sources(arguments);
  const auto loaded = config::load(sources);
  if (!loaded) {
    return refuse(loaded.error());
  }
  if (const auto refused = config::check_listen(loaded->options)) {
    return refuse({*refused});
  }
  return serve(loaded->options, sources);
}

int run_check_config(const Arguments& arguments) {
  const auto loaded = config::load(to_sources(arguments));
  if (!loaded) {
    return refuse(loaded.error());
  }
  if (const auto refused = config::check_listen(loaded->options)) {
    return refuse({*refused});
  }
  print(stdout, config::render(*loaded));
  return kExitOk;
}

int run_version(const Arguments& arguments) {
  if (arguments.licenses) {
    print(stdout, third_party_licenses());
  } else if (arguments.json) {
    print(stdout, version_json());
  } else {
    print(stdout, version_line());
  }
  return kExitOk;
}

int run_healthcheck(const Arguments& arguments) {
  const auto loaded = config::load(to_sources(arguments));
  if (!loaded) {
    return refuse(loaded.error());
  }
  config::Endpoint at = loaded->options.server.listen;
  if (at.host == "0.0.0.0") {
    at.host = "127.0.0.1";
  } else if (at.host == "::") {
    at.host = "::1";
  }
  const auto status = http::probe(at.host, at.port, "/readyz", std::chrono::seconds(3));
  if (!status || *status != 200) {
    print(stderr, "payonce: " + (status ? "not ready: status " + std::to_string(*status)
                                        : status.error().message));
    return kExitFailed;
  }
  print(stdout, "ready");
  return kExitOk;
}

// `run` with the loaded options.
template <class Run>
int with_options(const Arguments& arguments, Run&& run) {
  const auto loaded = config::load(to_sources(arguments));
  return loaded ? run(loaded->options) : refuse(loaded.error());
}

int run_inspect(const Arguments& arguments) {
  return with_options(arguments, [&](const auto& options) {
    return inspect(options, arguments.id, arguments.json);
  });
}

int run_diagram() {
  std::fputs(core::render_saga_page().c_str(), stdout);
  return kExitOk;
}

void add_config_options(CLI::App& command, Arguments& arguments) {
  command.add_option("--config", arguments.config, "Configuration file (TOML)");
  command.add_option("--data", arguments.data, "Data directory (storage.data)");
  command.add_option("--listen", arguments.listen, "Address to listen on, HOST:PORT");
  command.add_option("--set", arguments.sets, "One key: section.key=value; may be repeated")
      ->allow_extra_args(false);
}

void add_offline_options(const std::vector<CLI::App*>& whole, CLI::App& inspecting,
                         Arguments& arguments) {
  inspecting.add_option("ID", arguments.id, "Id of a payment, fraud check or refund")->required();
  inspecting.add_flag("--json", arguments.json, "Print JSON");
  for (CLI::App* command : whole) {
    command->add_flag("--json", arguments.json, "Print JSON");
  }
}

void add_mock_options(CLI::App& command, MockGatewayCommand& mock) {
  command.add_option("--listen", mock.listen, "Address to listen on, HOST:PORT; port 0: any");
  command.add_option("--callback-url", mock.callback_url, "Where pm_async calls back");
  command.add_option("--secret", mock.secrets, "whsec_… that signs callbacks; may be repeated")
      ->allow_extra_args(false);
  command.add_option("--callback-delay", mock.callback_delay_ms, "Milliseconds before a callback");
  command.add_option("--latency", mock.latency_ms, "Milliseconds before an answer");
  command.add_option("--failure-rate", mock.failure_rate, "0 to 1: of ordinary calls")
      ->check(CLI::Range(0.0, 1.0));
  command.add_flag("--hang", mock.hang, "Hold a call without an answer for a minute");
  command.add_option("--journal", mock.journal, "File that keeps the book across a restart");
}

int run(int argc, char** argv) {
  CLI::App cli("payonce: takes a payment to exactly one end, success or fully undone");
  cli.require_subcommand(1);
  cli.footer(
      "Exit codes: 0 done, 1 the check failed or the storage failed while serving,\n"
      "2 usage or configuration, 3 data directory in use or damaged.");
  Arguments arguments;
  CLI::App* serve = cli.add_subcommand("serve", "Serve the HTTP API");
  CLI::App* check = cli.add_subcommand("check-config", "Check the configuration and print it");
  CLI::App* health =
      cli.add_subcommand("healthcheck", "Ask a server on this machine if it is ready");
  CLI::App* version = cli.add_subcommand("version", "Print the version");
  CLI::App* replaying = cli.add_subcommand(
      "replay", "Decide every recorded history again and name what this build decides otherwise");
  CLI::App* verifying = cli.add_subcommand(
      "verify", "Look at every page, entry and row, and fold the log once more to compare");
  CLI::App* inspecting =
      cli.add_subcommand("inspect", "Print a workflow, what it waits for, and its history");
  CLI::App* mock = cli.add_subcommand(
      "mock-gateway", "Run the mock gateway as a server of its own, with signed callbacks");
  CLI::App* benching =
      cli.add_subcommand("bench", "Load a server at fixed rates, measure and check it");
  CLI::App* simulating = cli.add_subcommand(
      "simulate", "Run a whole server under faults on virtual time, and check it");
  CLI::App* diagram =
      cli.add_subcommand("diagram", "Print the payment saga as a page with its diagram and table");
  for (CLI::App* command : {serve, check, health, replaying, verifying, inspecting}) {
    add_config_options(*command, arguments);
  }
  add_offline_options({replaying, verifying}, *inspecting, arguments);
  add_mock_options(*mock, arguments.mock);
  add_bench_options(*benching, arguments.bench);
  add_simulate_options(*simulating, arguments.simulate);
  version->add_flag("--licenses", arguments.licenses, "Print the notices of the libraries inside");
  version->add_flag("--json", arguments.json, "Print the version as JSON");
  try {
    cli.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const int code = cli.exit(error);
    return code == 0 ? kExitOk : kExitUsage;
  }
  if (serve->parsed()) {
    return run_serve(arguments);
  }
  if (check->parsed()) {
    return run_check_config(arguments);
  }
  if (health->parsed()) {
    return run_healthcheck(arguments);
  }
  if (replaying->parsed() || verifying->parsed()) {
    const auto look = replaying->parsed() ? replay : verify;
    return with_options(arguments,
                        [&](const auto& options) { return look(options, arguments.json); });
  }
  if (inspecting->parsed()) {
    return run_inspect(arguments);
  }
  if (mock->parsed()) {
    return mock_gateway(arguments.mock);
  }
  if (benching->parsed()) {
    return run_bench(arguments.bench);
  }
  if (simulating->parsed()) {
    return run_simulate(arguments.simulate);
  }
  return diagram->parsed() ? run_diagram() : run_version(arguments);
}

// Everything that throws is caught here: the libraries for command line and configuration do.
int run_guarded(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "payonce: %s\n", error.what());
    return kExitFailed;
  }
}

}  // namespace
}  // namespace payonce::app

// The unnamed namespace is this file's own, so its function is found through the named one.
int main(int argc, char** argv) { return payonce::app::run_guarded(argc, argv); }
