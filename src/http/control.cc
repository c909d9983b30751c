// Routes that change the course of a payment: cancel, compensation, refunds, tasks, callbacks.
#include <chrono>
#include <utility>

#include "base/ids.h"
#include "core/index_keys.h"
#include "http/digest.h"
#include "http/fields.h"
#include "http/headers.h"
#include "http/listing.h"
#include "http/prepared.h"
#include "http/render.h"

namespace payonce::http {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::size_t kReasonMax = 1000;

Problem problem_of(Code code, std::string detail, const std::string& payment_id) {
  Problem problem = simple_problem(code, std::move(detail));
  problem.payment_id = payment_id;
  return problem;
}

// What the outcomes of these routes say when they are no success.
Problem refusal_of(const core::Outcome& outcome) {
  const std::string id = outcome.payment == nullptr ? std::string() : outcome.payment->id;
  switch (outcome.kind) {
    case core::OutcomeKind::kPaymentNotFound:
      return simple_problem(Code::kNotFound, "there is no such payment");
    case core::OutcomeKind::kPaymentClosed:
      return problem_of(Code::kPaymentClosed,
                        "the payment has ended, or is being undone for another reason", id);
    case core::OutcomeKind::kNotCompensationFailed:
      return problem_of(Code::kCompensationNotFailed, "there is no compensation to retry", id);
    case core::OutcomeKind::kRefundNotPossible:
      return problem_of(Code::kPaymentNotRefundable,
                        "the payment has not succeeded, or has too many refunds", id);
    case core::OutcomeKind::kRefundTooMuch:
      return problem_of(Code::kRefundTooLarge,
                        "the amount is more than was paid and has not been given back", id);
    case core::OutcomeKind::kInvalidAmount:
      return problem_of(Code::kInvalidAmount, std::string(describe(outcome.amount_error)), id);
    case core::OutcomeKind::kTaskNotFound:
      return simple_problem(Code::kNotFound, "there is no such task");
    case core::OutcomeKind::kTaskNotExhausted:
      return simple_problem(Code::kTaskNotExhausted, "the task is not one that has been given up");
    default:
      return {};
  }
}

class ControlRenderer final : public core::Renderer {
 public:
  explicit ControlRenderer(std::string_view path) : path_(path) {}

  void render(const core::Outcome& outcome, core::Answer& out) override {
    if (render_key_outcome(outcome, path_, out)) {
      return;
    }
    switch (outcome.kind) {
      case core::OutcomeKind::kCancelAccepted:
        answer(out, terminal(outcome.payment->status) ? 200 : 202, *outcome.payment);
        return;
      case core::OutcomeKind::kCancelled:
        answer(out, 200, *outcome.payment);
        return;
      case core::OutcomeKind::kCompensationRetried:
        answer(out, 202, *outcome.payment);
        return;
      case core::OutcomeKind::kRefundAccepted:
        answer(out, 202, *outcome.refund);
        out.location = "/v1/workflows/" + outcome.refund->id;
        return;
      case core::OutcomeKind::kTaskRetried:
        out.status = 202;
        out.body = R"({"status":"retrying"})";
        return;
      case core::OutcomeKind::kCallbackAccepted:
        out.status = 202;
        out.body = R"({"status":"accepted"})";
        return;
      default:
        set_problem(out, refusal_of(outcome), path_);
    }
  }

 private:
  template <class Row>
  static void answer(core::Answer& out, std::uint32_t status, const Row& row) {
    out.status = status;
    out.body = render_row(row);
  }

  std::string_view path_;
};

}  // namespace

Reply Api::cancel_payment(Backend& backend, const Call& call) {
  auto prepared = prepare(call, "/v1/payments/{id}/cancel", Body::kOptional);
  if (!prepared) {
    return std::move(prepared.error());
  }
  Fields fields(prepared->body);
  core::CancelPayment command{.payment_id = std::string(call.id),
                              .reason = fields.text("reason", Need::kOptional, kReasonMax)};
  if (const auto problem = fields.problem()) {
    return problem_reply(*problem, call.path);
  }
  if (command.reason.empty()) {
    command.reason = "requested by the client";
  }
  // A keyed request gets the answer that is stored with its effect, now as on every repetition; so
  // the preference is left unapplied, as RFC 7240 permits.
  std::optional<WaitSlot> slot;
  const std::optional<seconds> wait = prepared->keyed ? std::nullopt : take_wait(call, slot);
  ControlRenderer renderer(call.path);
  Reply reply = run(backend, call, std::move(command), *prepared, renderer);
  if (wait && reply.status == 202 && !reply.replayed) {
    const auto payment = wait_for_end(backend, std::string(call.id), *wait);
    if (payment && terminal(payment->status)) {
      reply = json_reply(200, render_row(*payment));
    }
    reply.wait_applied = wait;
  }
  return reply;
}

Reply Api::retry_compensation(Backend& backend, const Call& call) {
  auto prepared = prepare(call, "/v1/payments/{id}/retry-compensation", Body::kOptional);
  if (!prepared) {
    return std::move(prepared.error());
  }
  Fields fields(prepared->body);
  if (const auto problem = fields.problem()) {
    return problem_reply(*problem, call.path);
  }
  ControlRenderer renderer(call.path);
  return run(backend, call, core::RetryCompensation{.payment_id = std::string(call.id)}, *prepared,
             renderer);
}

Reply Api::create_refund(Backend& backend, const Call& call) {
  auto prepared = prepare(call, "/v1/payments/{id}/refunds", Body::kOptional);
  if (!prepared) {
    return std::move(prepared.error());
  }
  Fields fields(prepared->body);
  core::CreateRefund command{.payment_id = std::string(call.id),
                             .amount = fields.amount_text("amount", Need::kOptional)};
  if (const auto problem = fields.problem()) {
    return problem_reply(*problem, call.path);
  }
  ControlRenderer renderer(call.path);
  return run(backend, call, std::move(command), *prepared, renderer);
}

Reply Api::retry_task(Backend& backend, const Call& call) {
  auto prepared = prepare(call, "/v1/tasks/{id}/retry", Body::kOptional);
  if (!prepared) {
    return std::move(prepared.error());
  }
  Fields fields(prepared->body);
  if (const auto problem = fields.problem()) {
    return problem_reply(*problem, call.path);
  }
  const auto task = core::parse_task(call.id);
  if (!task || !valid_id(task->workflow_id)) {
    return problem_reply(Code::kNotFound, "there is no such task", call.path);
  }
  const std::string id(task->workflow_id);
  ControlRenderer renderer(call.path);
  switch (task->kind) {
    case core::TaskName::Kind::kCompensation:
      return run(backend, call, core::RetryCompensation{.payment_id = id}, *prepared, renderer);
    case core::TaskName::Kind::kRefund:
      return run(backend, call, core::RetryRefund{.refund_id = id}, *prepared, renderer);
    case core::TaskName::Kind::kNotify:
      break;
  }
  return run(backend, call, core::RetryNotification{.payment_id = id, .channel = task->channel},
             *prepared, renderer);
}

Reply Api::gateway_callback(Backend& backend, const Call& call) {
  if (!settings_.callback_secrets.empty()) {
    const webhook::Verdict verdict =
        webhook::verify(settings_.callback_secrets, call.webhook, call.body,
                        settings_.unix_seconds(), settings_.callback_tolerance.count());
    if (verdict != webhook::Verdict::kGood) {
      return problem_reply(Code::kInvalidSignature, std::string(webhook::name(verdict)), call.path);
    }
  }
  if (!is_json(call.content_type)) {
    return problem_reply(Code::kUnsupportedMediaType, "Content-Type must be application/json",
                         call.path);
  }
  auto body = parse_json(call.body);
  if (!body) {
    return problem_reply(Code::kMalformedJson, body.error().message, call.path);
  }
  Fields fields(*body);
  core::RecordCallback command;
  command.payment_id = fields.id("payment_id", Need::kRequired);
  command.reference = fields.text("gateway_reference", Need::kOptional, kReasonMax);
  const std::string outcome = fields.text("outcome", Need::kRequired, kReasonMax);
  command.reason = fields.text("reason", Need::kOptional, kReasonMax);
  command.webhook_id = call.webhook.id;
  if (const auto problem = fields.problem()) {
    return problem_reply(*problem, call.path);
  }
  if (outcome != "confirmed" && outcome != "declined") {
    Problem problem =
        simple_problem(Code::kInvalidOutcome, "outcome must be confirmed or declined");
    problem.errors.push_back({.detail = problem.detail, .pointer = "#/outcome"});
    return problem_reply(problem, call.path);
  }
  command.outcome =
      outcome == "confirmed" ? core::CallbackOutcome::kConfirmed : core::CallbackOutcome::kDeclined;
  // The id of a webhook is its idempotency key, whatever else of it has changed.
  Prepared prepared;
  if (!call.webhook.id.empty()) {
    prepared.keyed =
        core::KeyedRequest{.key = sha256_of({"gateway", "webhook-id", call.webhook.id}),
                           .fingerprint = sha256_of({call.webhook.id}),
                           .retention = settings_.idempotency_retention,
                           .answer_later = false};
  }
  ControlRenderer renderer(call.path);
  Reply reply = run(backend, call, std::move(command), prepared, renderer);
  if (reply.replayed) {
    reply.status = 200;
    reply.body = R"({"status":"duplicate"})";
    reply.replayed = false;
  }
  return reply;
}

Reply Api::list_refunds(Backend& backend, const Call& call) {
  Query query(call, {});
  const std::size_t limit = query.limit();
  const std::string cursor = query.cursor(core::kPositionSize);
  if (query.problem()) {
    return problem_reply(*query.problem(), call.path);
  }
  auto snapshot = caught_up(backend);
  if (!snapshot) {
    return storage_trouble(backend, snapshot.error(), call.path);
  }
  core::Payment payment;
  if (!valid_id(call.id) || !snapshot->load(call.id, payment)) {
    return problem_reply(Code::kNotFound, "there is no such payment", call.path);
  }
  Page page;
  return newest_page(backend, *snapshot, core::Index::kRefundsByPayment, core::text_prefix(call.id),
                     cursor, limit, page, call.path, [&](std::string_view, std::string_view id) {
                       core::Refund refund;
                       if (snapshot->load(id, refund)) {
                         page.add(refund);
                       }
                       return true;
                     });
}

}  // namespace payonce::http
