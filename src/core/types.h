// core/types.h: the few words that every part of the machine uses.
#pragma once

#include <cstdint>
#include <string_view>

namespace payonce::core {

// Position of an event in the log: dense, from 1. 0 means "none".
using Seq = std::uint64_t;

// What a stream of events belongs to. Numbers are stored and never reused.
enum class StreamKind : std::uint8_t {
  kLog = 0,
  kAccount = 1,
  kPayment = 2,
  kIdempotency = 3,
  kFraud = 4,
  kRefund = 5,
};

[[nodiscard]] constexpr std::string_view name(StreamKind kind) {
  switch (kind) {
    case StreamKind::kLog:
      return "log";
    case StreamKind::kAccount:
      return "account";
    case StreamKind::kPayment:
      return "payment";
    case StreamKind::kIdempotency:
      return "idempotency";
    case StreamKind::kFraud:
      return "fraud";
    case StreamKind::kRefund:
      return "refund";
  }
  return "";
}

}  // namespace payonce::core
