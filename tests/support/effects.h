// What the rows of a machine wait for, and whether a task that was released once is still wanted.
#pragma once

#include <string>
#include <type_traits>
#include <variant>
#include <vector>

#include "core/effects.h"
#include "core/rows.h"

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

}  // namespace payonce::testing_support
