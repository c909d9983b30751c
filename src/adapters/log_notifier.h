// adapters/log_notifier.h: notifies by a line in the server's own log. Thread-safe.
#pragma once

#include "core/commands.h"
#include "core/outcome.h"
#include "observe/logger.h"

namespace payonce::adapters {

class LogNotifier {
 public:
  explicit LogNotifier(observe::Logger& log) : log_(&log) {}
  [[nodiscard]] core::RecordNotification send(const core::SendNotification& message);

 private:
  observe::Logger* log_;
};

}  // namespace payonce::adapters
