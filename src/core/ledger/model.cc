#include "core/ledger/model.h"

namespace payonce::core {

std::string_view name(TransferState state) {
  switch (state) {
    case TransferState::kPosted:
      return "posted";
    case TransferState::kHeld:
      return "held";
    case TransferState::kVoided:
      return "voided";
  }
  return "";
}

std::string transfer_key(std::string_view workflow_id, std::string_view step) {
  std::string key;
  key.reserve(workflow_id.size() + 1 + step.size());
  key.append(workflow_id).append(1, '/').append(step);
  return key;
}

std::string funding_account(Currency currency) {
  return std::string("sys:funding:").append(currency.code());
}

std::string gateway_account(Currency currency) {
  return std::string("sys:gateway:").append(currency.code());
}

}  // namespace payonce::core
