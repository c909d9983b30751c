// The payment saga once more, as docs/payment-saga.md, docs/errors.md and the headers of src/core
// tell it: balances, phases and what becomes of each command. It shares the commands and the names
// of outcomes with the machine, and no rule.
//
// It keeps no history, no events, no effects and no times but the deadlines that decide. Whatever
// the machine makes up (ids of refunds) is told to it. One model belongs to one run of commands.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "core/commands.h"
#include "core/outcome.h"
#include "core/payment/transitions.h"

namespace payonce::fuzz {

class SagaModel {
 public:
  using Kind = core::OutcomeKind;
  using Phase = core::Phase;

  struct Book {
    Currency currency;
    WideAmount posted = 0;
    std::int64_t held = 0;
    bool system = false;
  };
  struct Outbox {
    core::NotifyState state = core::NotifyState::kPending;
    std::uint32_t attempts = 0;
    std::uint32_t calls = 0;
  };
  struct Payment {
    core::PaymentContent content;
    core::PaymentRules rules;
    Phase phase = Phase::kFailed;
    core::PaymentStatus end = core::PaymentStatus::kPending;  // terminal ones only, once known
    bool sent = false;                                        // the gateway may have been called
    bool holds = false;       // the hold is neither posted nor voided
    bool by_cancel = false;   // why it is undone
    bool late = false;        // a late success has been, or is being, given back
    bool check_open = false;  // waits for its fraud check
    std::uint32_t attempts = 0;
    std::uint32_t inquiries = 0;
    std::uint32_t undo_calls = 0;
    std::uint32_t undo_attempts = 0;
    Timestamp callback_due;
    std::map<core::NotifyChannel, Outbox> outbox;
    std::int64_t refunding = 0;
    std::int64_t refunded = 0;
    std::uint32_t refunds = 0;
  };
  struct Check {
    std::string payment;
    core::FraudRules rules;
    core::FraudResult result = core::FraudResult::kRunning;
    std::uint32_t attempts = 0;
    Timestamp due;
  };
  struct Refund {
    std::string payment;
    std::int64_t amount = 0;
    core::RefundStatus status = core::RefundStatus::kProcessing;
    std::uint32_t attempts = 0;
    std::uint32_t calls = 0;
  };
  struct Key {
    std::string fingerprint;
    bool completed = false;
    std::string body;  // of the answer
    Duration retention;
    Timestamp expires;
  };

  std::map<std::string, Book> books;
  std::map<std::string, Payment> payments;
  std::map<std::string, Check> checks;    // by their own id
  std::map<std::string, Refund> refunds;  // by the ids that the machine made
  std::map<std::string, Key> keys;

  // What has to become of the command. `made` is the id that the machine made for a refund, and
  // `body` what it answered.
  Kind take(const core::Input& input, Timestamp now, const std::string& made,
            const std::string& body);

 private:
  using Status = core::PaymentStatus;

  // ---- Keys.

  // What has recorded something, or says how things stand, is answered the same again.
  static bool is_kept(Kind kind);
  void keep(const core::KeyedRequest& request, Kind kind, const core::Command& command);
  Kind decide(const core::CompleteKey& command);

  // ---- The ledger.

  Book& system(const std::string& prefix, Currency currency);
  static bool has_room(const Book& book, std::int64_t amount);
  Kind decide(const core::OpenAccount& command);
  Kind decide(const core::Deposit& command);

  // ---- The payment.

  Payment* find(const std::string& id);
  static bool used_up(const core::RetryPolicy& policy, std::uint32_t attempt);
  static bool is_open(const Payment& payment);
  static bool is_being_undone(const Payment& payment);

  Kind decide(const core::CreatePayment& command);

  void release_hold(Payment& payment);
  void finish(Payment& payment, Status status, Phase phase);
  void succeed(Payment& payment);
  void fail(Payment& payment);
  void cancelled(Payment& payment);
  // The payment ends, or is undone, without its check's verdict.
  void close_check(const std::string& id, Payment& payment);
  void undo(Payment& payment, bool by_cancel);
  void confirm(Payment& payment);
  void decline(const std::string& id, Payment& payment);
  void give_up(const std::string& id, Payment& payment);
  void accept(Payment& payment);
  // Money that comes after a failure goes back, once.
  bool take_late(Payment& payment);
  // What becomes of a result that nobody waits for.
  Kind late_or_stale(Payment& payment, bool confirmed);

  Kind decide(const core::RecordGatewayReply& command);

  Kind decide(const core::RecordInquiryReply& command);

  Kind decide(const core::RecordCallback& command);

  Kind decide(const core::CancelPayment& command);

  Kind decide(const core::RecordUndoReply& command);

  Kind decide(const core::RetryCompensation& command);

  // ---- The fraud check.

  Check* find_check(const std::string& id);
  void end_check(Check& check, core::FraudResult result);
  Kind decide(const core::RecordFraudReply& command);
  Kind decide(const core::DecideFraud& command);

  Kind decide(const core::TimerFired& command);

  // ---- Refunds.

  Kind decide(const core::CreateRefund& command);
  Kind decide(const core::RecordRefundReply& command);
  Kind decide(const core::RetryRefund& command);

  // ---- Notifications.

  Outbox* find_outbox(const std::string& id, core::NotifyChannel channel);
  Kind decide(const core::RecordNotification& command);
  Kind decide(const core::RetryNotification& command);

  Timestamp now_;
  std::string made_;
  std::string body_;
};

}  // namespace payonce::fuzz
