// Records for the tests of the log: a fixed history in which every type of event occurs, and random
// records.
#pragma once

#include <limits>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "core/record.h"
#include "support/machine_world.h"
#include "support/random.h"

namespace payonce::log {

inline constexpr std::uint64_t kSampleSalt = 0x0123456789abcdef;

// The history that tests/golden/log-v1.bin holds. What it begins with never changes: with a new
// type of event it grows at its end, and the file of before is kept under a name of its own.
//
// alice has 100.00 and makes four payments: "ok" succeeds at the second attempt, "no" is declined,
// "down" finds no gateway, "much" is refused. That is what log-v1-before-callbacks.bin holds. Then
// "late" is told of too late, "back" is refunded in part, "off" is cancelled.
class SampleHistory {
 public:
  SampleHistory() {
    first_payments();
    before_callbacks = records_.size();
    late_payment();
    late_end();
    refunded_payment();
    cancelled_payment();
  }

  [[nodiscard]] const std::vector<core::Record>& records() const { return records_; }
  std::size_t before_callbacks = 0;  // how many records the older file holds

 private:
  void first_payments() {
    using namespace core;
    log(LogCreated{.salt = kSampleSalt});
    account("alice",
            AccountOpened{.currency = usd, .metadata = R"({"tier":"gold"})", .system = false});
    account("sys:funding:USD", AccountOpened{.currency = usd, .metadata = {}, .system = true});
    account("alice", FundsTransferred{.transfer_id = "tr_1",
                                      .workflow_id = "dep_1",
                                      .step = "deposit",
                                      .debit_account = "sys:funding:USD",
                                      .credit_account = "alice",
                                      .amount = {10'000, usd},
                                      .reference = "invoice 7 \xe2\x82\xac"});
    account("sys:gateway:USD", AccountOpened{.currency = usd, .metadata = {}, .system = true});
    start("ok", 2'550, rules_of_old());
    payment("ok", GatewayRetryScheduled{
                      .attempt = 1, .error = "connection refused", .not_before = at(1'000'000)});
    payment("ok", GatewayConfirmed{.attempt = 2, .reference = "gw_42"});
    payment("ok", HoldPosted{.step = "hold", .amount = {2'550, usd}});
    payment("ok", PaymentSucceeded{});
    payment("ok", NotificationRetryScheduled{
                      .attempt = 1, .error = "timeout", .not_before = at(2'000'000)});
    payment("ok", NotificationSent{.attempt = 2});
    start("no", 1, rules_of_old());
    payment("no", GatewayDeclined{.attempt = 1, .reason = "stolen_card"});
    payment("no", HoldVoided{.step = "hold"});
    payment("no", PaymentFailed{.code = FailureCode::kGatewayDeclined,
                                .message = "the gateway declined the payment: stolen_card"});
    payment("no", NotificationExhausted{.attempt = 1, .error = "410 Gone"});
    start("down", 7'449, rules_of_old());
    payment("down", GatewayExhausted{.attempt = 1, .error = "503"});
    payment("down", HoldVoided{.step = "hold"});
    payment("down", PaymentFailed{.code = FailureCode::kGatewayUnavailable, .message = "gone"});
    create("much", std::numeric_limits<std::int64_t>::max(), rules_of_old());
    payment("much", PaymentRefused{.code = FailureCode::kInsufficientFunds,
                                   .message = "insufficient funds"});
    key(KeyClaimed{.key = bytes(32, 0x00),
                   .fingerprint = bytes(32, 0x80),
                   .workflow_kind = StreamKind::kPayment,
                   .workflow_id = "ok",
                   .retention = Duration::seconds(86'400)});
    key(AnswerRecorded{.key = bytes(32, 0x00),
                       .fingerprint = bytes(32, 0x80),
                       .retention = Duration::seconds(86'400),
                       .answer = {.status = 201,
                                  .location = "/v1/payments/ok",
                                  .body = R"({"id":"ok","status":"success"})"}});
  }

  void late_payment() {
    using namespace core;
    start("late", 900, full_rules(FraudMode::kTask));
    open_check("late", 900, FraudMode::kTask);
    fraud("late",
          FraudCheckRetryScheduled{.attempt = 1, .error = "no route", .not_before = at(3'000'000)});
    fraud("late",
          FraudCheckDecided{.result = FraudResult::kApproved, .attempt = 2, .reason = "score 0.1"});
    payment("late", FraudCheckEnded{.result = FraudResult::kApproved});
    payment("late",
            GatewayInDoubt{.attempt = 1, .error = "read timeout", .not_before = at(4'000'000)});
    payment("late", InquiryRetryScheduled{
                        .inquiry = 1, .error = "connect timeout", .not_before = at(5'000'000)});
    payment("late", InquiryFoundNothing{.inquiry = 2});
    payment("late", GatewayRetryScheduled{
                        .attempt = 1, .error = "read timeout", .not_before = at(6'000'000)});
    payment("late", GatewayAccepted{.attempt = 2, .reference = "gw_43", .deadline = at(7'000'000)});
    payment("late", CallbackTimedOut{.deadline = at(7'000'000)});
    payment("late", CompensationStarted{.code = FailureCode::kCallbackTimeout,
                                        .message = "the gateway did not call back in time",
                                        .undo = CompensationKind::kVoidCharge});
    payment("late",
            CompensationRetryScheduled{.call = 1, .error = "503", .not_before = at(8'000'000)});
    payment("late", CompensationExhausted{.call = 2, .error = "503 again"});
    payment("late", PaymentFailed{.code = FailureCode::kCompensationFailed, .message = "stuck"});
  }

  void late_end() {
    using namespace core;
    payment("late", CompensationResumed{});
    payment("late", CompensationStepDone{
                        .step = CompensationKind::kVoidCharge, .call = 3, .detail = "voided"});
    payment("late", HoldVoided{.step = "hold"});
    payment("late", CompensationCompleted{});
    payment("late", CallbackReceived{.outcome = CallbackOutcome::kConfirmed,
                                     .effect = CallbackEffect::kLateSuccess,
                                     .reference = "gw_43",
                                     .reason = {},
                                     .webhook_id = "msg_2"});
    payment("late", LateRefundStarted{.reference = "gw_43"});
    payment("late", CompensationStepDone{
                        .step = CompensationKind::kRefundCharge, .call = 4, .detail = "refunded"});
    payment("late", CompensationCompleted{});
    payment("late", NotificationExhausted{
                        .attempt = 1, .error = "410 Gone", .channel = NotifyChannel::kWebhook});
    payment("late", NotificationResumed{.channel = NotifyChannel::kWebhook});
  }

  void refunded_payment() {
    using namespace core;
    start("back", 800, rules_of_old());
    payment("back", GatewayConfirmed{.attempt = 1, .reference = "gw_44"});
    payment("back", HoldPosted{.step = "hold", .amount = {800, usd}});
    payment("back", PaymentSucceeded{});
    start_refund("ref_1", 300);
    refund("ref_1", RefundRetryScheduled{.call = 1, .error = "503", .not_before = at(9'000'000)});
    refund("ref_1", RefundExhausted{.call = 2, .error = "503 again"});
    refund("ref_1", RefundResumed{});
    refund("ref_1", RefundConfirmed{.call = 3, .reference = "re_1"});
    refund("ref_1", FundsTransferred{.transfer_id = "tr_ref_1",
                                     .workflow_id = "ref_1",
                                     .step = "refund",
                                     .debit_account = "sys:gateway:USD",
                                     .credit_account = "alice",
                                     .amount = {300, usd},
                                     .reference = "back"});
    payment("back", RefundEnded{.refund_id = "ref_1", .amount = {300, usd}, .success = true});
    start_refund("ref_2", 100);
    refund("ref_2", RefundDeclined{.call = 1, .reason = "account closed"});
    payment("back", RefundEnded{.refund_id = "ref_2", .amount = {100, usd}, .success = false});
  }

  void cancelled_payment() {
    using namespace core;
    PaymentRules rules = full_rules(FraudMode::kManual);
    rules.gate_minor = 700;
    start("off", 700, rules);
    open_check("off", 700, FraudMode::kManual);
    payment("off", CancelRequested{.reason = "changed my mind"});
    fraud("off",
          FraudCheckDecided{
              .result = FraudResult::kCancelled, .attempt = 0, .reason = "the payment ended"});
    payment("off", FraudCheckEnded{.result = FraudResult::kCancelled});
    payment("off", HoldVoided{.step = "hold"});
    payment("off", PaymentCancelled{.reason = "changed my mind"});
  }

  static Timestamp at(std::int64_t us) { return testing_support::kStart + Duration{us}; }
  // 32 bytes from `first` upwards, like a hash: not text.
  static std::string bytes(int count, int first) {
    std::string out;
    for (int i = 0; i < count; ++i) {
      out += static_cast<char>(first + i);
    }
    return out;
  }

  void log(core::Event event) { add(core::StreamKind::kLog, "", std::move(event)); }
  void account(const std::string& id, core::Event event) {
    add(core::StreamKind::kAccount, id, std::move(event));
  }
  void payment(const std::string& id, core::Event event) {
    add(core::StreamKind::kPayment, id, std::move(event));
  }
  void key(core::Event event) { add(core::StreamKind::kIdempotency, "", std::move(event)); }

  void fraud(const std::string& payment_id, core::Event event) {
    add(core::StreamKind::kFraud, core::fraud_check_id(payment_id), std::move(event));
  }
  void refund(const std::string& id, core::Event event) {
    add(core::StreamKind::kRefund, id, std::move(event));
  }

  // What payments were born with before there were callbacks: the other rules are the defaults.
  static core::PaymentRules rules_of_old() {
    core::PaymentRules rules;
    rules.gateway_retry = {.initial_interval_ms = 1000,
                           .backoff_coefficient_permille = 2000,
                           .maximum_interval_ms = 60'000,
                           .maximum_attempts = 10};
    rules.notify_retry = {.initial_interval_ms = 500,
                          .backoff_coefficient_permille = 1500,
                          .maximum_interval_ms = 30'000,
                          .maximum_attempts = 0};
    return rules;
  }
  static core::FraudRules fraud_rules(core::FraudMode mode) {
    return {.mode = mode,
            .timeout = Duration::seconds(600),
            .delay = Duration::ms(20),
            .retry = {.initial_interval_ms = 100,
                      .backoff_coefficient_permille = 1000,
                      .maximum_interval_ms = 100,
                      .maximum_attempts = 3},
            .parent_close = core::ParentClose::kAbandon};
  }
  static core::PaymentRules full_rules(core::FraudMode mode) {
    core::PaymentRules rules = rules_of_old();
    rules.version = core::kPaymentVersion2;
    rules.inquiry_retry.initial_interval_ms = 250;
    rules.compensation_retry.maximum_attempts = 2;
    rules.callback_timeout = Duration::seconds(90);
    rules.fraud = fraud_rules(mode);
    rules.gate_minor = 1'000'000;
    rules.channels = core::channel_bit(core::NotifyChannel::kLog) |
                     core::channel_bit(core::NotifyChannel::kWebhook);
    rules.webhook_delays_ms = {5'000, 300'000, 1'800'000};
    rules.void_when_given_up = true;
    return rules;
  }

  void create(const std::string& id, std::int64_t minor, const core::PaymentRules& rules) {
    payment(id, core::PaymentCreated{.content = {.user_id = "alice",
                                                 .amount = {minor, usd},
                                                 .payment_method = "pm_card",
                                                 .description = "order 17",
                                                 .metadata = R"({"order":17})"},
                                     .rules = rules});
  }
  void start(const std::string& id, std::int64_t minor, const core::PaymentRules& rules) {
    create(id, minor, rules);
    payment(id, core::FundsHeld{.transfer_id = "tr_" + id,
                                .step = "hold",
                                .debit_account = "alice",
                                .credit_account = "sys:gateway:USD",
                                .amount = {minor, usd}});
  }
  void open_check(const std::string& payment_id, std::int64_t minor, core::FraudMode mode) {
    fraud(payment_id, core::FraudCheckOpened{.payment_id = payment_id,
                                             .user_id = "alice",
                                             .amount = {minor, usd},
                                             .payment_method = "pm_card",
                                             .rules = fraud_rules(mode)});
    payment(payment_id, core::FraudCheckStarted{.workflow_id = core::fraud_check_id(payment_id)});
  }
  void start_refund(const std::string& id, std::int64_t minor) {
    refund(id, core::RefundCreated{.payment_id = "back",
                                   .user_id = "alice",
                                   .amount = {minor, usd},
                                   .payment_method = "pm_card",
                                   .retry = rules_of_old().gateway_retry});
    payment("back", core::RefundRequested{.refund_id = id, .amount = {minor, usd}});
  }
  void add(core::StreamKind kind, const std::string& stream, core::Event event) {
    core::Record record;
    record.seq = records_.size() + 1;
    record.at = at(static_cast<std::int64_t>(records_.size()) * 250);
    record.kind = kind;
    record.stream = stream;
    if (!stream.empty()) {
      for (const core::Record& earlier : records_) {
        record.previous = earlier.stream == stream ? earlier.seq : record.previous;
      }
    }
    record.event = std::move(event);
    records_.push_back(std::move(record));
  }

  const Currency usd = testing_support::currency("USD");
  std::vector<core::Record> records_;
};

inline const SampleHistory& samples() {
  static const SampleHistory history;
  return history;
}
inline const std::vector<core::Record>& sample_history() { return samples().records(); }

// Fills every field of an event with random values that a record may hold.
class RandomFields {
 public:
  explicit RandomFields(testing_support::Random& random) : random_(&random) {}

  void operator()(std::string_view, bool& value) { value = random_->chance(50); }
  void operator()(std::string_view, std::uint32_t& value) {
    value = static_cast<std::uint32_t>(random_->number());
  }
  void operator()(std::string_view, std::uint64_t& value) { value = random_->number(); }
  void operator()(std::string_view, std::int64_t& value) { value = signed_number(); }
  void operator()(std::string_view, std::string& value) {
    value = random_->text(random_->chance(5) ? 5000 : 40);
  }
  void operator()(std::string_view, Timestamp& value) { value.us = signed_number(); }
  void operator()(std::string_view, Duration& value) { value.us = signed_number(); }
  void operator()(std::string_view, Currency& value) { value = some_currency(); }
  void operator()(std::string_view, Money& value) {
    value = Money{signed_number(), some_currency()};
  }
  template <class Enum>
  requires std::is_enum_v<Enum>
  void operator()(std::string_view, Enum& value) {
    do {
      value = static_cast<Enum>(random_->below(16));
    } while (name(value).empty());
  }
  template <class Item>
  void operator()(std::string_view field, std::vector<Item>& items) {
    items.resize(random_->below(5));
    for (Item& item : items) {
      (*this)(field, item);
    }
  }
  template <class Struct>
  requires requires(RandomFields& f, Struct& s) { Struct::fields(f, s); }
  void operator()(std::string_view, Struct& value) { Struct::fields(*this, value); }

 private:
  std::int64_t signed_number() {
    const auto magnitude = static_cast<std::int64_t>(random_->number() >> 1);
    return random_->chance(50) ? magnitude : -magnitude - 1;
  }
  Currency some_currency() {
    constexpr const char* kCodes[] = {"USD", "EUR", "JPY", "KWD", "CLF"};
    return random_->chance(10) ? Currency() : testing_support::currency(random_->pick(kCodes));
  }

  testing_support::Random* random_;
};

// An event of the I-th type of the variant.
template <std::size_t I = 0>
core::Event random_event(std::size_t type, testing_support::Random& random) {
  if constexpr (I + 1 < std::variant_size_v<core::Event>) {
    if (type != I) {
      return random_event<I + 1>(type, random);
    }
  }
  std::variant_alternative_t<I, core::Event> event;
  RandomFields fields(random);
  decltype(event)::fields(fields, event);
  return event;
}

inline core::Record random_record(std::size_t type, testing_support::Random& random) {
  core::Record record;
  record.seq = 1 + (random.number() >> 1);
  record.previous = random.chance(30) ? 0 : random.below(record.seq);
  RandomFields fields(random);
  fields("at", record.at);
  fields("kind", record.kind);
  fields("stream", record.stream);
  record.event = random_event(type, random);
  return record;
}

}  // namespace payonce::log
