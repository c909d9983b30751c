// What the rows of a machine wait for, and whether a task that was released once is still wanted.
#pragma once

#include <string>
#include <type_traits>
#include <variant>
#include <vector>

#include "core/effects.h"
#include "core/rows.h"
#include "support/dump.h"

namespace payonce::testing_support {

// Everything that the changed rows wait for.
[[nodiscard]] inline std::vector<core::Effect> pending_effects(const core::Rows& rows) {
  std::vector<core::Effect> all;
  const auto add = [&](const std::string&, const auto& row) {
    core::append_pending_effects(row, all);
  };
  rows.payments.for_each_changed(add);
  rows.frauds.for_each_changed(add);
  rows.refunds.for_each_changed(add);
  return all;
}

// As the engine asks before it runs a task.
[[nodiscard]] inline bool still_wanted(core::Rows& rows, const core::Effect& effect) {
  return std::visit(
      [&](const auto& task) {
        using Task = std::decay_t<decltype(task)>;
        if constexpr (std::is_same_v<Task, core::CheckFraud>) {
          return core::wanted(effect, rows.frauds.find(task.fraud_id));
        } else if constexpr (std::is_same_v<Task, core::RefundAtGateway>) {
          return core::wanted(effect, rows.refunds.find(task.refund_id));
        } else if constexpr (requires { task.payment_id; }) {
          return core::wanted(effect, rows.payments.find(task.payment_id));
        } else {
          return task.kind == core::StreamKind::kFraud
                     ? core::wanted(effect, rows.frauds.find(task.id))
                     : core::wanted(effect, rows.payments.find(task.id));
        }
      },
      effect);
}

// Tasks as text, without the failure that a notification tells: a payment that could not be undone
// gets another one, its first cause, when it is undone after all.
[[nodiscard]] inline std::string task_text(core::Effect effect) {
  if (auto* send = std::get_if<core::SendNotification>(&effect)) {
    send->failure = core::FailureCode::kNone;
  }
  return dump(effect);
}
[[nodiscard]] inline std::vector<std::string> task_texts(const std::vector<core::Effect>& effects) {
  std::vector<std::string> all;
  for (const core::Effect& effect : effects) {
    all.push_back(task_text(effect));
  }
  return all;
}

}  // namespace payonce::testing_support
