// bench/progress.h: says on standard error what is going on, once a second.
//
// On a terminal one line is written over and over; anywhere else each second gets a line of its
// own. One thread.
#pragma once

#include "bench/recorder.h"

namespace payonce::bench {

class Progress {
 public:
  enum class Where : std::uint8_t { kNowhere, kTerminal, kLines };

  explicit Progress(Where where) : where_(where) {}
  // What suits standard error as it is.
  [[nodiscard]] static Where fitting(bool quiet);

  void show(const Second& second);
  // Before anything else is written to the terminal: takes the line away.
  void clear();

 private:
  Where where_;
  bool shown_ = false;
};

}  // namespace payonce::bench
