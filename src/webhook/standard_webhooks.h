// webhook/standard_webhooks.h: signs and verifies messages as Standard Webhooks 1.0.0 says
// (github.com/standard-webhooks/standard-webhooks, spec/standard-webhooks.md, symmetric
// signatures).
//
// Used in both directions: the gateway's callbacks come in signed, our notifications go out signed.
// A leaf like config and observe: rooms above core may use it. No clock here: time comes in.
// Threads: all functions are pure; a Secret may be shared once it is made.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

namespace payonce::webhook {

// The key behind "whsec_" + base64: 24 to 64 bytes.
class Secret {
 public:
  // Errors say what is wrong with the text but never repeat it.
  [[nodiscard]] static Result<Secret> parse(std::string_view text);
  [[nodiscard]] std::string_view key() const { return key_; }

 private:
  std::string key_;
};

// What the three headers carry. `timestamp` is the attempt's, in Unix seconds.
struct Head {
  std::string id;
  std::string timestamp;
  std::string signature;
};

// The value of webhook-signature: one "v1,<base64>" per secret, separated by spaces, so that a
// receiver may hold the old or the new one while secrets are rotated.
[[nodiscard]] std::string sign(std::span<const Secret> secrets, std::string_view id,
                               std::int64_t unix_seconds, std::string_view body);

enum class Verdict : std::uint8_t {
  kGood,
  kMissingHeader,  // one of the three is absent or empty
  kMalformed,      // the timestamp is no number, or the id holds a '.'
  kTooOld,         // further than the tolerance from `now`
  kTooNew,
  kBadSignature,  // none of the v1 signatures is by one of the secrets
};
[[nodiscard]] std::string_view name(Verdict verdict);

// Compares in constant time, against every secret; signatures of unknown versions are passed over.
[[nodiscard]] Verdict verify(std::span<const Secret> secrets, const Head& head,
                             std::string_view body, std::int64_t now_unix_seconds,
                             std::int64_t tolerance_seconds);

}  // namespace payonce::webhook
