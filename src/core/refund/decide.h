// core/refund/decide.h: the rules of refunds. Pure functions: rows and command in, events out.
#pragma once

#include <string>
#include <string_view>

#include "core/commands.h"
#include "core/decision.h"

namespace payonce::core {

// How many refunds one payment may have: bounds its history.
inline constexpr std::uint32_t kRefundsMax = 1000;

// The error of a refund whose account has no room for it. Stored: a history is read by it.
inline constexpr std::string_view kRefundOverflow = "the account could not hold that much";

struct RefundParties {
  const Refund* refund = nullptr;
  const Account* payer = nullptr;  // gets the money back
};

struct RefundVerdict {
  OutcomeKind kind = OutcomeKind::kPaymentNotFound;
  AmountError amount_error = AmountError::kSyntax;
};
// `id` is the new refund's id, made by the machine.
[[nodiscard]] RefundVerdict decide_create_refund(const CreateRefund& command, const std::string& id,
                                                 const Payment* payment, Decision& out);

// A result that the refund does not wait for is kResultStale and adds no event.
[[nodiscard]] OutcomeKind decide_refund_reply(const RecordRefundReply& command,
                                              const RefundParties& parties, const Context& context,
                                              Decision& out);
[[nodiscard]] OutcomeKind decide_retry_refund(const Refund* refund, Decision& out);

}  // namespace payonce::core
