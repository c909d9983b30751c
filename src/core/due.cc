#include "core/due.h"

#include <algorithm>
#include <variant>

#include "base/assert.h"
#include "core/index_keys.h"

namespace payonce::core {
namespace {

constexpr std::size_t kTimeSize = 8;

template <class Pending>
void add_call(DueSet& dues, TaskClass task, const Pending& pending) {
  if (pending) {
    dues.add(task, pending->not_before);
  }
}

void add_timer(DueSet& dues, const std::optional<Timestamp>& timer) {
  if (timer) {
    dues.add(TaskClass::kTimer, *timer);
  }
}

// What tells a task from the others of its workflow: the number of its call.
std::uint64_t number_of(const Effect& effect) {
  return std::visit(
      [](const auto& task) -> std::uint64_t {
        if constexpr (requires { task.attempt; }) {
          return task.attempt;
        } else if constexpr (requires { task.inquiry; }) {
          return task.inquiry;
        } else if constexpr (requires { task.call; }) {
          return task.call;
        } else {
          return 0;
        }
      },
      effect);
}

std::string_view workflow_of(const Effect& effect) {
  return std::visit(
      [](const auto& task) -> std::string_view {
        if constexpr (requires { task.fraud_id; }) {
          return task.fraud_id;
        } else if constexpr (requires { task.refund_id; }) {
          return task.refund_id;
        } else if constexpr (requires { task.payment_id; }) {
          return task.payment_id;
        } else {
          return task.id;
        }
      },
      effect);
}

}  // namespace

Index index_of(TaskClass task) {
  switch (task) {
    case TaskClass::kGateway:
      return Index::kGatewayDue;
    case TaskClass::kFraud:
      return Index::kFraudDue;
    case TaskClass::kNotify:
      return Index::kNotifyDue;
    case TaskClass::kWebhook:
      return Index::kWebhookDue;
    case TaskClass::kSmtp:
      return Index::kSmtpDue;
    case TaskClass::kTimer:
      return Index::kTimerDue;
  }
  PAYONCE_ASSERT(false);  // there are no other classes
  return Index::kTimerDue;
}

TaskClass task_class(NotifyChannel channel) {
  switch (channel) {
    case NotifyChannel::kLog:
      return TaskClass::kNotify;
    case NotifyChannel::kWebhook:
      return TaskClass::kWebhook;
    case NotifyChannel::kSmtp:
      return TaskClass::kSmtp;
  }
  PAYONCE_ASSERT(false);  // there are no other channels
  return TaskClass::kNotify;
}

std::optional<TaskClass> task_class(const Effect& effect) {
  if (std::holds_alternative<WorkflowEnded>(effect)) {
    return std::nullopt;
  }
  if (const auto* send = std::get_if<SendNotification>(&effect)) {
    return task_class(send->channel);
  }
  if (std::holds_alternative<CheckFraud>(effect)) {
    return TaskClass::kFraud;
  }
  return std::holds_alternative<StartTimer>(effect) ? TaskClass::kTimer : TaskClass::kGateway;
}

Timestamp due_of(const Effect& effect) {
  return std::visit(
      [](const auto& task) -> Timestamp {
        if constexpr (requires { task.not_before; }) {
          return task.not_before;
        } else if constexpr (requires { task.due; }) {
          return task.due;
        } else {
          return {};
        }
      },
      effect);
}

std::string task_identity(const Effect& effect) {
  std::string identity(1, static_cast<char>(effect.index()));
  const auto* send = std::get_if<SendNotification>(&effect);
  identity += static_cast<char>(send == nullptr ? NotifyChannel::kLog : send->channel);
  append_big_endian(identity, static_cast<std::uint64_t>(due_of(effect).us));
  append_big_endian(identity, number_of(effect));
  return identity.append(workflow_of(effect));
}

void DueSet::add(TaskClass task, Timestamp at) {
  const Due due{.task = task, .at = at};
  if (!has(due)) {
    PAYONCE_ASSERT(count_ < dues_.size());
    dues_[count_++] = due;
  }
}

bool DueSet::has(const Due& due) const { return std::ranges::find(all(), due) != all().end(); }

DueSet dues_of(const Payment& payment) {
  DueSet dues;
  add_call(dues, TaskClass::kGateway, pending_gateway_call(payment));
  add_call(dues, TaskClass::kGateway, pending_inquiry(payment));
  add_call(dues, TaskClass::kGateway, pending_undo(payment));
  for (const NotifyChannel channel : kNotifyChannels) {
    if (const Delivery* delivery = find_delivery(payment, channel)) {
      add_call(dues, task_class(channel), pending_notification(*delivery));
    }
  }
  add_timer(dues, pending_timer(payment));
  return dues;
}

DueSet dues_of(const FraudCheck& check) {
  DueSet dues;
  add_call(dues, TaskClass::kFraud, pending_fraud_call(check));
  add_timer(dues, pending_timer(check));
  return dues;
}

DueSet dues_of(const Refund& refund) {
  DueSet dues;
  add_call(dues, TaskClass::kGateway, pending_refund_call(refund));
  return dues;
}

void update_dues(IndexSink& indexes, StreamKind kind, std::string_view id, const DueSet& before,
                 const DueSet& now) {
  for (const Due& due : before.all()) {
    if (!now.has(due)) {
      indexes.erase(index_of(due.task), due_key(due.at, kind, id));
    }
  }
  for (const Due& due : now.all()) {
    if (!before.has(due)) {
      indexes.put(index_of(due.task), due_key(due.at, kind, id), {});
    }
  }
}

std::string due_from(Timestamp at) {
  std::string key;
  append_big_endian(key, static_cast<std::uint64_t>(at.us));
  return key;
}

std::string due_key(Timestamp at, StreamKind kind, std::string_view id) {
  std::string key;
  key.reserve(kTimeSize + 1 + id.size());
  append_big_endian(key, static_cast<std::uint64_t>(at.us));
  key += static_cast<char>(kind);
  return key.append(id);
}

std::optional<DueKey> parse_due_key(std::string_view key) {
  if (key.size() <= kTimeSize + 1) {
    return std::nullopt;
  }
  DueKey parsed;
  parsed.at.us = static_cast<std::int64_t>(read_big_endian(key.substr(0, kTimeSize)));
  parsed.kind = static_cast<StreamKind>(key[kTimeSize]);
  parsed.id = key.substr(kTimeSize + 1);
  return parsed;
}

}  // namespace payonce::core
