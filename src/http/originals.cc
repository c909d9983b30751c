// Routes of earlier systems, unchanged for their users.
#include <utility>

#include "base/ids.h"
#include "http/fields.h"
#include "http/prepared.h"
#include "http/render.h"

namespace payonce::http {
namespace {

constexpr std::string_view kDefaultMethod = "pm_ok";

class OriginalRenderer final : public core::Renderer {
 public:
  explicit OriginalRenderer(std::string_view path) : path_(path) {}

  void render(const core::Outcome& outcome, core::Answer& out) override {
    if (render_key_outcome(outcome, path_, out)) {
      return;
    }
    switch (outcome.kind) {
      case core::OutcomeKind::kPaymentAccepted:
        render_ids(*outcome.payment, out);
        return;
      case core::OutcomeKind::kPaymentRefused:
        set_problem(out, refusal_problem(*outcome.payment), path_);
        return;
      case core::OutcomeKind::kFraudDecided:
        out.status = 200;
        out.body = R"({"message":"Fraud check signal sent"})";
        return;
      case core::OutcomeKind::kFraudNotFound:
        set_problem(out, simple_problem(Code::kNotFound, "there is no fraud check of this order"),
                    path_);
        return;
      case core::OutcomeKind::kFraudClosed:
        set_problem(out,
                    simple_problem(Code::kWorkflowClosed, "the fraud check has ended otherwise"),
                    path_);
        return;
      default:
        set_problem(out, Problem{}, path_);
    }
  }

 private:
  // One workflow runs once, so the number of its first event names its run.
  static void render_ids(const core::Payment& payment, core::Answer& out) {
    JsonWriter json;
    json.begin_object();
    json.member("order_id", payment.id);
    json.member("workflow_id", payment.id);
    json.member("run_id", "run_" + std::to_string(payment.created_seq));
    json.end_object();
    out.status = 200;
    out.body = json.take();
  }

  std::string_view path_;
};

}  // namespace

Reply Api::original_payment(Backend& backend, const Call& call) {
  auto prepared = prepare(call, "/payment");
  if (!prepared) {
    return std::move(prepared.error());
  }
  Fields fields(prepared->body);
  core::CreatePayment command;
  const std::string account = fields.id("account_id", Need::kOptional);
  command.content.user_id =
      fields.id("user_id", account.empty() ? Need::kRequired : Need::kOptional);
  if (command.content.user_id.empty()) {
    command.content.user_id = account;
  }
  const Currency currency = settings_.default_currency;
  command.content.amount = {fields.amount("amount", Need::kRequired, currency), currency};
  command.content.payment_method = fields.payment_method("payment_method", Need::kOptional);
  if (const auto problem = fields.problem()) {
    return problem_reply(*problem, call.path);
  }
  if (!account.empty() && account != command.content.user_id) {
    return problem_reply(Code::kInvalidId, "account_id and user_id name different accounts",
                         call.path);
  }
  if (command.content.payment_method.empty()) {
    command.content.payment_method = kDefaultMethod;
  }
  command.rules = settings_.payment_rules(command.content);
  OriginalRenderer renderer(call.path);
  return run(backend, call, std::move(command), *prepared, renderer);
}

Reply Api::original_status(Backend& backend, const Call& call) {
  const auto payment = named_payment(backend, call);
  if (!payment) {
    return payment.error();
  }
  JsonWriter json;
  json.begin_object();
  json.member("status", name(payment->status));
  json.member("current_step", name(payment->step));
  json.end_object();
  return json_reply(200, json.take());
}

Reply Api::original_fraud_check(Backend& backend, const Call& call) {
  auto prepared = prepare(call, "/fraud-check");
  if (!prepared) {
    return std::move(prepared.error());
  }
  Fields fields(prepared->body);
  std::string order = fields.id("order_id", Need::kRequired);
  const std::optional<bool> valid = fields.flag("is_valid");
  if (const auto problem = fields.problem()) {
    return problem_reply(*problem, call.path);
  }
  // The order's own check first: an order may be called like the check of another one.
  const std::string own = core::fraud_check_id(order);
  if (!order.starts_with(core::kFraudCheckPrefix) || backend.engine.find_fraud(own)) {
    order = own;
  }
  OriginalRenderer renderer(call.path);
  return run(backend, call,
             core::DecideFraud{.fraud_id = std::move(order),
                               .approved = valid.value_or(false),
                               .reason = "decided by a person"},
             *prepared, renderer);
}

}  // namespace payonce::http
