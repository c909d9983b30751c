// core/decision.h: what a decide function is told and what it says.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/ids.h"
#include "base/time.h"
#include "core/outcome.h"
#include "core/record.h"

namespace payonce::core {

struct Context {
  Timestamp now;
  std::uint64_t salt = 0;
  Seq next_seq = 1;  // of the first event that this command will add

  // One id of each prefix per command: the sequence is what makes it unique.
  [[nodiscard]] std::string make_id(std::string_view prefix) const {
    return payonce::make_id(prefix, now, IdSeed{.salt = salt, .sequence = next_seq});
  }
};

struct NewEvent {
  StreamKind kind = StreamKind::kLog;
  std::string stream;
  Event event;
};

// The events of one command, in order. Reused between commands to keep its memory.
using Decision = std::vector<NewEvent>;

}  // namespace payonce::core
