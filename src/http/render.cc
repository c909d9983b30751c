#include "http/render.h"

#include <concepts>
#include <type_traits>
#include <variant>
#include <vector>

namespace payonce::http {
namespace {

// Shows the fields of an event: the same walk that writes them to the log.
class EventFields {
 public:
  explicit EventFields(JsonWriter& json) : json_(&json) {}

  void operator()(std::string_view name, const std::string& value) {
    if (name == "metadata") {
      if (!value.empty()) {
        json_->key(name);
        json_->raw(value);
      }
    } else if (name != "key" && name != "fingerprint") {  // raw hashes
      json_->member(name, value);
    }
  }
  void operator()(std::string_view name, Money value) {
    json_->member_amount(name, value.minor, value.currency);
    json_->member("currency", value.currency.code());
  }
  void operator()(std::string_view name, Currency value) { json_->member(name, value.code()); }
  void operator()(std::string_view name, Timestamp value) { json_->member(name, value); }
  void operator()(std::string_view name, Duration value) { json_->member(name, value.us); }
  void operator()(std::string_view name, bool value) { json_->member(name, value); }
  template <std::unsigned_integral T>
  void operator()(std::string_view name, T value) {
    json_->member(name, std::uint64_t{value});
  }
  template <class T>
  requires std::is_enum_v<T>
  void operator()(std::string_view field, T value) { json_->member(field, name(value)); }
  // What the client asked for stands beside the other fields, the rest in an object of its own.
  void operator()(std::string_view /*name*/, const core::PaymentContent& value) {
    core::PaymentContent::fields(*this, value);
  }
  void operator()(std::string_view name, std::int64_t value) { json_->member(name, value); }
  void operator()(std::string_view name, const std::vector<std::uint32_t>& values) {
    json_->key(name);
    json_->begin_array();
    for (const std::uint32_t value : values) {
      json_->value(value);
    }
    json_->end_array();
  }
  template <class Struct>
  requires requires(EventFields& f, const Struct& s) { Struct::fields(f, s); }
  void operator()(std::string_view name, const Struct& value) {
    json_->key(name);
    json_->begin_object();
    Struct::fields(*this, value);
    json_->end_object();
  }

 private:
  JsonWriter* json_;
};

void write_metadata(JsonWriter& json, const std::string& metadata) {
  json.key("metadata");
  json.raw(metadata.empty() ? "{}" : std::string_view(metadata));
}

void write_failure(JsonWriter& json, const core::Payment& payment) {
  json.key("failure");
  if (payment.failure == core::FailureCode::kNone) {
    json.null();
    return;
  }
  json.begin_object();
  json.member("code", name(payment.failure));
  json.member("message", payment.failure_message);
  json.end_object();
}

void write_compensation(JsonWriter& json, const core::Payment& payment) {
  json.key("compensation");
  if (payment.compensation == core::CompensationState::kNone) {
    json.null();
    return;
  }
  json.begin_object();
  json.member("state", name(payment.compensation));
  json.key("steps");
  json.begin_array();
  for (const core::CompensationStep& step : payment.compensation_steps) {
    json.begin_object();
    json.member("step", name(step.kind));
    json.member("state", name(step.state));
    json.end_object();
  }
  json.end_array();
  if (!payment.compensation_error.empty()) {
    json.member("attempts", payment.compensation_attempts);
    json.member("error", payment.compensation_error);
  }
  json.end_object();
}

void write_fraud(JsonWriter& json, const core::Payment& payment) {
  const bool checked = payment.fraud != core::FraudResult::kNone;
  json.key("fraud");
  json.begin_object();
  json.member_or_null("workflow_id", checked ? core::fraud_check_id(payment.id) : std::string());
  json.member_or_null("result", checked ? name(payment.fraud) : std::string_view());
  json.end_object();
}

void write_gateway(JsonWriter& json, const core::Payment& payment) {
  json.key("gateway");
  json.begin_object();
  json.member_or_null("reference", payment.gateway_reference);
  json.member("attempts", payment.gateway_attempts);
  json.member("state", name(payment.gateway));
  json.end_object();
}

}  // namespace

void write(JsonWriter& json, const core::Account& account) {
  json.begin_object();
  json.member("id", account.id);
  json.member("currency", account.currency.code());
  json.member_amount("available", account.available(), account.currency);
  json.member_amount("held", account.held, account.currency);
  json.member_amount("posted", account.posted, account.currency);
  json.member("created_at", account.created_at);
  write_metadata(json, account.metadata);
  json.end_object();
}

void write(JsonWriter& json, const core::Transfer& transfer) {
  json.begin_object();
  json.member("id", transfer.id);
  json.member("debit_account", transfer.debit_account);
  json.member("credit_account", transfer.credit_account);
  json.member_amount("amount", transfer.amount.minor, transfer.amount.currency);
  json.member("state", name(transfer.state));
  json.member("workflow_id", transfer.workflow_id);
  json.member("step", transfer.step);
  if (!transfer.reference.empty()) {
    json.member("reference", transfer.reference);
  }
  json.member("created_at", transfer.created_at);
  json.end_object();
}

void write(JsonWriter& json, const core::Payment& payment) {
  json.begin_object();
  json.member("id", payment.id);
  json.member("user_id", payment.content.user_id);
  json.member_amount("amount", payment.content.amount.minor, payment.content.amount.currency);
  json.member("currency", payment.content.amount.currency.code());
  json.member("payment_method", payment.content.payment_method);
  json.member("status", name(payment.status));
  json.member("current_step", name(payment.step));
  write_failure(json, payment);
  write_compensation(json, payment);
  write_gateway(json, payment);
  write_fraud(json, payment);
  json.member("version", payment.rules.version);
  json.member("created_at", payment.created_at);
  json.member("updated_at", payment.updated_at);
  write_metadata(json, payment.content.metadata);
  json.end_object();
}

void write(JsonWriter& json, const core::FraudCheck& check) {
  json.begin_object();
  json.member("id", check.id);
  json.member("payment_id", check.payment_id);
  json.member("result", name(check.result));
  json.member_or_null("reason", check.reason);
  json.member("mode", name(check.rules.mode));
  json.member("attempts", check.attempts);
  json.member_or_null("error", check.error);
  json.member("deadline", check.deadline);
  json.member("created_at", check.created_at);
  json.member("updated_at", check.updated_at);
  json.end_object();
}

void write(JsonWriter& json, const core::Refund& refund) {
  json.begin_object();
  json.member("id", refund.id);
  json.member("payment_id", refund.payment_id);
  json.member_amount("amount", refund.amount.minor, refund.amount.currency);
  json.member("currency", refund.amount.currency.code());
  json.member("status", name(refund.status));
  json.key("gateway");
  json.begin_object();
  json.member_or_null("reference", refund.reference);
  json.member("attempts", refund.calls);
  json.end_object();
  json.member_or_null("error", refund.error);
  json.member("created_at", refund.created_at);
  json.member("updated_at", refund.updated_at);
  json.end_object();
}

void write(JsonWriter& json, const core::Explanation& explanation) {
  json.begin_object();
  json.member("waiting_for", explanation.waiting_for);
  json.member("next_action", explanation.next_action);
  json.key("due_at");
  if (explanation.due_at) {
    json.value(*explanation.due_at);
  } else {
    json.null();
  }
  json.key("attempt");
  if (explanation.attempt != 0) {
    json.value(explanation.attempt);
  } else {
    json.null();
  }
  json.member_or_null("last_error", explanation.last_error);
  json.end_object();
}

void write(JsonWriter& json, const core::Record& record) {
  json.begin_object();
  json.member("seq", record.seq);
  json.member("type", event_name(record.event));
  json.member("at", record.at);
  json.key("data");
  json.begin_object();
  EventFields fields(json);
  std::visit([&](const auto& event) { std::decay_t<decltype(event)>::fields(fields, event); },
             record.event);
  json.end_object();
  json.end_object();
}

Problem refusal_problem(const core::Payment& payment) {
  Problem problem;
  problem.detail = payment.failure_message;
  problem.payment_id = payment.id;
  switch (payment.failure) {
    case core::FailureCode::kInsufficientFunds:
      problem.code = Code::kInsufficientFunds;
      break;
    case core::FailureCode::kAccountNotFound:
      problem.code = Code::kAccountNotFound;
      break;
    case core::FailureCode::kAccountClosed:
      problem.code = Code::kAccountClosed;
      break;
    case core::FailureCode::kCurrencyMismatch:
      problem.code = Code::kCurrencyMismatch;
      break;
    case core::FailureCode::kLimitExceeded:
      problem.code = Code::kLimitExceeded;
      break;
    case core::FailureCode::kNone:
    case core::FailureCode::kGatewayDeclined:
    case core::FailureCode::kGatewayUnavailable:
    case core::FailureCode::kCallbackTimeout:
    case core::FailureCode::kFraudRejected:
    case core::FailureCode::kFraudTimeout:
    case core::FailureCode::kCancelled:
    case core::FailureCode::kCompensationFailed:
      problem.code = Code::kInternalError;  // not a refusal on create
      break;
  }
  return problem;
}

}  // namespace payonce::http
