// app/simulate_apart.h: one simulation in a process of its own.
//
// A rule that a bug breaks may be an assertion, which ends the process; here that is a violation
// like any other, and what happened before it is still told. Owner: the main thread, and no other
// thread may exist.
#pragma once

#include <cstddef>
#include <string>

#include "base/result.h"
#include "sim/simulator.h"

namespace payonce::app {

// As sim::simulate(). The rule "assertion" says that the process ended by itself; what it printed
// went to stderr. kIo: there is no room for another process.
[[nodiscard]] Result<sim::Report> simulate_apart(const sim::Plan& plan, const std::string& dir,
                                                 std::size_t trace_lines);

}  // namespace payonce::app
