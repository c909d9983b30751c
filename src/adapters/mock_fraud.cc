#include "adapters/mock_fraud.h"

#include "adapters/mock_methods.h"

namespace payonce::adapters {
namespace {

constexpr std::string_view kFraud = "pm_fraud";
constexpr std::string_view kSlow = "pm_fraud_slow";

}  // namespace

bool MockFraud::immediate(std::string_view method) const {
  return options_.approve && options_.delay.count() == 0 && !has(method, kFraud) &&
         !has(method, kSlow);
}

std::chrono::milliseconds MockFraud::delay(std::string_view method) const {
  return has(method, kSlow) ? options_.slow_delay : options_.delay;
}

core::RecordFraudReply MockFraud::check(const core::CheckFraud& task) const {
  core::RecordFraudReply reply{.fraud_id = task.fraud_id,
                               .attempt = task.attempt,
                               .reply = core::FraudReply::kApproved,
                               .detail = {}};
  if (has(task.payment_method, kFraud)) {
    reply.reply = core::FraudReply::kRejected;
    reply.detail = "mock_rule";
  } else if (!options_.approve && !has(task.payment_method, kSlow)) {
    reply.reply = core::FraudReply::kRejected;
    reply.detail = "mock_verdict";
  }
  return reply;
}

}  // namespace payonce::adapters
