#include <flatbuffers/flatbuffers.h>

#include <utility>
#include <variant>

#include "envelope.h"
#include "format.h"
#include "records_generated.h"

namespace study {
namespace {

namespace core = payonce::core;
using Builder = flatbuffers::FlatBufferBuilder;

fb::Money money_of(const payonce::Money& from) {
  const std::string_view code = from.currency.code();
  return {from.minor,
          fb::Currency(static_cast<std::uint8_t>(code[0]), static_cast<std::uint8_t>(code[1]),
                       static_cast<std::uint8_t>(code[2]))};
}

bool get_money(const fb::Money* from, payonce::Money& to) {
  if (from == nullptr) {
    return false;
  }
  const char code[3] = {static_cast<char>(from->currency().a()),
                        static_cast<char>(from->currency().b()),
                        static_cast<char>(from->currency().c())};
  const auto currency = payonce::Currency::find({code, 3});
  to = {from->minor(), currency.value_or(payonce::Currency())};
  return currency.has_value();
}

flatbuffers::Offset<fb::RetryPolicy> policy(Builder& b, const core::RetryPolicy& from) {
  return fb::CreateRetryPolicy(b, from.initial_interval_ms, from.backoff_coefficient_permille,
                               from.maximum_interval_ms, from.maximum_attempts);
}

core::RetryPolicy policy_of(const fb::RetryPolicy* from) {
  return {.initial_interval_ms = from->initial_interval_ms(),
          .backoff_coefficient_permille = from->backoff_coefficient_permille(),
          .maximum_interval_ms = from->maximum_interval_ms(),
          .maximum_attempts = from->maximum_attempts()};
}

flatbuffers::Offset<flatbuffers::Vector<std::uint8_t>> bytes(Builder& b, const std::string& from) {
  return b.CreateVector(reinterpret_cast<const std::uint8_t*>(from.data()), from.size());
}

void assign(std::string& to, const flatbuffers::String* from) {
  if (from != nullptr) {
    to.assign(from->c_str(), from->size());
  }
}

void assign(std::string& to, const flatbuffers::Vector<std::uint8_t>* from) {
  if (from != nullptr) {
    to.assign(reinterpret_cast<const char*>(from->data()), from->size());
  }
}

struct Built {
  fb::Event type = fb::Event_NONE;
  flatbuffers::Offset<void> offset = 0;
};

struct Build {
  Builder& b;

  Built operator()(const core::PaymentCreated& from) const {
    const auto user = b.CreateString(from.content.user_id);
    const auto method = b.CreateString(from.content.payment_method);
    const auto description = b.CreateString(from.content.description);
    const auto metadata = b.CreateString(from.content.metadata);
    const fb::Money money = money_of(from.content.amount);
    const auto content = fb::CreatePaymentContent(b, user, &money, method, description, metadata);
    const auto gateway = policy(b, from.rules.gateway_retry);
    const auto notify = policy(b, from.rules.notify_retry);
    const auto rules = fb::CreatePaymentRules(b, from.rules.version, gateway, notify);
    return {fb::Event_PaymentCreated, fb::CreatePaymentCreated(b, content, rules).Union()};
  }
  Built operator()(const core::FundsHeld& from) const {
    const auto id = b.CreateString(from.transfer_id);
    const auto step = b.CreateString(from.step);
    const auto debit = b.CreateString(from.debit_account);
    const auto credit = b.CreateString(from.credit_account);
    const fb::Money money = money_of(from.amount);
    return {fb::Event_FundsHeld, fb::CreateFundsHeld(b, id, step, debit, credit, &money).Union()};
  }
  Built operator()(const core::GatewayConfirmed& from) const {
    const auto reference = b.CreateString(from.reference);
    return {fb::Event_GatewayConfirmed,
            fb::CreateGatewayConfirmed(b, from.attempt, reference).Union()};
  }
  Built operator()(const core::AnswerRecorded& from) const {
    const auto key = bytes(b, from.key);
    const auto fingerprint = bytes(b, from.fingerprint);
    const auto location = b.CreateString(from.answer.location);
    const auto body = bytes(b, from.answer.body);
    const auto answer = fb::CreateAnswer(b, from.answer.status, location, body);
    return {fb::Event_AnswerRecorded,
            fb::CreateAnswerRecorded(b, key, fingerprint, from.retention.us, answer).Union()};
  }
  template <class Other>
  Built operator()(const Other&) const {
    return {};
  }
};

bool get_event(const fb::Record& record, core::Event& out) {
  switch (record.event_type()) {
    case fb::Event_PaymentCreated: {
      const fb::PaymentCreated& from = *record.event_as_PaymentCreated();
      if (from.content() == nullptr || from.rules() == nullptr ||
          from.rules()->gateway_retry() == nullptr || from.rules()->notify_retry() == nullptr) {
        return false;
      }
      core::PaymentCreated event;
      assign(event.content.user_id, from.content()->user_id());
      assign(event.content.payment_method, from.content()->payment_method());
      assign(event.content.description, from.content()->description());
      assign(event.content.metadata, from.content()->metadata());
      event.rules.version = from.rules()->version();
      event.rules.gateway_retry = policy_of(from.rules()->gateway_retry());
      event.rules.notify_retry = policy_of(from.rules()->notify_retry());
      const bool ok = get_money(from.content()->amount(), event.content.amount);
      out = std::move(event);
      return ok;
    }
    case fb::Event_FundsHeld: {
      const fb::FundsHeld& from = *record.event_as_FundsHeld();
      core::FundsHeld event;
      assign(event.transfer_id, from.transfer_id());
      assign(event.step, from.step());
      assign(event.debit_account, from.debit_account());
      assign(event.credit_account, from.credit_account());
      const bool ok = get_money(from.amount(), event.amount);
      out = std::move(event);
      return ok;
    }
    case fb::Event_GatewayConfirmed: {
      const fb::GatewayConfirmed& from = *record.event_as_GatewayConfirmed();
      core::GatewayConfirmed event;
      event.attempt = from.attempt();
      assign(event.reference, from.reference());
      out = std::move(event);
      return true;
    }
    case fb::Event_AnswerRecorded: {
      const fb::AnswerRecorded& from = *record.event_as_AnswerRecorded();
      if (from.answer() == nullptr) {
        return false;
      }
      core::AnswerRecorded event;
      assign(event.key, from.key());
      assign(event.fingerprint, from.fingerprint());
      event.retention.us = from.retention_us();
      event.answer.status = from.answer()->status();
      assign(event.answer.location, from.answer()->location());
      assign(event.answer.body, from.answer()->body());
      out = std::move(event);
      return true;
    }
    case fb::Event_NONE:
      return false;
  }
  return false;
}

// Something that depends on every field, read in place.
std::uint64_t look_at(const fb::Record& record) {
  std::uint64_t sum = static_cast<std::uint64_t>(record.at_us()) + record.kind() +
                      record.distance() + record.stream()->size();
  if (const auto* created = record.event_as_PaymentCreated()) {
    sum += created->content()->user_id()->size() + created->content()->metadata()->size() +
           created->content()->payment_method()->size() +
           created->content()->description()->size() +
           static_cast<std::uint64_t>(created->content()->amount()->minor()) +
           created->rules()->version() + created->rules()->gateway_retry()->maximum_attempts() +
           created->rules()->notify_retry()->maximum_attempts();
  } else if (const auto* held = record.event_as_FundsHeld()) {
    sum += held->transfer_id()->size() + held->step()->size() + held->debit_account()->size() +
           held->credit_account()->size() + static_cast<std::uint64_t>(held->amount()->minor());
  } else if (const auto* confirmed = record.event_as_GatewayConfirmed()) {
    sum += confirmed->attempt() + confirmed->reference()->size();
  } else if (const auto* recorded = record.event_as_AnswerRecorded()) {
    sum += recorded->key()->size() + recorded->fingerprint()->size() +
           static_cast<std::uint64_t>(recorded->retention_us()) + recorded->answer()->status() +
           recorded->answer()->location()->size() + recorded->answer()->body()->size();
  }
  return sum;
}

class FlatBuffers final : public Format {
 public:
  void encode(const core::Record& record, std::string& out) override {
    builder_.Clear();  // keeps its memory, as one would
    const auto stream = builder_.CreateString(record.stream);
    const Built event = std::visit(Build{builder_}, record.event);
    builder_.Finish(fb::CreateRecord(
        builder_, record.at.us, static_cast<std::uint8_t>(record.kind), stream,
        record.previous == 0 ? 0 : record.seq - record.previous, event.type, event.offset));
    const std::size_t start = out.size();
    out.append(kEnvelopeSize, '\0');
    out.append(reinterpret_cast<const char*>(builder_.GetBufferPointer()), builder_.GetSize());
    seal(record.seq, out, start);
  }

  bool decode(core::Seq seq, std::string_view entry, core::Record& out) override {
    const fb::Record* record = verified(seq, entry);
    if (record == nullptr) {
      return false;
    }
    out.seq = seq;
    out.at.us = record->at_us();
    out.kind = static_cast<core::StreamKind>(record->kind());
    assign(out.stream, record->stream());
    out.previous = record->distance() == 0 ? 0 : seq - record->distance();
    return record->distance() < seq && !name(out.kind).empty() && get_event(*record, out.event);
  }

  std::uint64_t decode_natively(core::Seq seq, std::string_view entry) override {
    const fb::Record* record = verified(seq, entry);
    return record == nullptr ? 0 : look_at(*record);
  }

 private:
  static const fb::Record* verified(core::Seq seq, std::string_view entry) {
    const std::string_view body = open_envelope(seq, entry);
    const auto* data = reinterpret_cast<const std::uint8_t*>(body.data());
    // The log's pages give no alignment; x86-64 reads unaligned, elsewhere it would need a copy.
    flatbuffers::Verifier verifier(data, body.size(), 64, 1'000'000, false);
    return !body.empty() && fb::VerifyRecordBuffer(verifier) ? fb::GetRecord(data) : nullptr;
  }

  Builder builder_{1024};
};

}  // namespace

std::unique_ptr<Format> make_flatbuffers() { return std::make_unique<FlatBuffers>(); }

}  // namespace study
