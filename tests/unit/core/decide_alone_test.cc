// The decide functions by themselves, with rows that the machine brings together seldom or never:
// one that is missing, or one in a state that the saga passes through within a single commit.
#include <gtest/gtest.h>

#include "core/fraud/decide.h"
#include "core/idempotency/keys.h"
#include "core/payment/decide.h"
#include "core/refund/decide.h"
#include "unit/core/saga_fixture.h"

namespace payonce::core {
namespace {

std::vector<std::string> names_of(const Decision& decision) {
  std::vector<std::string> names;
  for (const NewEvent& event : decision) {
    names.emplace_back(event_name(event.event));
  }
  return names;
}

using Names = std::vector<std::string>;

TEST(Undo, WithNothingAtTheGateway_OnlyGivesTheHoldBack) {
  for (const GatewayState state :
       {GatewayState::kNone, GatewayState::kDeclined, GatewayState::kUnavailable,
        GatewayState::kGated, GatewayState::kUndoing, GatewayState::kUndone}) {
    Payment payment;
    payment.gateway = state;
    Decision out;
    undo(payment, FailureCode::kFraudRejected, "rejected", out);
    EXPECT_EQ(names_of(out), (Names{"hold_voided", "payment_failed"})) << name(state);
  }
}

TEST(Undo, WithAChargeThatMayHaveBeenMade_VoidsIt) {
  for (const GatewayState state : {GatewayState::kPending, GatewayState::kRetrying,
                                   GatewayState::kInDoubt, GatewayState::kAccepted}) {
    Payment payment;
    payment.gateway = state;
    Decision out;
    undo(payment, FailureCode::kFraudRejected, "rejected", out);
    ASSERT_EQ(names_of(out), (Names{"compensation_started"})) << name(state);
    EXPECT_EQ(std::get<CompensationStarted>(out[0].event).undo, CompensationKind::kVoidCharge);
  }
}

TEST(Undo, WithAConfirmedCharge_RefundsIt) {
  Payment payment;
  payment.gateway = GatewayState::kConfirmed;
  Decision out;
  undo(payment, FailureCode::kCancelled, "changed my mind", out);
  ASSERT_EQ(names_of(out), (Names{"compensation_started"}));
  EXPECT_EQ(std::get<CompensationStarted>(out[0].event).undo, CompensationKind::kRefundCharge);
}

TEST(UndoReply, ThatNoStepIsThereToSayTheHoldIsBack_GivesItBack) {
  Payment payment;
  payment.id = "pay_1";
  payment.status = PaymentStatus::kProcessing;
  payment.compensation = CompensationState::kRunning;
  payment.compensation_steps = {{.kind = CompensationKind::kVoidCharge}};
  payment.cause = FailureCode::kCancelled;
  Decision out;
  const RecordUndoReply done{
      .payment_id = payment.id, .call = 1, .reply = UndoReply::kDone, .detail = {}};
  EXPECT_EQ(decide_undo_reply(done, &payment, Context{}, out), OutcomeKind::kResultApplied);
  EXPECT_EQ(names_of(out), (Names{"compensation_step_done", "hold_voided", "payment_cancelled"}));
}

TEST(FraudVerdict, OfACheckWithoutItsPayment_EndsTheCheckAlone) {
  FraudCheck check;
  check.id = "fraud-check-pay_1";
  check.result = FraudResult::kRunning;
  Decision out;
  const DecideFraud approve{.fraud_id = check.id, .approved = true, .reason = {}};
  const FraudParties parties{.check = &check, .payment = nullptr};
  EXPECT_EQ(decide_fraud_verdict(approve, parties, out), OutcomeKind::kFraudDecided);
  EXPECT_EQ(names_of(out), (Names{"fraud_check_decided"}));
}

TEST(RefundReply, ForAnAccountThatIsNotThere_IsStale) {
  Refund refund;
  refund.id = "re_1";
  Decision out;
  const RecordRefundReply confirmed{
      .refund_id = refund.id, .call = 1, .reply = RefundReply::kConfirmed, .detail = {}};
  const RefundParties parties{.refund = &refund, .payer = nullptr};
  EXPECT_EQ(decide_refund_reply(confirmed, parties, Context{}, out), OutcomeKind::kResultStale);
  EXPECT_TRUE(out.empty());
}

// An answer is kept where something was done, and to a payment that was refused: trying that again
// under the same key must not charge. Every other refusal may be tried again.
TEST(KeepsAnswer, OfWhatWasDoneAndOfARefusedPayment_AndOfNothingElse) {
  for (const OutcomeKind kind :
       {OutcomeKind::kAccountOpened, OutcomeKind::kDeposited, OutcomeKind::kPaymentAccepted,
        OutcomeKind::kPaymentRefused, OutcomeKind::kPaymentExisting, OutcomeKind::kCancelAccepted,
        OutcomeKind::kCompensationRetried, OutcomeKind::kCallbackAccepted,
        OutcomeKind::kFraudDecided, OutcomeKind::kRefundAccepted, OutcomeKind::kTaskRetried}) {
    EXPECT_TRUE(keeps_answer(kind)) << static_cast<int>(kind);
  }
  for (const OutcomeKind kind : {OutcomeKind::kAccountExists,   OutcomeKind::kReservedId,
                                 OutcomeKind::kAccountNotFound, OutcomeKind::kInvalidAmount,
                                 OutcomeKind::kBalanceOverflow, OutcomeKind::kPaymentExists,
                                 OutcomeKind::kResultApplied,   OutcomeKind::kResultStale,
                                 OutcomeKind::kKeyReplayed,     OutcomeKind::kKeyReused,
                                 OutcomeKind::kKeyInFlight,     OutcomeKind::kKeyCompleted,
                                 OutcomeKind::kPaymentNotFound, OutcomeKind::kCancelled,
                                 OutcomeKind::kPaymentClosed,   OutcomeKind::kNotCompensationFailed,
                                 OutcomeKind::kFraudNotFound,   OutcomeKind::kFraudClosed,
                                 OutcomeKind::kRefundTooMuch,   OutcomeKind::kRefundNotPossible,
                                 OutcomeKind::kTaskNotFound,    OutcomeKind::kTaskNotExhausted}) {
    EXPECT_FALSE(keeps_answer(kind)) << static_cast<int>(kind);
  }
}

}  // namespace
}  // namespace payonce::core
