// app/bench_command.h: the command line of `payonce bench`; the load itself is bench/bench.h.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "bench/options.h"

namespace payonce::app {

// As it was typed; run_bench() checks it.
struct BenchCommand {
  std::string url = "http://127.0.0.1:8080";
  std::string scenario = "accept";
  std::string rates = "1000";
  double duration_s = 10;
  double warmup_s = 2;
  double timeout_s = 30;
  double settle_s = 60;
  bool allow_remote = false;
  bench::Options options;
};

void add_bench_options(CLI::App& command, BenchCommand& bench);

// kExitOk; kExitFailed when an answer or the money is wrong or the server is not there; kExitUsage.
[[nodiscard]] int run_bench(const BenchCommand& command);

}  // namespace payonce::app
