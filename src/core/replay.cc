#include "core/replay.h"

#include <limits>
#include <utility>

#include "core/event_text.h"
#include "core/fold.h"
#include "core/machine.h"
#include "core/refund/decide.h"
#include "core/refund/events.h"

namespace payonce::core {
namespace {

constexpr std::string_view kRefusedMessage = "the gateway refused";

// What the commit of history[at] says about why the payment fails; empty when it does not fail
// there.
std::string_view failure_after(const std::vector<Record>& history, std::size_t at) {
  constexpr std::size_t kCommitMax = 6;
  for (std::size_t i = at; i < history.size() && i < at + kCommitMax; ++i) {
    if (const auto* failed = std::get_if<PaymentFailed>(&history[i].event)) {
      return failed->message;
    }
    if (const auto* started = std::get_if<CompensationStarted>(&history[i].event)) {
      return started->message;
    }
  }
  return {};
}

// What an event says about the command that led to it, given the rows before it. `failure` tells
// two commands apart where the first event is the same.
class CommandOf {
 public:
  CommandOf(const Record& record, std::string_view failure, Rows& rows)
      : record_(&record), failure_(failure), rows_(&rows) {
    if (record.kind == StreamKind::kPayment) {
      payment_ = rows.payments.find(record.stream);
    }
  }

  using Found = std::optional<Command>;

  Found operator()(const PaymentCreated& e) const {
    return CreatePayment{.id = record_->stream, .content = e.content, .rules = e.rules};
  }
  Found operator()(const GatewayRetryScheduled& e) const {
    return reply(e.attempt, GatewayReply::kTemporaryFailure, e.error);
  }
  Found operator()(const GatewayInDoubt& e) const {
    return reply(e.attempt, GatewayReply::kNoAnswer, e.error);
  }
  Found operator()(const GatewayExhausted& e) const {
    const bool refused = failure_.starts_with(kRefusedMessage);
    return reply(e.attempt, refused ? GatewayReply::kRefused : GatewayReply::kTemporaryFailure,
                 e.error);
  }
  Found operator()(const GatewayConfirmed& e) const {
    return settled(e.attempt, GatewayReply::kConfirmed, InquiryReply::kConfirmed, e.reference);
  }
  Found operator()(const GatewayDeclined& e) const {
    return settled(e.attempt, GatewayReply::kDeclined, InquiryReply::kDeclined, e.reason);
  }
  Found operator()(const GatewayAccepted& e) const {
    return settled(e.attempt, GatewayReply::kAccepted, InquiryReply::kAccepted, e.reference);
  }
  Found operator()(const InquiryRetryScheduled& e) const {
    return inquiry(e.inquiry, InquiryReply::kNoAnswer, e.error);
  }
  Found operator()(const InquiryFoundNothing& e) const {
    return inquiry(e.inquiry, InquiryReply::kUnknownKey, {});
  }
  Found operator()(const CallbackReceived& e) const {
    return RecordCallback{.payment_id = record_->stream,
                          .outcome = e.outcome,
                          .reference = e.reference,
                          .reason = e.reason,
                          .webhook_id = e.webhook_id};
  }
  Found operator()(const LateRefundStarted& e) const {
    return reply(0, GatewayReply::kConfirmed, e.reference);
  }
  Found operator()(const CallbackTimedOut& e) const {
    return TimerFired{.kind = StreamKind::kPayment, .id = record_->stream, .due = e.deadline};
  }
  Found operator()(const CancelRequested& e) const {
    return CancelPayment{.payment_id = record_->stream, .reason = e.reason};
  }
  Found operator()(const CompensationStepDone& e) const {
    return undo(e.call, UndoReply::kDone, e.detail);
  }
  Found operator()(const CompensationRetryScheduled& e) const {
    return undo(e.call, UndoReply::kFailed, e.error);
  }
  Found operator()(const CompensationExhausted& e) const {
    return undo(e.call, UndoReply::kFailed, e.error);
  }
  Found operator()(const CompensationResumed& /*e*/) const {
    return RetryCompensation{.payment_id = record_->stream};
  }
  Found operator()(const NotificationSent& e) const {
    return notified(e.channel, e.attempt, NotifyReply::kDelivered, {});
  }
  Found operator()(const NotificationRetryScheduled& e) const {
    return notified(e.channel, e.attempt, NotifyReply::kFailed, e.error);
  }
  Found operator()(const NotificationExhausted& e) const {
    return notified(e.channel, e.attempt, NotifyReply::kGone, e.error);
  }
  Found operator()(const NotificationResumed& e) const {
    return RetryNotification{.payment_id = record_->stream, .channel = e.channel};
  }
  Found operator()(const FraudCheckRetryScheduled& e) const {
    return fraud(e.attempt, FraudReply::kFailed, e.error);
  }
  Found operator()(const FraudCheckDecided& e) const {
    if (e.result == FraudResult::kTimedOut) {
      const FraudCheck* check = rows_->frauds.find(record_->stream);
      return TimerFired{.kind = StreamKind::kFraud,
                        .id = record_->stream,
                        .due = check == nullptr ? Timestamp{} : check->deadline};
    }
    const bool approved = e.result == FraudResult::kApproved;
    if (e.attempt == 0) {
      return DecideFraud{.fraud_id = record_->stream, .approved = approved, .reason = e.reason};
    }
    return fraud(e.attempt, approved ? FraudReply::kApproved : FraudReply::kRejected, e.reason);
  }
  Found operator()(const RefundCreated& e) const {
    return CreateRefund{.payment_id = e.payment_id,
                        .amount = format_amount(e.amount.minor, e.amount.currency)};
  }
  Found operator()(const RefundRetryScheduled& e) const {
    return refund(e.call, RefundReply::kFailed, e.error);
  }
  Found operator()(const RefundConfirmed& e) const {
    return refund(e.call, RefundReply::kConfirmed, e.reference);
  }
  Found operator()(const RefundDeclined& e) const {
    return refund(e.call, RefundReply::kDeclined, e.reason);
  }
  Found operator()(const RefundExhausted& e) const {
    const bool full = e.error == kRefundOverflow;
    return refund(e.call, full ? RefundReply::kConfirmed : RefundReply::kFailed, e.error);
  }
  Found operator()(const RefundResumed& /*e*/) const {
    return RetryRefund{.refund_id = record_->stream};
  }
  // Any other event only follows another one in the same commit.
  template <class Other>
  Found operator()(const Other& /*e*/) const {
    return std::nullopt;
  }

 private:
  [[nodiscard]] Found reply(std::uint32_t attempt, GatewayReply reply,
                            const std::string& detail) const {
    return RecordGatewayReply{
        .payment_id = record_->stream, .attempt = attempt, .reply = reply, .detail = detail};
  }
  [[nodiscard]] Found inquiry(std::uint32_t inquiry, InquiryReply reply,
                              const std::string& detail) const {
    return RecordInquiryReply{
        .payment_id = record_->stream, .inquiry = inquiry, .reply = reply, .detail = detail};
  }
  // The answer to a call, or to an inquiry if that was what the payment waited for.
  [[nodiscard]] Found settled(std::uint32_t attempt, GatewayReply direct, InquiryReply asked,
                              const std::string& detail) const {
    const auto pending = payment_ == nullptr ? std::nullopt : pending_inquiry(*payment_);
    return pending ? inquiry(pending->attempt, asked, detail) : reply(attempt, direct, detail);
  }
  [[nodiscard]] Found undo(std::uint32_t call, UndoReply reply, const std::string& detail) const {
    return RecordUndoReply{
        .payment_id = record_->stream, .call = call, .reply = reply, .detail = detail};
  }
  [[nodiscard]] Found notified(NotifyChannel channel, std::uint32_t attempt, NotifyReply reply,
                               const std::string& error) const {
    return RecordNotification{.payment_id = record_->stream,
                              .channel = channel,
                              .attempt = attempt,
                              .reply = reply,
                              .error = error};
  }
  [[nodiscard]] Found fraud(std::uint32_t attempt, FraudReply reply,
                            const std::string& detail) const {
    return RecordFraudReply{
        .fraud_id = record_->stream, .attempt = attempt, .reply = reply, .detail = detail};
  }
  [[nodiscard]] Found refund(std::uint32_t call, RefundReply reply,
                             const std::string& detail) const {
    return RecordRefundReply{
        .refund_id = record_->stream, .call = call, .reply = reply, .detail = detail};
  }

  const Record* record_;
  std::string_view failure_;
  Rows* rows_;
  const Payment* payment_ = nullptr;
};

constexpr std::int64_t kPlenty = std::numeric_limits<std::int64_t>::max() / 2;

// The accounts of a payment as its history needs them: money enough, and room for it.
void lend_accounts(Rows& rows, const PaymentContent& content) {
  const Currency currency = content.amount.currency;
  Account payer;
  payer.id = content.user_id;
  payer.currency = currency;
  payer.posted = WideAmount{content.amount.minor} + kPlenty;
  rows.accounts.put(content.user_id, payer, 1);
  Account clearing;
  clearing.id = gateway_account(currency);
  clearing.currency = currency;
  clearing.system = true;
  rows.accounts.put(clearing.id, clearing, 1);
}

// A refund that found no room in the account finds none again; any other one finds room.
void fill_account(Rows& rows, const Record& record) {
  const auto* exhausted = std::get_if<RefundExhausted>(&record.event);
  const Refund* refund = rows.refunds.find(record.stream);
  Account* payer = refund == nullptr ? nullptr : rows.accounts.change(refund->user_id, record.seq);
  if (payer != nullptr) {
    const bool full = exhausted != nullptr && exhausted->error == kRefundOverflow;
    payer->posted = full ? std::numeric_limits<std::int64_t>::max() : 0;
  }
}

std::optional<Difference> compare(const std::vector<Record>& history, std::size_t at,
                                  const std::vector<Record>& decided) {
  for (std::size_t i = 0; i < decided.size(); ++i) {
    const std::string wanted = to_text(decided[i].event);
    const bool recorded = at + i < history.size();
    // Past the end it is empty, which no event's text is.
    const std::string found = recorded ? to_text(history[at + i].event) : std::string();
    if (found != wanted || history[at + i].stream != decided[i].stream) {
      return Difference{.seq = recorded ? history[at + i].seq : history.back().seq,
                        .recorded = found,
                        .decided = wanted};
    }
  }
  if (decided.empty()) {
    return Difference{
        .seq = history[at].seq, .recorded = to_text(history[at].event), .decided = {}};
  }
  return std::nullopt;
}

}  // namespace

std::optional<Difference> redecide(const std::vector<Record>& history, std::uint64_t salt) {
  if (history.size() >= 2 && std::holds_alternative<PaymentRefused>(history[1].event)) {
    return std::nullopt;
  }
  NoRows nothing;
  Rows rows(nothing, nullptr);
  Answer unused;
  Produced produced;
  for (std::size_t at = 0; at < history.size(); at += produced.records.size()) {
    const Record& record = history[at];
    if (const auto* created = std::get_if<PaymentCreated>(&record.event)) {
      lend_accounts(rows, created->content);
    } else if (record.kind == StreamKind::kRefund) {
      fill_account(rows, record);
    }
    const CommandOf command_of(record, failure_after(history, at), rows);
    const auto command = std::visit(command_of, record.event);
    produced.records.clear();
    produced.effects.clear();
    if (command) {
      Machine machine(rows, {.last_seq = record.seq - 1, .last_time = record.at, .salt = salt});
      machine.handle(Input{*command, std::nullopt}, record.at, nullptr, unused, produced);
    }
    if (auto difference = compare(history, at, produced.records)) {
      return difference;
    }
  }
  return std::nullopt;
}

}  // namespace payonce::core
