// bench/svg.h: the results as a drawing: latency by percentile, and the tail second by second.
//
// One curve for each step, on HdrHistogram's axis, where each further nine has the same width. The
// drawing follows the viewer's light or dark scheme and needs nothing but itself. Pure.
#pragma once

#include <string>
#include <vector>

#include "bench/result.h"

namespace payonce::bench {

[[nodiscard]] std::string render_svg(const std::string& title,
                                     const std::vector<StepResult>& steps);

}  // namespace payonce::bench
