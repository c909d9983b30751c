// core/idempotency/keys.h: rules of Idempotency-Keys inside the machine.
#pragma once

#include <optional>

#include "core/commands.h"
#include "core/decision.h"
#include "core/record.h"
#include "core/rows.h"

namespace payonce::core {

// What an earlier use of the key means for this request: nothing (go on and decide), a replay, a
// conflict, or a request still running. An expired record counts as none.
[[nodiscard]] std::optional<OutcomeKind> check_key(const KeyedRequest& request,
                                                   const KeyRecord* record, Timestamp now);

// Whether the answer to such an outcome is kept. What recorded nothing is decided afresh on a
// repetition: validation errors, conflicts and unknown accounts.
[[nodiscard]] bool keeps_answer(OutcomeKind kind);

[[nodiscard]] OutcomeKind decide_complete_key(const CompleteKey& command, const KeyRecord* record,
                                              Decision& out);

[[nodiscard]] bool evolve(Rows& rows, const Record& record, const KeyClaimed& event);
[[nodiscard]] bool evolve(Rows& rows, const Record& record, const AnswerRecorded& event);

}  // namespace payonce::core
