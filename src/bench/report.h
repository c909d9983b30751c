// bench/report.h: results as text: the table, the progress line, JSON lines. Pure; any thread.
#pragma once

#include <cstdint>
#include <string>

#include "bench/options.h"
#include "bench/result.h"

namespace payonce::bench {

// "812 µs", "3.41 ms", "1.20 s": three digits, in the unit that they need.
[[nodiscard]] std::string format_us(std::int64_t us);
// To the nearest whole number; the value is not negative.
[[nodiscard]] std::uint64_t rounded(double value);
// "12,345".
[[nodiscard]] std::string format_count(std::uint64_t count);

// What is about to be loaded with, in one line.
[[nodiscard]] std::string render_intent(const Options& options);
[[nodiscard]] std::string render_header();
// One line of the table for each step.
[[nodiscard]] std::string render_row(const StepResult& step);
// What the row has no place for: where errors are from, the money, the generator's own lateness.
[[nodiscard]] std::string render_notes(const StepResult& step);

// One line, without its end, about the second that has just passed.
[[nodiscard]] std::string render_progress(const Second& second);

// JSON lines: one of kind "second" for each second of the step, then one of kind "step".
[[nodiscard]] std::string render_json(const StepResult& step);

}  // namespace payonce::bench
