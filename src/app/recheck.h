// app/recheck.h: holds recorded histories against the rules of this build.
//
// A workflow is judged by the rules that it was born with, and those are compiled in. Should a
// build decide otherwise for a history that is still open, then going on with it would make two
// halves that do not fit; so the server does not start with it.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "app/store.h"
#include "core/replay.h"

namespace payonce::app {

struct Disagreement {
  std::string workflow_id;
  core::Difference difference;
};
[[nodiscard]] std::string describe(const Disagreement& disagreement);

struct Rechecked {
  std::uint64_t workflows = 0;
  std::uint64_t events = 0;
  std::uint64_t skipped = 0;          // workflows whose old history has been dropped
  std::optional<Disagreement> first;  // the first one that differs
};

// Decides every open payment again; stops at the first one that differs. Skipped (0 workflows) when
// this very build has done so before: DIR/DECIDED_BY names the build that last went on with them.
[[nodiscard]] Result<Rechecked> recheck_open(Store& store, const std::string& build);

// Decides every payment again, open or not. `differs` is told of each that differs; `progress` of
// each that has been looked at.
[[nodiscard]] Result<Rechecked> recheck_all(Store& store,
                                            const std::function<void(const Disagreement&)>& differs,
                                            const std::function<void()>& progress);

}  // namespace payonce::app
