// core/index_keys.h: how the ordered secondary keys are written.
//
// Numbers are big endian so that byte order is number order; texts end with a zero byte, which no
// id contains. `position` = created_at and seq, 16 bytes, is the part that a list's cursor names.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/time.h"
#include "core/payment/model.h"
#include "core/types.h"

namespace payonce::core {

inline constexpr std::size_t kPositionSize = 16;

void append_big_endian(std::string& out, std::uint64_t value);
[[nodiscard]] std::uint64_t read_big_endian(std::string_view eight_bytes);

[[nodiscard]] std::string position(Timestamp created_at, Seq seq);
[[nodiscard]] std::string text_prefix(std::string_view text);  // text and its zero byte
[[nodiscard]] std::string status_prefix(PaymentStatus status);

// kExhausted: a task whose attempts are used up, named the same way to clients:
// "compensation:<payment>", "refund:<refund>" or "notify-<channel>:<payment>".
[[nodiscard]] std::string compensation_task(std::string_view payment_id);
[[nodiscard]] std::string refund_task(std::string_view refund_id);
[[nodiscard]] std::string notify_task(NotifyChannel channel, std::string_view payment_id);

struct TaskName {
  enum class Kind : std::uint8_t { kCompensation, kRefund, kNotify };
  Kind kind = Kind::kCompensation;
  NotifyChannel channel = NotifyChannel::kLog;
  std::string_view workflow_id;
};
[[nodiscard]] std::optional<TaskName> parse_task(std::string_view task_id);

}  // namespace payonce::core
