#include "adapters/notification.h"

#include <openssl/sha.h>

#include <algorithm>
#include <array>

#include "base/digits.h"

namespace payonce::adapters {
namespace {

constexpr std::size_t kErrorMax = 300;
constexpr std::size_t kIdBytes = 16;

}  // namespace

std::string_view notification_type(core::PaymentStatus status) {
  switch (status) {
    case core::PaymentStatus::kSuccess:
      return "payment.success";
    case core::PaymentStatus::kFail:
      return "payment.fail";
    case core::PaymentStatus::kCancelled:
      return "payment.cancelled";
    case core::PaymentStatus::kPending:  // these two have nothing to notify of
    case core::PaymentStatus::kProcessing:
      break;
  }
  return "payment.processing";
}

std::string notification_id(const core::SendNotification& message) {
  const std::string text =
      message.payment_id + "/" + std::string(notification_type(message.status));
  std::array<unsigned char, SHA256_DIGEST_LENGTH> digest{};
  SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest.data());
  return "msg_" + to_hex({reinterpret_cast<const char*>(digest.data()), kIdBytes});
}

core::RecordNotification answer_to(const core::SendNotification& message, core::NotifyReply reply,
                                   std::string_view error) {
  return {.payment_id = message.payment_id,
          .channel = message.channel,
          .attempt = message.attempt,
          .reply = reply,
          .error = one_line(error, kErrorMax)};
}

std::optional<core::RecordNotification> mock_failure(const core::SendNotification& message,
                                                     bool honour_mock_methods) {
  if (!honour_mock_methods || !message.payment_method.contains("pm_notify_fail")) {
    return std::nullopt;
  }
  return answer_to(message, core::NotifyReply::kFailed, "mock: pm_notify_fail");
}

std::string one_line(std::string_view text, std::size_t max) {
  std::string line(text.substr(0, max));
  std::ranges::replace_if(
      line, [](char c) { return c < ' ' || c > '~'; }, '?');
  return line;
}

}  // namespace payonce::adapters
