#include "core/ledger/decide.h"

#include <limits>

namespace payonce::core {
namespace {

bool fits(WideAmount balance) { return balance <= std::numeric_limits<std::int64_t>::max(); }

void open_funding_if_new(const Account* funding, Currency currency, Decision& out) {
  if (funding == nullptr) {
    out.push_back({StreamKind::kAccount, funding_account(currency),
                   AccountOpened{.currency = currency, .metadata = {}, .system = true}});
  }
}

FundsTransferred from_funding(const Context& context, const std::string& account, Money amount) {
  return FundsTransferred{.transfer_id = context.make_id("tr_"),
                          .workflow_id = {},
                          .step = {},
                          .debit_account = funding_account(amount.currency),
                          .credit_account = account,
                          .amount = amount,
                          .reference = {}};
}

}  // namespace

OutcomeKind decide_open_account(const OpenAccount& command, const std::string& id,
                                const Account* existing, const Account* funding,
                                const Context& context, Decision& out) {
  if (id.starts_with(kSystemAccountPrefix)) {
    return OutcomeKind::kReservedId;
  }
  if (existing != nullptr) {
    return OutcomeKind::kAccountExists;
  }
  out.push_back(
      {StreamKind::kAccount, id,
       AccountOpened{.currency = command.currency, .metadata = command.metadata, .system = false}});
  if (command.opening_minor > 0) {
    open_funding_if_new(funding, command.currency, out);
    FundsTransferred opening =
        from_funding(context, id, Money{command.opening_minor, command.currency});
    opening.workflow_id = id;
    opening.step = "opening";
    out.push_back({StreamKind::kAccount, id, std::move(opening)});
  }
  return OutcomeKind::kAccountOpened;
}

DepositVerdict decide_deposit(const Deposit& command, const Account* account,
                              const Account* funding, const Context& context, Decision& out) {
  if (account == nullptr || account->system) {
    return {.kind = OutcomeKind::kAccountNotFound, .amount_error = {}, .transfer_key = {}};
  }
  const ParsedAmount amount = parse_amount(command.amount, account->currency);
  if (amount.error) {
    return {.kind = OutcomeKind::kInvalidAmount, .amount_error = *amount.error, .transfer_key = {}};
  }
  if (!fits(account->posted + amount.minor)) {
    return {.kind = OutcomeKind::kBalanceOverflow, .amount_error = {}, .transfer_key = {}};
  }
  open_funding_if_new(funding, account->currency, out);
  FundsTransferred deposit =
      from_funding(context, account->id, Money{amount.minor, account->currency});
  deposit.workflow_id = context.make_id("dep_");
  deposit.step = "deposit";
  deposit.reference = command.reference;
  const std::string key = transfer_key(deposit.workflow_id, deposit.step);
  out.push_back({StreamKind::kAccount, account->id, std::move(deposit)});
  return {.kind = OutcomeKind::kDeposited, .amount_error = {}, .transfer_key = key};
}

}  // namespace payonce::core
