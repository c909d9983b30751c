#include "bench/progress.h"

#include <unistd.h>

#include <cstdio>

#include "bench/report.h"

namespace payonce::bench {
namespace {

// To the begin of the line, and erase to its end.
constexpr const char* kErase = "\r\x1b[K";

}  // namespace

Progress::Where Progress::fitting(bool quiet) {
  if (quiet) {
    return Where::kNowhere;
  }
  return ::isatty(STDERR_FILENO) == 1 ? Where::kTerminal : Where::kLines;
}

void Progress::show(const Second& second) {
  if (where_ == Where::kNowhere) {
    return;
  }
  const std::string line = render_progress(second);
  if (where_ == Where::kTerminal) {
    std::fprintf(stderr, "%s%s", kErase, line.c_str());
    std::fflush(stderr);
    shown_ = true;
  } else {
    std::fprintf(stderr, "%s\n", line.c_str());
  }
}

void Progress::clear() {
  if (shown_) {
    std::fputs(kErase, stderr);
    std::fflush(stderr);
    shown_ = false;
  }
}

}  // namespace payonce::bench
