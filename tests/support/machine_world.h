// A machine with its rows in memory, for tests: commands in, records, effects and outcomes out.
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/due.h"
#include "core/fold.h"
#include "core/machine.h"
#include "support/dump.h"
#include "support/money.h"

namespace payonce::testing_support {

inline constexpr Timestamp kStart{1'800'000'000'000'000};
inline constexpr std::uint64_t kSalt = 0x5a17;

class IndexMap final : public core::IndexSink {
 public:
  std::map<std::pair<core::Index, std::string>, std::string> entries;

  void put(core::Index index, std::string key, std::string_view value) override {
    entries[{index, std::move(key)}] = std::string(value);
  }
  void erase(core::Index index, std::string key) override {
    entries.erase({index, std::move(key)});
  }
  // The values of an index in key order.
  [[nodiscard]] std::vector<std::string> values(core::Index index) const {
    std::vector<std::string> all;
    for (const auto& [place, value] : entries) {
      if (place.first == index) {
        all.push_back(value);
      }
    }
    return all;
  }
  [[nodiscard]] std::vector<std::string> keys(core::Index index) const {
    std::vector<std::string> all;
    for (const auto& [place, value] : entries) {
      if (place.first == index) {
        all.push_back(place.second);
      }
    }
    return all;
  }
  // The workflows that wait for a task, each once: the byte of their kind, and their id.
  [[nodiscard]] std::set<std::string> waiting() const {
    std::set<std::string> all;
    for (const core::TaskClass task : core::kTaskClasses) {
      for (const std::string& key : keys(core::index_of(task))) {
        all.insert(key.substr(sizeof(std::int64_t)));
      }
    }
    return all;
  }
};

// Rows and indexes that are a fold from nothing.
struct Folded {
  core::NoRows nothing;
  IndexMap indexes;
  core::Rows rows{nothing, &indexes};

  [[nodiscard]] bool fold(const std::vector<core::Record>& records) {
    for (const core::Record& record : records) {
      if (!core::fold(rows, record)) {
        return false;
      }
    }
    return true;
  }
  // Every row, by key: equal for equal states.
  [[nodiscard]] std::map<std::string, std::string> all() const {
    std::map<std::string, std::string> out;
    const auto add = [&](const std::string& table, const auto& rows_of) {
      rows_of.for_each_changed(
          [&](const std::string& key, const auto& row) { out[table + key] = dump(row); });
    };
    add("account ", rows.accounts);
    add("transfer ", rows.transfers);
    add("payment ", rows.payments);
    add("key ", rows.keys);
    add("fraud ", rows.frauds);
    add("refund ", rows.refunds);
    return out;
  }
};

// Renders an outcome as its number, so that a test can see which one an answer is of.
class KindRenderer final : public core::Renderer {
 public:
  void render(const core::Outcome& outcome, core::Answer& out) override {
    ++calls;
    out.status = 200;
    out.body = "kind " + std::to_string(static_cast<int>(outcome.kind));
    if (outcome.payment != nullptr) {
      out.location = "/v1/payments/" + outcome.payment->id;
    }
    if (outcome.kind == core::OutcomeKind::kKeyReplayed) {
      out = outcome.key->answer;
    }
  }
  int calls = 0;
};

class World {
 public:
  Folded state;
  core::Machine machine{state.rows, {.last_seq = 1, .last_time = kStart, .salt = kSalt}};
  Timestamp now = kStart;
  KindRenderer renderer;
  core::Answer answer;                 // of the last command
  std::vector<core::Record> log;       // everything ever added
  core::Produced added;                // by the last command
  std::vector<core::Effect> released;  // every effect there ever was

  World() {
    core::Record first;
    first.seq = 1;
    first.at = kStart;
    first.event = core::LogCreated{.salt = kSalt};
    log.push_back(first);
  }

  core::Outcome handle(core::Command command) {
    return handle_input(core::Input{std::move(command), std::nullopt});
  }
  core::Outcome handle_input(const core::Input& input) {
    added.records.clear();
    added.effects.clear();
    answer = {};
    const core::Outcome outcome = machine.handle(input, now, &renderer, answer, added);
    log.insert(log.end(), added.records.begin(), added.records.end());
    released.insert(released.end(), added.effects.begin(), added.effects.end());
    return outcome;
  }

  core::Outcome open(std::string id, std::int64_t opening_minor = 0,
                     std::string_view code = "USD") {
    return handle(core::OpenAccount{.id = std::move(id),
                                    .currency = currency(code),
                                    .opening_minor = opening_minor,
                                    .metadata = {}});
  }
  core::Outcome deposit(std::string account, std::string amount) {
    return handle(core::Deposit{
        .account_id = std::move(account), .amount = std::move(amount), .reference = {}});
  }
  // The command that pay() hands in; `rules` are what new payments are born with.
  core::PaymentRules rules;
  [[nodiscard]] core::CreatePayment payment(std::string id, std::string user, Money amount) const {
    return core::CreatePayment{.id = std::move(id),
                               .content = {.user_id = std::move(user),
                                           .amount = amount,
                                           .payment_method = "pm_ok",
                                           .description = {},
                                           .metadata = {}},
                               .rules = rules};
  }
  core::Outcome pay(std::string id, std::string user, Money amount) {
    return handle(payment(std::move(id), std::move(user), amount));
  }
  core::Outcome gateway(std::string id, std::uint32_t attempt, core::GatewayReply reply,
                        std::string detail = "detail") {
    return handle(core::RecordGatewayReply{.payment_id = std::move(id),
                                           .attempt = attempt,
                                           .reply = reply,
                                           .detail = std::move(detail)});
  }
  core::Outcome inquiry(std::string id, std::uint32_t inquiry, core::InquiryReply reply,
                        std::string detail = "detail") {
    return handle(core::RecordInquiryReply{.payment_id = std::move(id),
                                           .inquiry = inquiry,
                                           .reply = reply,
                                           .detail = std::move(detail)});
  }
  core::Outcome undo(std::string id, std::uint32_t call, core::UndoReply reply,
                     std::string detail = "detail") {
    return handle(core::RecordUndoReply{
        .payment_id = std::move(id), .call = call, .reply = reply, .detail = std::move(detail)});
  }
  core::Outcome callback(std::string id, core::CallbackOutcome outcome,
                         std::string reference = {}) {
    return handle(
        core::RecordCallback{.payment_id = std::move(id),
                             .outcome = outcome,
                             .reference = std::move(reference),
                             .reason = outcome == core::CallbackOutcome::kDeclined ? "stolen" : "",
                             .webhook_id = "wh_1"});
  }
  // The callback's time-out, as its deadline is when it fires.
  core::Outcome timer(const std::string& id) {
    return timer(id, payment_row(id).callback_deadline);
  }
  core::Outcome timer(std::string id, Timestamp due) {
    return handle(
        core::TimerFired{.kind = core::StreamKind::kPayment, .id = std::move(id), .due = due});
  }
  // What the activity, the timer and a person say to the payment's fraud check.
  core::Outcome fraud(std::string_view id, std::uint32_t attempt, core::FraudReply reply,
                      std::string detail = "detail") {
    return handle(core::RecordFraudReply{.fraud_id = core::fraud_check_id(id),
                                         .attempt = attempt,
                                         .reply = reply,
                                         .detail = std::move(detail)});
  }
  core::Outcome fraud_timer(std::string_view id) {
    return handle(core::TimerFired{.kind = core::StreamKind::kFraud,
                                   .id = core::fraud_check_id(id),
                                   .due = check_row(id).deadline});
  }
  core::Outcome verdict(std::string_view id, bool approved, std::string reason = "reason") {
    return handle(core::DecideFraud{
        .fraud_id = core::fraud_check_id(id), .approved = approved, .reason = std::move(reason)});
  }
  core::Outcome cancel(std::string id, std::string reason = "changed my mind") {
    return handle(core::CancelPayment{.payment_id = std::move(id), .reason = std::move(reason)});
  }
  core::Outcome retry_compensation(std::string id) {
    return handle(core::RetryCompensation{.payment_id = std::move(id)});
  }
  core::Outcome refund(std::string id, std::string amount = {}) {
    return handle(core::CreateRefund{.payment_id = std::move(id), .amount = std::move(amount)});
  }
  core::Outcome refund_reply(std::string refund_id, std::uint32_t call, core::RefundReply reply,
                             std::string detail = "detail") {
    return handle(core::RecordRefundReply{.refund_id = std::move(refund_id),
                                          .call = call,
                                          .reply = reply,
                                          .detail = std::move(detail)});
  }
  core::Outcome notified(std::string id, std::uint32_t attempt, bool delivered) {
    return notified(std::move(id), attempt,
                    delivered ? core::NotifyReply::kDelivered : core::NotifyReply::kFailed);
  }
  core::Outcome notified(std::string id, std::uint32_t attempt, core::NotifyReply reply,
                         core::NotifyChannel channel = core::NotifyChannel::kLog) {
    return handle(core::RecordNotification{
        .payment_id = std::move(id),
        .channel = channel,
        .attempt = attempt,
        .reply = reply,
        .error = reply == core::NotifyReply::kDelivered ? "" : "unreachable"});
  }

  // A row that must be there.
  [[nodiscard]] const core::Account& account(std::string_view id) {
    const core::Account* found = state.rows.accounts.find(id);
    PAYONCE_ASSERT(found != nullptr);
    return *found;
  }
  [[nodiscard]] const core::Payment& payment_row(std::string_view id) {
    const core::Payment* found = state.rows.payments.find(id);
    PAYONCE_ASSERT(found != nullptr);
    return *found;
  }
  [[nodiscard]] const core::FraudCheck& check_row(std::string_view payment_id) {
    const core::FraudCheck* found = state.rows.frauds.find(core::fraud_check_id(payment_id));
    PAYONCE_ASSERT(found != nullptr);
    return *found;
  }
  [[nodiscard]] const core::Refund& refund_row(std::string_view id) {
    const core::Refund* found = state.rows.refunds.find(id);
    PAYONCE_ASSERT(found != nullptr);
    return *found;
  }
  // The names of the last command's events, and its effects as text.
  [[nodiscard]] std::vector<std::string> effects() const { return dump_all(added.effects); }
  [[nodiscard]] std::vector<std::string> events() const {
    std::vector<std::string> names;
    for (const core::Record& record : added.records) {
      names.emplace_back(core::event_name(record.event));
    }
    return names;
  }
};

}  // namespace payonce::testing_support
