// core/idempotency/events.h: facts about Idempotency-Keys.
//
// Type numbers and field order are stored: see docs/log-format.md for what may change.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/time.h"
#include "core/idempotency/model.h"

namespace payonce::core {

// The request's effect is in this commit; its answer follows when the workflow ends.
struct KeyClaimed {
  static constexpr std::uint16_t kType = 50;
  static constexpr std::string_view kName = "key_claimed";
  std::string key;
  std::string fingerprint;
  StreamKind workflow_kind = StreamKind::kLog;
  std::string workflow_id;
  Duration retention;

  template <class Visitor, class Self>
  static void fields(Visitor& v, Self& self) {
    v("key", self.key);
    v("fingerprint", self.fingerprint);
    v("workflow_kind", self.workflow_kind);
    v("workflow_id", self.workflow_id);
    v("retention", self.retention);
  }
};

// The answer that every repetition of the request gets from now on.
struct AnswerRecorded {
  static constexpr std::uint16_t kType = 51;
  static constexpr std::string_view kName = "answer_recorded";
  std::string key;
  std::string fingerprint;
  Duration retention;
  Answer answer;

  template <class Visitor, class Self>
  static void fields(Visitor& v, Self& self) {
    v("key", self.key);
    v("fingerprint", self.fingerprint);
    v("retention", self.retention);
    v("answer", self.answer);
  }
};

}  // namespace payonce::core
