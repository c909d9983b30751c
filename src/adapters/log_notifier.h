// adapters/log_notifier.h: notifies by a line in the server's own log. Thread-safe.
#pragma once

#include "core/commands.h"
#include "core/outcome.h"
#include "observe/logger.h"

namespace payonce::adapters {

class LogNotifier {
 public:
  // `log` outlives it. `honour_mock_methods`: see notification.h.
  LogNotifier(observe::Logger& log, bool honour_mock_methods)
      : log_(&log), honour_mock_methods_(honour_mock_methods) {}
  [[nodiscard]] core::RecordNotification send(const core::SendNotification& message);

 private:
  observe::Logger* log_;
  bool honour_mock_methods_;
};

}  // namespace payonce::adapters
