// core/due.h: when the tasks that a row waits for are due, and the secondary keys that say so.
//
// Whatever a row waits for stands under its time in the index of its class. So the engine needs to
// hold in memory only what is due soon and finds the rest when its time comes nearer, and recovery
// finds everything. Pure.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/time.h"
#include "core/outcome.h"
#include "core/rows.h"

namespace payonce::core {

// The classes of tasks: those of a class are run by one queue, so that no class waits for another
// one. Places in kTaskClasses.
enum class TaskClass : std::uint8_t {
  kGateway = 0,
  kFraud = 1,
  kNotify = 2,  // by the log
  kWebhook = 3,
  kSmtp = 4,
  kTimer = 5
};
inline constexpr std::array kTaskClasses{TaskClass::kGateway, TaskClass::kFraud, TaskClass::kNotify,
                                         TaskClass::kWebhook, TaskClass::kSmtp,  TaskClass::kTimer};

[[nodiscard]] Index index_of(TaskClass task);
[[nodiscard]] TaskClass task_class(NotifyChannel channel);
// Nothing for WorkflowEnded, which is no task.
[[nodiscard]] std::optional<TaskClass> task_class(const Effect& effect);
// A task may not start earlier; zero for what is none.
[[nodiscard]] Timestamp due_of(const Effect& effect);
// The same text for the same task, released again or not, and another one for every other task.
[[nodiscard]] std::string task_identity(const Effect& effect);

struct Due {
  TaskClass task = TaskClass::kGateway;
  Timestamp at;
  bool operator==(const Due&) const = default;
};

// A set: tasks of one class that are due at the same time have one key.
class DueSet {
 public:
  void add(TaskClass task, Timestamp at);
  [[nodiscard]] bool has(const Due& due) const;
  [[nodiscard]] std::span<const Due> all() const { return {dues_.data(), count_}; }
  [[nodiscard]] bool empty() const { return count_ == 0; }

 private:
  // A payment's call, inquiry, undo, timer and three notifications.
  std::array<Due, 7> dues_{};
  std::size_t count_ = 0;
};

[[nodiscard]] DueSet dues_of(const Payment& payment);
[[nodiscard]] DueSet dues_of(const FraudCheck& check);
[[nodiscard]] DueSet dues_of(const Refund& refund);

// Puts and erases the keys in which the two differ.
void update_dues(IndexSink& indexes, StreamKind kind, std::string_view id, const DueSet& before,
                 const DueSet& now);

// The key in the index of its class: due time, kind, workflow id.
struct DueKey {
  Timestamp at;
  StreamKind kind = StreamKind::kPayment;
  std::string_view id;
};
[[nodiscard]] std::string due_key(Timestamp at, StreamKind kind, std::string_view id);
// The smallest key of those due at `at` or later.
[[nodiscard]] std::string due_from(Timestamp at);
// `id` points into the key. Nothing for bytes that are no such key.
[[nodiscard]] std::optional<DueKey> parse_due_key(std::string_view key);

}  // namespace payonce::core
