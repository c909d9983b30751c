#include "adapters/log_notifier.h"

namespace payonce::adapters {

core::RecordNotification LogNotifier::send(const core::SendNotification& message) {
  log_->info("notification",
             {{"payment_id", message.payment_id},
              {"user_id", message.user_id},
              {"status", core::name(message.status)},
              {"failure", core::name(message.failure)},
              {"amount", format_amount(message.amount.minor, message.amount.currency)},
              {"currency", message.amount.currency.code()},
              {"attempt", message.attempt}});
  return core::RecordNotification{
      .payment_id = message.payment_id, .attempt = message.attempt, .delivered = true, .error = {}};
}

}  // namespace payonce::adapters
