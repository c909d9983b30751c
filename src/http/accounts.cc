// Routes of accounts and deposits.
#include <utility>

#include "base/ids.h"
#include "http/fields.h"
#include "http/prepared.h"
#include "http/render.h"

namespace payonce::http {
namespace {

constexpr std::size_t kReferenceMax = 255;

class AccountRenderer final : public core::Renderer {
 public:
  explicit AccountRenderer(std::string_view path) : path_(path) {}

  void render(const core::Outcome& outcome, core::Answer& out) override {
    if (render_key_outcome(outcome, path_, out)) {
      return;
    }
    switch (outcome.kind) {
      case core::OutcomeKind::kAccountOpened:
        out.status = 201;
        out.location = "/v1/accounts/" + outcome.account->id;
        out.body = render_row(*outcome.account);
        return;
      case core::OutcomeKind::kAccountExists:
        set_problem(out, simple_problem(Code::kAccountExists, "an account with this id exists"),
                    path_);
        return;
      case core::OutcomeKind::kReservedId: {
        Problem problem =
            simple_problem(Code::kInvalidId, "ids that begin with sys: are the server's own");
        problem.errors.push_back({problem.detail, "#/id"});
        set_problem(out, problem, path_);
        return;
      }
      default:
        set_problem(out, simple_problem(Code::kInternalError, {}), path_);
    }
  }

 private:
  std::string_view path_;
};

class DepositRenderer final : public core::Renderer {
 public:
  explicit DepositRenderer(std::string_view path) : path_(path) {}

  void render(const core::Outcome& outcome, core::Answer& out) override {
    if (render_key_outcome(outcome, path_, out)) {
      return;
    }
    switch (outcome.kind) {
      case core::OutcomeKind::kDeposited:
        out.status = 201;
        out.body = render_row(*outcome.transfer);
        return;
      case core::OutcomeKind::kAccountNotFound: {
        Problem problem = simple_problem(Code::kAccountNotFound, "there is no such account");
        problem.status = 404;  // the account is the resource of the path here
        set_problem(out, problem, path_);
        return;
      }
      case core::OutcomeKind::kInvalidAmount: {
        Problem problem = simple_problem(
            Code::kInvalidAmount, std::string("amount ").append(describe(outcome.amount_error)));
        problem.errors.push_back({problem.detail, "#/amount"});
        set_problem(out, problem, path_);
        return;
      }
      case core::OutcomeKind::kBalanceOverflow: {
        Problem problem =
            simple_problem(Code::kInvalidAmount, "amount is more than the account can still take");
        problem.errors.push_back({problem.detail, "#/amount"});
        set_problem(out, problem, path_);
        return;
      }
      default:
        set_problem(out, simple_problem(Code::kInternalError, {}), path_);
    }
  }

 private:
  std::string_view path_;
};

}  // namespace

Reply Api::create_account(Backend& backend, const Call& call) {
  auto prepared = prepare(call, "/v1/accounts");
  if (!prepared) {
    return std::move(prepared.error());
  }
  Fields fields(prepared->body);
  core::OpenAccount command;
  command.id = fields.id("id", Need::kOptional);
  command.currency = fields.currency("currency", settings_.default_currency);
  command.opening_minor =
      fields.amount("opening_balance", Need::kOptional, command.currency, Zero::kAllow);
  command.metadata = fields.metadata("metadata", settings_.metadata_bytes_max);
  if (const auto problem = fields.problem()) {
    return problem_reply(*problem, call.path);
  }
  AccountRenderer renderer(call.path);
  return run(backend, call, std::move(command), *prepared, renderer);
}

Reply Api::get_account(Backend& backend, const Call& call) {
  const auto account =
      valid_id(call.id) ? backend.engine.find_account(std::string(call.id)) : std::nullopt;
  if (!account && backend.engine.failed()) {
    return refusal_reply(engine::Verdict::kIndeterminate, call.path);
  }
  if (!account) {
    Problem problem = simple_problem(Code::kAccountNotFound, "there is no such account");
    problem.status = 404;
    return problem_reply(problem, call.path);
  }
  return json_reply(200, render_row(*account));
}

Reply Api::deposit(Backend& backend, const Call& call) {
  auto prepared = prepare(call, "/v1/accounts/{id}/deposits");
  if (!prepared) {
    return std::move(prepared.error());
  }
  Fields fields(prepared->body);
  core::Deposit command;
  command.account_id = call.id;
  command.amount = fields.amount_text("amount", Need::kRequired);
  command.reference = fields.text("reference", Need::kOptional, kReferenceMax);
  if (const auto problem = fields.problem()) {
    return problem_reply(*problem, call.path);
  }
  DepositRenderer renderer(call.path);
  return run(backend, call, std::move(command), *prepared, renderer);
}

}  // namespace payonce::http
