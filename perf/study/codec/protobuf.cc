#include <utility>
#include <variant>

#include "envelope.h"
#include "format.h"
#include "records.pb.h"

namespace study {
namespace {

namespace core = payonce::core;

void set_money(pb::Money& to, const payonce::Money& from) {
  to.set_minor(from.minor);
  to.set_currency(from.currency.code().data(), from.currency.code().size());
}

bool get_money(const pb::Money& from, payonce::Money& to) {
  const auto currency = payonce::Currency::find(from.currency());
  to = {from.minor(), currency.value_or(payonce::Currency())};
  return currency.has_value();
}

void set_policy(pb::RetryPolicy& to, const core::RetryPolicy& from) {
  to.set_initial_interval_ms(from.initial_interval_ms);
  to.set_backoff_coefficient_permille(from.backoff_coefficient_permille);
  to.set_maximum_interval_ms(from.maximum_interval_ms);
  to.set_maximum_attempts(from.maximum_attempts);
}

core::RetryPolicy policy_of(const pb::RetryPolicy& from) {
  return {.initial_interval_ms = from.initial_interval_ms(),
          .backoff_coefficient_permille = from.backoff_coefficient_permille(),
          .maximum_interval_ms = from.maximum_interval_ms(),
          .maximum_attempts = from.maximum_attempts()};
}

struct Fill {
  pb::Record& to;

  void operator()(const core::PaymentCreated& from) const {
    pb::PaymentCreated& event = *to.mutable_payment_created();
    pb::PaymentContent& content = *event.mutable_content();
    content.set_user_id(from.content.user_id);
    set_money(*content.mutable_amount(), from.content.amount);
    content.set_payment_method(from.content.payment_method);
    content.set_description(from.content.description);
    content.set_metadata(from.content.metadata);
    pb::PaymentRules& rules = *event.mutable_rules();
    rules.set_version(from.rules.version);
    set_policy(*rules.mutable_gateway_retry(), from.rules.gateway_retry);
    set_policy(*rules.mutable_notify_retry(), from.rules.notify_retry);
  }
  void operator()(const core::FundsHeld& from) const {
    pb::FundsHeld& event = *to.mutable_funds_held();
    event.set_transfer_id(from.transfer_id);
    event.set_step(from.step);
    event.set_debit_account(from.debit_account);
    event.set_credit_account(from.credit_account);
    set_money(*event.mutable_amount(), from.amount);
  }
  void operator()(const core::GatewayConfirmed& from) const {
    pb::GatewayConfirmed& event = *to.mutable_gateway_confirmed();
    event.set_attempt(from.attempt);
    event.set_reference(from.reference);
  }
  void operator()(const core::AnswerRecorded& from) const {
    pb::AnswerRecorded& event = *to.mutable_answer_recorded();
    event.set_key(from.key);
    event.set_fingerprint(from.fingerprint);
    event.set_retention_us(from.retention.us);
    event.mutable_answer()->set_status(from.answer.status);
    event.mutable_answer()->set_location(from.answer.location);
    event.mutable_answer()->set_body(from.answer.body);
  }
  template <class Other>
  void operator()(const Other&) const {}
};

class Protobuf final : public Format {
 public:
  void encode(const core::Record& record, std::string& out) override {
    message_.Clear();  // keeps its memory, as one would
    message_.set_at_us(record.at.us);
    message_.set_kind(static_cast<std::uint32_t>(record.kind));
    message_.set_stream(record.stream);
    message_.set_distance(record.previous == 0 ? 0 : record.seq - record.previous);
    std::visit(Fill{message_}, record.event);
    const std::size_t start = out.size();
    out.append(kEnvelopeSize, '\0');
    message_.AppendToString(&out);
    seal(record.seq, out, start);
  }

  bool decode(core::Seq seq, std::string_view entry, core::Record& out) override {
    if (!parse(seq, entry)) {
      return false;
    }
    out.seq = seq;
    out.at.us = message_.at_us();
    out.kind = static_cast<core::StreamKind>(message_.kind());
    out.stream = message_.stream();
    out.previous = message_.distance() == 0 ? 0 : seq - message_.distance();
    return message_.distance() < seq && !name(out.kind).empty() && get_event(out.event);
  }

  std::uint64_t decode_natively(core::Seq seq, std::string_view entry) override {
    return parse(seq, entry) ? message_.stream().size() : 0;
  }

 private:
  bool parse(core::Seq seq, std::string_view entry) {
    const std::string_view body = open_envelope(seq, entry);
    return !body.empty() && message_.ParseFromArray(body.data(), static_cast<int>(body.size()));
  }

  bool get_event(core::Event& out) const {
    switch (message_.event_case()) {
      case pb::Record::kPaymentCreated: {
        const pb::PaymentCreated& from = message_.payment_created();
        core::PaymentCreated event;
        event.content.user_id = from.content().user_id();
        event.content.payment_method = from.content().payment_method();
        event.content.description = from.content().description();
        event.content.metadata = from.content().metadata();
        event.rules.version = from.rules().version();
        event.rules.gateway_retry = policy_of(from.rules().gateway_retry());
        event.rules.notify_retry = policy_of(from.rules().notify_retry());
        const bool ok = get_money(from.content().amount(), event.content.amount);
        out = std::move(event);
        return ok;
      }
      case pb::Record::kFundsHeld: {
        const pb::FundsHeld& from = message_.funds_held();
        core::FundsHeld event;
        event.transfer_id = from.transfer_id();
        event.step = from.step();
        event.debit_account = from.debit_account();
        event.credit_account = from.credit_account();
        const bool ok = get_money(from.amount(), event.amount);
        out = std::move(event);
        return ok;
      }
      case pb::Record::kGatewayConfirmed: {
        const pb::GatewayConfirmed& from = message_.gateway_confirmed();
        out = core::GatewayConfirmed{.attempt = from.attempt(), .reference = from.reference()};
        return true;
      }
      case pb::Record::kAnswerRecorded: {
        const pb::AnswerRecorded& from = message_.answer_recorded();
        out = core::AnswerRecorded{.key = from.key(),
                                   .fingerprint = from.fingerprint(),
                                   .retention = {from.retention_us()},
                                   .answer = {.status = from.answer().status(),
                                              .location = from.answer().location(),
                                              .body = from.answer().body()}};
        return true;
      }
      case pb::Record::EVENT_NOT_SET:
        return false;
    }
    return false;
  }

  pb::Record message_;
};

}  // namespace

std::unique_ptr<Format> make_protobuf() { return std::make_unique<Protobuf>(); }

}  // namespace study
