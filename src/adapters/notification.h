// adapters/notification.h: what the ways of telling about a payment's end have in common.
//
// Threads: all functions are pure.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "core/commands.h"
#include "core/outcome.h"

namespace payonce::adapters {

// "payment.success", "payment.fail" or "payment.cancelled".
[[nodiscard]] std::string_view notification_type(core::PaymentStatus status);

// "msg_" and 32 hexadecimal digits: the same for every attempt and every channel, so that a
// receiver can drop what it has seen. Depends on the payment's id and the type only.
[[nodiscard]] std::string notification_id(const core::SendNotification& message);

// The answer to `message`, with its payment, channel and attempt. The error is cut to one line.
[[nodiscard]] core::RecordNotification answer_to(const core::SendNotification& message,
                                                 core::NotifyReply reply,
                                                 std::string_view error = {});

// The failure that a test asked for by a payment method with "pm_notify_fail" in it; nothing unless
// `honour_mock_methods`, which is true only where the mock gateway is used.
[[nodiscard]] std::optional<core::RecordNotification> mock_failure(
    const core::SendNotification& message, bool honour_mock_methods);

// `text` with everything but printable ASCII replaced by '?', cut to `max` bytes. For text that
// comes from outside: fit for a log line, an error or a mail header.
[[nodiscard]] std::string one_line(std::string_view text, std::size_t max);

}  // namespace payonce::adapters
