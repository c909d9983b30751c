// Inputs that meet: whichever comes first in the log decides, and there is exactly one end. Every
// sequence of up to three inputs, repetitions included, from every state of the gateway.
#include <array>
#include <optional>
#include <string>

#include "unit/core/saga_fixture.h"

namespace payonce::core {
namespace {

enum class Move {
  kCancel,
  kCallbackConfirmed,
  kCallbackDeclined,
  kCallbackTimer,
  kReplyConfirmed,
  kReplyDeclined,
  kInquiryConfirmed,
  kFraudApproved,
  kFraudRejected,
  kFraudTimer,
  kLast = kFraudTimer,
};
constexpr int kMoves = static_cast<int>(Move::kLast) + 1;
constexpr std::array<const char*, kMoves> kNames{
    "cancel",          "callback confirmed", "callback declined", "callback timer",
    "reply confirmed", "reply declined",     "inquiry confirmed", "fraud approved",
    "fraud rejected",  "fraud timer"};

// What ought to happen, said without any of the core's terms: the first input that decides the end
// does, money at the gateway and a good verdict together make a success.
class Reference {
 public:
  explicit Reference(GatewayState start) : start_(start) {}

  void take(Move move) {
    if (end_) {
      return;
    }
    switch (move) {
      case Move::kCancel:
        end_ = FailureCode::kCancelled;
        break;
      case Move::kCallbackConfirmed:
        confirm(true);
        break;
      case Move::kCallbackDeclined:
        decline(true);
        break;
      case Move::kCallbackTimer:
        if (start_ == GatewayState::kAccepted && !confirmed_) {
          end_ = FailureCode::kCallbackTimeout;
        }
        break;
      case Move::kReplyConfirmed:
        confirm(start_ == GatewayState::kPending || start_ == GatewayState::kRetrying);
        break;
      case Move::kReplyDeclined:
        decline(start_ == GatewayState::kPending || start_ == GatewayState::kRetrying);
        break;
      case Move::kInquiryConfirmed:
        confirm(start_ == GatewayState::kInDoubt);
        break;
      case Move::kFraudApproved:
        approved_ = true;
        break;
      case Move::kFraudRejected:
      case Move::kFraudTimer:
        if (!approved_) {
          end_ = move == Move::kFraudRejected ? FailureCode::kFraudRejected
                                              : FailureCode::kFraudTimeout;
        }
        break;
    }
    if (!end_ && confirmed_ && approved_) {
      end_ = FailureCode::kNone;
    }
  }
  // kNone is success; nothing when it has not ended.
  [[nodiscard]] std::optional<FailureCode> end() const { return end_; }

 private:
  void confirm(bool awaited) { confirmed_ = confirmed_ || awaited; }
  void decline(bool awaited) {
    if (awaited && !confirmed_) {
      end_ = FailureCode::kGatewayDeclined;
    }
  }

  GatewayState start_;
  bool confirmed_ = false;
  bool approved_ = false;
  std::optional<FailureCode> end_;
};

class RacesTest : public SagaFixture, public testing::WithParamInterface<GatewayState> {
 protected:
  void begin() {
    one_payment = false;
    id_ = "pay_" + std::to_string(++payments_);
    world.rules.fraud.mode = FraudMode::kTask;
    world.pay(id_, "alice", usd(300));
    attempt_ = 1;
    switch (GetParam()) {
      case GatewayState::kRetrying:
        world.gateway(id_, 1, GatewayReply::kTemporaryFailure);
        attempt_ = 2;
        break;
      case GatewayState::kInDoubt:
        world.gateway(id_, 1, GatewayReply::kNoAnswer);
        break;
      case GatewayState::kAccepted:
        world.gateway(id_, 1, GatewayReply::kAccepted);
        break;
      default:
        break;
    }
    callback_due_ = row().callback_deadline;
  }
  const Payment& row() { return world.payment_row(id_); }

  void take(Move move) {
    switch (move) {
      case Move::kCancel:
        world.cancel(id_);
        break;
      case Move::kCallbackConfirmed:
        world.callback(id_, CallbackOutcome::kConfirmed);
        break;
      case Move::kCallbackDeclined:
        world.callback(id_, CallbackOutcome::kDeclined);
        break;
      case Move::kCallbackTimer:
        world.now = std::max(world.now, callback_due_);
        world.timer(id_, callback_due_);
        break;
      case Move::kReplyConfirmed:
        world.gateway(id_, attempt_, GatewayReply::kConfirmed);
        break;
      case Move::kReplyDeclined:
        world.gateway(id_, attempt_, GatewayReply::kDeclined);
        break;
      case Move::kInquiryConfirmed:
        world.inquiry(id_, 1, InquiryReply::kConfirmed);
        break;
      case Move::kFraudApproved:
        world.fraud(id_, 1, FraudReply::kApproved);
        break;
      case Move::kFraudRejected:
        world.fraud(id_, 1, FraudReply::kRejected);
        break;
      case Move::kFraudTimer:
        world.now = std::max(world.now, world.check_row(id_).deadline);
        world.fraud_timer(id_);
        break;
    }
  }
  // Brings what is still open to its end, well.
  void finish() {
    take(Move::kFraudApproved);
    take(Move::kReplyConfirmed);
    take(Move::kInquiryConfirmed);
    take(Move::kCallbackConfirmed);
    for (int i = 0; i < 2; ++i) {
      if (const auto undo = pending_undo(row())) {
        world.undo(id_, undo->attempt, UndoReply::kDone);
      }
    }
  }
  int ends() const {
    int count = 0;
    for (const Record& record : world.log) {
      count += record.stream == id_ && (std::holds_alternative<PaymentSucceeded>(record.event) ||
                                        std::holds_alternative<PaymentFailed>(record.event) ||
                                        std::holds_alternative<PaymentCancelled>(record.event))
                   ? 1
                   : 0;
    }
    return count;
  }

  void expect_one_end(const std::vector<Move>& moves) {
    std::string trace;
    for (const Move move : moves) {
      trace.append(trace.empty() ? "" : ", ").append(kNames.at(static_cast<std::size_t>(move)));
    }
    SCOPED_TRACE(trace);
    Reference reference(GetParam());
    begin();
    const WideAmount before = alice().posted;
    for (const Move move : moves) {
      take(move);
      reference.take(move);
      if (reference.end() && terminal(row().status)) {
        ASSERT_EQ(row().failure, *reference.end());
      }
      ASSERT_TRUE(reference.end() || !terminal(row().status));
    }
    finish();
    const FailureCode end = reference.end().value_or(FailureCode::kNone);
    ASSERT_EQ(row().failure, end);
    ASSERT_EQ(row().status, end == FailureCode::kNone        ? PaymentStatus::kSuccess
                            : end == FailureCode::kCancelled ? PaymentStatus::kCancelled
                                                             : PaymentStatus::kFail);
    ASSERT_EQ(ends(), 1);
    ASSERT_EQ(alice().held, 0);
    ASSERT_EQ(alice().posted, before - (end == FailureCode::kNone ? 300 : 0));
    ASSERT_FALSE(compensating(row()));
    ASSERT_NE(world.check_row(id_).result, FraudResult::kRunning);
    world.deposit("alice", "3");  // for the next one
  }

 private:
  std::string id_;
  std::uint32_t attempt_ = 1;
  Timestamp callback_due_;
  int payments_ = 0;
};

TEST_P(RacesTest, EveryPair_InEitherOrder_HasOneEndDecidedByTheOrderAlone) {
  for (int a = 0; a < kMoves; ++a) {
    for (int b = 0; b < kMoves; ++b) {
      ASSERT_NO_FATAL_FAILURE(expect_one_end({static_cast<Move>(a), static_cast<Move>(b)}));
    }
  }
}

TEST_P(RacesTest, EveryThree_InEveryOrder_HaveOneEndDecidedByTheOrderAlone) {
  for (int a = 0; a < kMoves; ++a) {
    for (int b = 0; b < kMoves; ++b) {
      for (int c = 0; c < kMoves; ++c) {
        ASSERT_NO_FATAL_FAILURE(
            expect_one_end({static_cast<Move>(a), static_cast<Move>(b), static_cast<Move>(c)}));
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(States, RacesTest,
                         testing::Values(GatewayState::kPending, GatewayState::kRetrying,
                                         GatewayState::kInDoubt, GatewayState::kAccepted),
                         [](const auto& param) { return std::string(name(param.param)); });

}  // namespace
}  // namespace payonce::core
