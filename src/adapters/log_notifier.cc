#include "adapters/log_notifier.h"

#include "adapters/notification.h"

namespace payonce::adapters {

core::RecordNotification LogNotifier::send(const core::SendNotification& message) {
  if (auto failure = mock_failure(message, honour_mock_methods_)) {
    return *std::move(failure);
  }
  log_->info("notification",
             {{"payment_id", message.payment_id},
              {"user_id", message.user_id},
              {"status", core::name(message.status)},
              {"failure", core::name(message.failure)},
              {"amount", format_amount(message.amount.minor, message.amount.currency)},
              {"currency", message.amount.currency.code()},
              {"attempt", message.attempt}});
  return answer_to(message, core::NotifyReply::kDelivered);
}

}  // namespace payonce::adapters
