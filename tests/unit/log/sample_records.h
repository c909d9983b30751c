// Records for the tests of the log: a fixed history in which every type of event occurs, and random
// records.
#pragma once

#include <limits>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "core/record.h"
#include "support/machine_world.h"
#include "support/random.h"

namespace payonce::log {

inline constexpr std::uint64_t kSampleSalt = 0x0123456789abcdef;

// The history that tests/golden/log-v1.bin holds. It never changes: a new type of event gets a
// history and a golden file of its own.
//
// alice has 100.00 and makes four payments: "ok" succeeds at the second attempt, "no" is declined,
// "down" finds no gateway, "much" is refused.
class SampleHistory {
 public:
  SampleHistory() {
    using namespace core;
    const Currency usd = testing_support::currency("USD");
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
    start("ok", 2'550);
    payment("ok", GatewayRetryScheduled{
                      .attempt = 1, .error = "connection refused", .not_before = at(1'000'000)});
    payment("ok", GatewayConfirmed{.attempt = 2, .reference = "gw_42"});
    payment("ok", HoldPosted{.step = "hold", .amount = {2'550, usd}});
    payment("ok", PaymentSucceeded{});
    payment("ok", NotificationRetryScheduled{
                      .attempt = 1, .error = "timeout", .not_before = at(2'000'000)});
    payment("ok", NotificationSent{.attempt = 2});
    start("no", 1);
    payment("no", GatewayDeclined{.attempt = 1, .reason = "stolen_card"});
    payment("no", HoldVoided{.step = "hold"});
    payment("no", PaymentFailed{.code = FailureCode::kGatewayDeclined,
                                .message = "the gateway declined the payment: stolen_card"});
    payment("no", NotificationExhausted{.attempt = 1, .error = "410 Gone"});
    start("down", 7'449);
    payment("down", GatewayExhausted{.attempt = 1, .error = "503"});
    payment("down", HoldVoided{.step = "hold"});
    payment("down", PaymentFailed{.code = FailureCode::kGatewayUnavailable, .message = "gone"});
    create("much", std::numeric_limits<std::int64_t>::max());
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

  [[nodiscard]] const std::vector<core::Record>& records() const { return records_; }

 private:
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

  void create(const std::string& id, std::int64_t minor) {
    payment(id,
            core::PaymentCreated{.content = {.user_id = "alice",
                                             .amount = {minor, testing_support::currency("USD")},
                                             .payment_method = "pm_card",
                                             .description = "order 17",
                                             .metadata = R"({"order":17})"},
                                 .rules = {.version = 1,
                                           .gateway_retry = {.initial_interval_ms = 1000,
                                                             .backoff_coefficient_permille = 2000,
                                                             .maximum_interval_ms = 60'000,
                                                             .maximum_attempts = 10},
                                           .notify_retry = {.initial_interval_ms = 500,
                                                            .backoff_coefficient_permille = 1500,
                                                            .maximum_interval_ms = 30'000,
                                                            .maximum_attempts = 0}}});
  }
  void start(const std::string& id, std::int64_t minor) {
    create(id, minor);
    payment(id, core::FundsHeld{.transfer_id = "tr_" + id,
                                .step = "hold",
                                .debit_account = "alice",
                                .credit_account = "sys:gateway:USD",
                                .amount = {minor, testing_support::currency("USD")}});
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

  std::vector<core::Record> records_;
};

inline const std::vector<core::Record>& sample_history() {
  static const SampleHistory history;
  return history.records();
}

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
  void operator()(std::string_view, core::FailureCode& value) {
    value = static_cast<core::FailureCode>(random_->below(8));
  }
  void operator()(std::string_view, core::StreamKind& value) {
    value = static_cast<core::StreamKind>(random_->below(4));
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
