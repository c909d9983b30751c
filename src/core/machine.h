// core/machine.h: the deterministic machine: commands in, events, answers and effects out.
//
// decide is pure and evolve is the only writer; the machine looks up the rows, calls decide,
// numbers the events, folds them and derives the effects. It does no I/O and knows no clock: the
// same inputs in the same order give the same events. Owner: one thread at a time (the engine's
// decide lock). Lifetime: as long as the rows it is given.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/commands.h"
#include "core/decision.h"
#include "core/effects.h"
#include "core/fraud/decide.h"
#include "core/outcome.h"
#include "core/record.h"
#include "core/rows.h"

namespace payonce::core {

// Turns an outcome into the bytes that the client gets. Called inside the decision, so that the
// answer of a keyed request can be recorded in the same commit as its effect; must be pure.
class Renderer {
 public:
  virtual ~Renderer() = default;
  virtual void render(const Outcome& outcome, Answer& out) = 0;
};

// What one command added. Appended to, so that a batch can collect many.
struct Produced {
  std::vector<Record> records;
  std::vector<Effect> effects;
};

class Machine {
 public:
  struct Position {
    Seq last_seq = 0;     // of the newest event folded
    Timestamp last_time;  // of that event; time never runs backwards in the log
    std::uint64_t salt = 0;
  };

  Machine(Rows& rows, Position position) : rows_(&rows), position_(position) {}

  // Decides and folds one command. `renderer` may be null when nobody waits for an answer; then
  // `answer` is left alone. The outcome's pointers are valid until the next call.
  Outcome handle(const Input& input, Timestamp now, Renderer* renderer, Answer& answer,
                 Produced& out);

  [[nodiscard]] const Position& position() const { return position_; }

 private:
  // A decision's kind and the rows that it is about, by key: they may exist only after the fold.
  struct Verdict {
    OutcomeKind kind = OutcomeKind::kResultStale;
    AmountError amount_error = AmountError::kSyntax;
    std::string account;
    std::string transfer;
    std::string payment;
    std::string fraud;
    std::string refund;
    std::string key;
  };

  Verdict decide(const OpenAccount& command, const Context& context);
  Verdict decide(const Deposit& command, const Context& context);
  Verdict decide(const CreatePayment& command, const Context& context);
  Verdict decide(const CancelPayment& command, const Context& context);
  Verdict decide(const RetryCompensation& command, const Context& context);
  Verdict decide(const CreateRefund& command, const Context& context);
  Verdict decide(const RetryNotification& command, const Context& context);
  Verdict decide(const RetryRefund& command, const Context& context);
  Verdict decide(const DecideFraud& command, const Context& context);
  Verdict decide(const RecordCallback& command, const Context& context);
  Verdict decide(const RecordGatewayReply& command, const Context& context);
  Verdict decide(const RecordInquiryReply& command, const Context& context);
  Verdict decide(const RecordUndoReply& command, const Context& context);
  Verdict decide(const RecordRefundReply& command, const Context& context);
  Verdict decide(const RecordFraudReply& command, const Context& context);
  Verdict decide(const RecordNotification& command, const Context& context);
  Verdict decide(const TimerFired& command, const Context& context);
  Verdict decide(const CompleteKey& command, const Context& context);
  [[nodiscard]] static Verdict about_payment(const std::string& id);
  [[nodiscard]] Verdict about_fraud(const std::string& id, FraudParties& parties);
  [[nodiscard]] Outcome resolve(const Verdict& verdict);
  [[nodiscard]] const Payment* find_payment(const std::string& id);
  [[nodiscard]] const FraudCheck* find_fraud(const std::string& id);
  [[nodiscard]] const Refund* find_refund(const std::string& id);
  [[nodiscard]] Waits waits_of(const Verdict& verdict);
  void keep_answer(const KeyedRequest& request, const Outcome& outcome, const Answer& answer,
                   Timestamp now, Produced& out);
  void commit_decision(Timestamp now, Produced& out);
  void append(NewEvent&& event, Timestamp now, Produced& out);
  [[nodiscard]] Seq previous_of(const NewEvent& event);

  Rows* rows_;
  Position position_;
  Decision decision_;  // scratch, empty between commands
#ifdef PAYONCE_PLANTED_BUGS
  std::optional<NewEvent> late_key_;
#endif
};

}  // namespace payonce::core
