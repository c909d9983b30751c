// core/idempotency/model.h: what the machine remembers of an Idempotency-Key.
//
// Follows draft-ietf-httpapi-idempotency-key-header-07. The key is a SHA-256 over caller, method,
// route and the client's key; the fingerprint a SHA-256 over path and canonical body. Both are
// computed outside and come in as 32 raw bytes. The record and the effect that it guards are
// events of one commit, so neither is ever there without the other.
#pragma once

#include <cstdint>
#include <string>

#include "base/time.h"
#include "core/types.h"

namespace payonce::core {

// What a client was, or will be, told. The machine keeps it as opaque bytes.
struct Answer {
  std::uint32_t status = 0;  // HTTP status code
  std::string location;      // empty: no Location header
  std::string body;

  template <class Visitor, class Self>
  static void fields(Visitor& v, Self& self) {
    v("status", self.status);
    v("location", self.location);
    v("body", self.body);
  }
};

// Numbers are stored and never reused.
enum class KeyState : std::uint8_t {
  kProcessing = 1,  // the effect is recorded, the answer waits for the workflow's end
  kCompleted = 2,
};
[[nodiscard]] std::string_view name(KeyState state);

struct KeyRecord {
  std::string key;
  std::string fingerprint;
  KeyState state = KeyState::kProcessing;
  StreamKind workflow_kind = StreamKind::kLog;
  std::string workflow_id;  // of a claimed key: whose end completes the answer
  Answer answer;            // of a completed key
  Duration retention;       // counted from completion
  Timestamp expires_at;     // of a completed key; at this time it is gone

  template <class Visitor, class Self>
  static void fields(Visitor& v, Self& self) {
    v("key", self.key);
    v("fingerprint", self.fingerprint);
    v("state", self.state);
    v("workflow_kind", self.workflow_kind);
    v("workflow_id", self.workflow_id);
    v("answer", self.answer);
    v("retention", self.retention);
    v("expires_at", self.expires_at);
  }
};

}  // namespace payonce::core
