// payonce: the command line. Every subcommand reads its configuration the same way.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

#include "app/exit_code.h"
#include "app/licenses.h"
#include "app/serve.h"
#include "app/version_text.h"
#include "config/load.h"
#include "config/render.h"
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

void add_config_options(CLI::App& command, Arguments& arguments) {
  command.add_option("--config", arguments.config, "Configuration file (TOML)");
  command.add_option("--data", arguments.data, "Data directory (storage.data)");
  command.add_option("--listen", arguments.listen, "Address to listen on, HOST:PORT");
  command.add_option("--set", arguments.sets, "One key: section.key=value; may be repeated")
      ->allow_extra_args(false);
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
  for (CLI::App* command : {serve, check, health}) {
    add_config_options(*command, arguments);
  }
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
  return run_version(arguments);
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
