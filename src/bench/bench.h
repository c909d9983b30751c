// bench/bench.h: `payonce bench`: loads a server, step by step, and checks what became of it.
//
// Writes the table and the verdict to standard output, progress and errors to standard error, and
// the files that the options name. Runs on the calling thread until all steps have ended, which is
// bounded by the options. One run at a time in a process.
#pragma once

#include "bench/options.h"

namespace payonce::bench {

enum class Verdict : std::uint8_t {
  kGood,
  kBad,         // something is wrong with the answers or the money, or the server is not there
  kCannotWrite  // a file of the options cannot be written; found out before the load
};

[[nodiscard]] Verdict run(const Options& options);

}  // namespace payonce::bench
