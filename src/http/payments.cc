// Routes of payments: create, read one, wait for the end.
#include <chrono>
#include <utility>

#include "base/ids.h"
#include "http/fields.h"
#include "http/headers.h"
#include "http/prepared.h"
#include "http/render.h"

namespace payonce::http {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::size_t kDescriptionMax = 1000;

// The answer to a create once the payment is accepted: 201 at its end, 202 while it runs.
void set_payment_answer(core::Answer& out, const core::Payment& payment) {
  out.status = terminal(payment.status) ? 201 : 202;
  out.location = "/v1/payments/" + payment.id;
  out.body = render_row(payment);
}

class PaymentRenderer final : public core::Renderer {
 public:
  explicit PaymentRenderer(std::string_view path) : path_(path) {}

  void render(const core::Outcome& outcome, core::Answer& out) override {
    if (outcome.payment != nullptr) {
      payment_id_ = outcome.payment->id;
      running_ = (outcome.kind == core::OutcomeKind::kPaymentAccepted ||
                  outcome.kind == core::OutcomeKind::kPaymentExisting) &&
                 !terminal(outcome.payment->status);
    } else if (outcome.key != nullptr) {
      payment_id_ = outcome.key->workflow_id;
    }
    if (render_key_outcome(outcome, path_, out)) {
      return;
    }
    switch (outcome.kind) {
      case core::OutcomeKind::kPaymentAccepted:
        set_payment_answer(out, *outcome.payment);
        return;
      case core::OutcomeKind::kPaymentExisting:
        set_payment_answer(out, *outcome.payment);
        out.status = 200;
        return;
      case core::OutcomeKind::kPaymentRefused:
        set_problem(out, refusal_problem(*outcome.payment), path_);
        return;
      case core::OutcomeKind::kPaymentExists:
        set_problem(out,
                    Problem{.code = Code::kPaymentExists,
                            .detail = "a payment with this id and other content exists",
                            .errors = {},
                            .payment_id = outcome.payment->id},
                    path_);
        return;
      default:
        set_problem(out, Problem{}, path_);
    }
  }

  // True when the outcome is a payment that has not ended.
  [[nodiscard]] bool running() const { return running_; }
  // The payment that the outcome was about, or that the key waits for.
  [[nodiscard]] const std::string& payment_id() const { return payment_id_; }

 private:
  std::string_view path_;
  std::string payment_id_;
  bool running_ = false;
};

// Passes the answer of an earlier completion through.
class CompletionRenderer final : public core::Renderer {
 public:
  void render(const core::Outcome& outcome, core::Answer& out) override {
    if (outcome.key != nullptr) {
      out = outcome.key->answer;
    }
  }
};

}  // namespace

std::optional<seconds> Api::take_wait(const Call& call, std::optional<WaitSlot>& slot) {
  const std::optional<seconds> wait = parse_wait(call.prefer);
  // When too many wait already, the preference is left unapplied, as RFC 7240 permits.
  if (!wait || !slot.emplace(wait_slots_)) {
    return std::nullopt;
  }
  return std::min(*wait, settings_.wait_max);
}

std::optional<core::Payment> Api::wait_for_end(Backend& backend, const std::string& id,
                                               milliseconds at_most) {
  if (at_most.count() == 0) {
    return backend.engine.find_payment(id);
  }
  engine::Waiters::Registration registration(backend.engine.waiters(), id);
  auto payment = backend.engine.find_payment(id);
  if (payment && !terminal(payment->status)) {
    registration.wait(at_most);
    payment = backend.engine.find_payment(id);
  }
  return payment;
}

// A key that is claimed and has no answer yet.
Reply in_flight(const std::string& payment_id, std::string_view path) {
  Reply reply = problem_reply(Problem{.code = Code::kIdempotencyInFlight,
                                      .detail = "the first request with this key is still running",
                                      .errors = {},
                                      .payment_id = payment_id},
                              path);
  reply.location = "/v1/payments/" + payment_id;
  return reply;
}

// The request that claimed the key: waits for the workflow's end, records whatever there is by then
// as the answer, and gives it. A client that hangs up meanwhile will repeat the request, and should
// not find that it was answered too early: so nothing is recorded, and the repetition waits anew.
Reply Api::answer_claimed(Backend& backend, const Call& call, const Prepared& prepared,
                          const std::string& payment_id, milliseconds at_most, bool existing) {
  const auto payment = wait_for_end(backend, payment_id, at_most);
  if (!payment) {
    return refusal_reply(engine::Verdict::kIndeterminate, call.path);
  }
  if (!terminal(payment->status) && engine::Parker::current().deserted()) {
    return in_flight(payment_id, call.path);
  }
  core::Answer answer;
  set_payment_answer(answer, *payment);
  answer.status = existing ? 200 : answer.status;
  Reply reply = record_answer(backend, call, prepared, std::move(answer));
  reply.replayed = false;  // whoever recorded it: this is the request that it answers
  return reply;
}

// Records the answer unless somebody else has recorded one by now, which then is the answer.
Reply Api::record_answer(Backend& backend, const Call& call, const Prepared& prepared,
                         core::Answer answer) {
  CompletionRenderer renderer;
  engine::Request request(
      core::Input{core::CompleteKey{.key = prepared.keyed->key, .answer = answer}, std::nullopt},
      &renderer);
  const engine::Verdict verdict = backend.engine.execute(request);
  if (verdict != engine::Verdict::kDone) {
    return refusal_reply(verdict, call.path);
  }
  // The key may be gone already when its retention is shorter than the wait.
  const bool recorded = request.kind != core::OutcomeKind::kResultStale;
  Reply reply = to_reply(recorded ? std::move(request.answer) : std::move(answer));
  reply.replayed = request.kind == core::OutcomeKind::kKeyReplayed;
  return reply;
}

// A repetition while the first request has no answer yet: waits for that answer, or for the end of
// the payment in case that nobody is left to give one.
Reply Api::answer_in_flight(Backend& backend, const Call& call, const Prepared& prepared,
                            const std::string& payment_id, milliseconds at_most) {
  const std::string& key = prepared.keyed->key;
  engine::Waiters::Registration registration(backend.engine.waiters(),
                                             {engine::Waiters::key_id(key), payment_id});
  for (const milliseconds wait : {at_most, milliseconds(0)}) {
    auto record = backend.engine.find_key(key);
    if (record && record->state == core::KeyState::kCompleted) {
      Reply reply = to_reply(std::move(record->answer));
      reply.replayed = true;
      return reply;
    }
    const auto payment = backend.engine.find_payment(payment_id);
    if (payment && terminal(payment->status)) {
      core::Answer answer;
      set_payment_answer(answer, *payment);
      Reply reply = record_answer(backend, call, prepared, std::move(answer));
      reply.replayed = reply.status < 500;
      return reply;
    }
    if (wait.count() > 0) {
      registration.wait(wait);
    }
  }
  return in_flight(payment_id, call.path);
}

std::expected<core::CreatePayment, Reply> Api::read_payment(const Call& call,
                                                            const Value& body) const {
  Fields fields(body);
  core::CreatePayment command;
  command.id = fields.id("id", Need::kOptional);
  command.content.user_id = fields.id("user_id", Need::kRequired);
  const Currency currency = fields.currency("currency", settings_.default_currency);
  command.content.amount = {fields.amount("amount", Need::kRequired, currency), currency};
  command.content.payment_method = fields.payment_method("payment_method");
  command.content.description = fields.text("description", Need::kOptional, kDescriptionMax);
  command.content.metadata = fields.metadata("metadata", settings_.metadata_bytes_max);
  if (const auto problem = fields.problem()) {
    return std::unexpected(problem_reply(*problem, call.path));
  }
  command.rules = settings_.payment_rules(command.content);
  return command;
}

Reply Api::create_payment(Backend& backend, const Call& call) {
  auto prepared = prepare(call, "/v1/payments");
  if (!prepared) {
    return std::move(prepared.error());
  }
  auto command = read_payment(call, prepared->body);
  if (!command) {
    return std::move(command.error());
  }
  std::optional<WaitSlot> slot;
  std::optional<seconds> wait = take_wait(call, slot);
  const milliseconds at_most = wait.value_or(seconds(0));
  const bool keyed = prepared->keyed.has_value();
  if (keyed) {
    prepared->keyed->answer_later = at_most.count() > 0;
  }
  PaymentRenderer renderer(call.path);
  engine::Request request(core::Input{std::move(*command), prepared->keyed}, &renderer);
  const engine::Verdict verdict = backend.engine.execute(request);
  if (verdict != engine::Verdict::kDone) {
    return refusal_reply(verdict, call.path);
  }
  const std::string& id = renderer.payment_id();
  const bool existing = request.kind == core::OutcomeKind::kPaymentExisting;
  const bool running = renderer.running();
  Reply reply;
  if (request.kind == core::OutcomeKind::kKeyInFlight) {
    reply = answer_in_flight(backend, call, *prepared, id, at_most);
  } else if (running && keyed && at_most.count() > 0) {
    reply = answer_claimed(backend, call, *prepared, id, at_most, existing);
  } else if (running && at_most.count() > 0) {
    const auto payment = wait_for_end(backend, id, at_most);
    if (!payment) {
      return refusal_reply(engine::Verdict::kIndeterminate, call.path);
    }
    core::Answer answer;
    set_payment_answer(answer, *payment);
    answer.status = existing ? 200 : answer.status;
    reply = to_reply(std::move(answer));
  } else {
    reply = to_reply(std::move(request.answer));
    reply.replayed = request.kind == core::OutcomeKind::kKeyReplayed;
    // A stored answer is given as it is: nobody waited for it.
    if (reply.replayed) {
      wait.reset();
    }
  }
  reply.wait_applied = wait;
  return reply;
}

std::expected<core::Payment, Reply> Api::named_payment(Backend& backend, const Call& call) {
  auto payment =
      valid_id(call.id) ? backend.engine.find_payment(std::string(call.id)) : std::nullopt;
  return found_or_problem(backend, call, std::move(payment), "payment");
}

Reply Api::get_payment(Backend& backend, const Call& call) {
  std::optional<WaitSlot> slot;
  const std::optional<seconds> wait = take_wait(call, slot);
  auto waited = valid_id(call.id)
                    ? wait_for_end(backend, std::string(call.id), wait.value_or(seconds(0)))
                    : std::nullopt;
  const auto payment = found_or_problem(backend, call, std::move(waited), "payment");
  if (!payment) {
    return payment.error();
  }
  Reply reply = json_reply(200, render_row(*payment));
  reply.wait_applied = wait;
  return reply;
}

}  // namespace payonce::http
