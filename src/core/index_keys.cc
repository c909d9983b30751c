#include "core/index_keys.h"

#include "base/assert.h"

namespace payonce::core {
namespace {

constexpr std::string_view kCompensationTask = "compensation:";
constexpr std::string_view kRefundTask = "refund:";
constexpr std::string_view kNotifyTask = "notify-";

}  // namespace

void append_big_endian(std::string& out, std::uint64_t value) {
  for (int shift = 56; shift >= 0; shift -= 8) {
    out += static_cast<char>((value >> shift) & 0xffU);
  }
}

std::uint64_t read_big_endian(std::string_view eight_bytes) {
  PAYONCE_ASSERT(eight_bytes.size() == 8);
  std::uint64_t value = 0;
  for (const char c : eight_bytes) {
    value = (value << 8) | static_cast<unsigned char>(c);
  }
  return value;
}

std::string position(Timestamp created_at, Seq seq) {
  std::string key;
  key.reserve(kPositionSize);
  append_big_endian(key, static_cast<std::uint64_t>(created_at.us));
  append_big_endian(key, seq);
  return key;
}

std::string text_prefix(std::string_view text) {
  std::string key(text);
  key += '\0';
  return key;
}

std::string status_prefix(PaymentStatus status) {
  return std::string(1, static_cast<char>(status));
}

std::string compensation_task(std::string_view payment_id) {
  return std::string(kCompensationTask).append(payment_id);
}

std::string refund_task(std::string_view refund_id) {
  return std::string(kRefundTask).append(refund_id);
}

std::string notify_task(NotifyChannel channel, std::string_view payment_id) {
  return std::string(kNotifyTask).append(name(channel)).append(":").append(payment_id);
}

std::optional<TaskName> parse_task(std::string_view task_id) {
  TaskName task;
  if (task_id.starts_with(kCompensationTask)) {
    task.workflow_id = task_id.substr(kCompensationTask.size());
    return task;
  }
  if (task_id.starts_with(kRefundTask)) {
    task.kind = TaskName::Kind::kRefund;
    task.workflow_id = task_id.substr(kRefundTask.size());
    return task;
  }
  for (const NotifyChannel channel : kNotifyChannels) {
    const std::string prefix = notify_task(channel, {});
    if (task_id.starts_with(prefix)) {
      task.kind = TaskName::Kind::kNotify;
      task.channel = channel;
      task.workflow_id = task_id.substr(prefix.size());
      return task;
    }
  }
  return std::nullopt;
}

}  // namespace payonce::core
