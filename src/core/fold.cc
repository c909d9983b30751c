#include "core/fold.h"

#include <variant>

#include "core/fraud/evolve.h"
#include "core/idempotency/keys.h"
#include "core/ledger/evolve.h"
#include "core/payment/evolve.h"
#include "core/refund/evolve.h"

namespace payonce::core {
namespace {

template <class... Functions>
struct Overloaded : Functions... {
  using Functions::operator()...;
};
template <class... Functions>
Overloaded(Functions...) -> Overloaded<Functions...>;

// A movement within a workflow's stream is also a step of that workflow.
template <class LedgerEvent>
bool fold_movement(Rows& rows, const Record& record, const LedgerEvent& event) {
  if (!evolve(rows, record, event)) {
    return false;
  }
  if (record.kind == StreamKind::kRefund) {
    return note_refund_transfer(rows, record);
  }
  return record.kind != StreamKind::kPayment || note_ledger_event(rows, record);
}

}  // namespace

bool fold(Rows& rows, const Record& record) {
  return std::visit(
      Overloaded{[](const LogCreated&) { return true; },
                 [&](const FundsTransferred& e) { return fold_movement(rows, record, e); },
                 [&](const FundsHeld& e) { return fold_movement(rows, record, e); },
                 [&](const HoldPosted& e) { return fold_movement(rows, record, e); },
                 [&](const HoldVoided& e) { return fold_movement(rows, record, e); },
                 [&](const auto& e) { return evolve(rows, record, e); }},
      record.event);
}

}  // namespace payonce::core
