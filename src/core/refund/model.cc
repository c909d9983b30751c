#include "core/refund/model.h"

namespace payonce::core {

std::string_view name(RefundStatus status) {
  switch (status) {
    case RefundStatus::kProcessing:
      return "processing";
    case RefundStatus::kSuccess:
      return "success";
    case RefundStatus::kFail:
      return "fail";
    case RefundStatus::kExhausted:
      return "exhausted";
  }
  return "";
}

std::optional<PendingCall> pending_refund_call(const Refund& refund) {
  if (refund.status != RefundStatus::kProcessing) {
    return std::nullopt;
  }
  return PendingCall{.attempt = refund.calls + 1, .not_before = refund.not_before};
}

}  // namespace payonce::core
