#include "core/ledger/evolve.h"

#include <limits>

#include "core/index_keys.h"

namespace payonce::core {
namespace {

struct Sides {
  Account* debit = nullptr;
  Account* credit = nullptr;
};

// Both accounts of a movement, ready to change, or nulls when they do not fit it.
Sides sides_of(Rows& rows, Seq seq, const std::string& debit, const std::string& credit,
               Currency currency) {
  if (debit == credit) {
    return {};
  }
  Account* from = rows.accounts.change(debit, seq);
  Account* to = rows.accounts.change(credit, seq);
  if (from == nullptr || to == nullptr || from->currency != currency || to->currency != currency) {
    return {};
  }
  return {from, to};
}

bool can_take(const Account& account, std::int64_t amount) {
  return account.system || account.available() >= amount;
}

bool can_receive(const Account& account, std::int64_t amount) {
  return account.system || account.posted + amount <= std::numeric_limits<std::int64_t>::max();
}

void put_transfer(Rows& rows, const Record& record, Transfer transfer) {
  const std::string key = transfer_key(transfer.workflow_id, transfer.step);
  if (rows.indexes != nullptr) {
    for (const std::string* account : {&transfer.debit_account, &transfer.credit_account}) {
      std::string place = text_prefix(*account);
      append_big_endian(place, record.seq);
      rows.indexes->put(Index::kTransfersByAccount, std::move(place), key);
    }
  }
  rows.transfers.put(key, std::move(transfer), record.seq);
}

// The held transfer of the record's stream and `step`, or null.
Transfer* held_transfer(Rows& rows, const Record& record, const std::string& step) {
  Transfer* transfer = rows.transfers.change(transfer_key(record.stream, step), record.seq);
  return transfer != nullptr && transfer->state == TransferState::kHeld ? transfer : nullptr;
}

}  // namespace

bool evolve(Rows& rows, const Record& record, const AccountOpened& event) {
  if (rows.accounts.find(record.stream) != nullptr) {
    return false;
  }
  rows.accounts.put(record.stream,
                    Account{.id = record.stream,
                            .currency = event.currency,
                            .posted = 0,
                            .held = 0,
                            .system = event.system,
                            .created_at = record.at,
                            .metadata = event.metadata,
                            .stream_last = record.seq},
                    record.seq);
  if (rows.indexes != nullptr && !event.system) {
    rows.indexes->put(Index::kAccountsByTime, position(record.at, record.seq), record.stream);
  }
  return true;
}

bool evolve(Rows& rows, const Record& record, const FundsTransferred& event) {
  const std::int64_t amount = event.amount.minor;
  const Sides sides =
      sides_of(rows, record.seq, event.debit_account, event.credit_account, event.amount.currency);
  if (sides.debit == nullptr || amount <= 0 || !can_take(*sides.debit, amount) ||
      !can_receive(*sides.credit, amount) ||
      rows.transfers.find(transfer_key(event.workflow_id, event.step)) != nullptr) {
    return false;
  }
  sides.debit->posted -= amount;
  sides.credit->posted += amount;
  if (record.kind == StreamKind::kAccount) {
    Account* owner = rows.accounts.change(record.stream, record.seq);
    if (owner != nullptr) {
      owner->stream_last = record.seq;
    }
  }
  put_transfer(rows, record,
               Transfer{.id = event.transfer_id,
                        .debit_account = event.debit_account,
                        .credit_account = event.credit_account,
                        .amount = event.amount,
                        .state = TransferState::kPosted,
                        .workflow_id = event.workflow_id,
                        .step = event.step,
                        .reference = event.reference,
                        .created_at = record.at});
  return true;
}

bool evolve(Rows& rows, const Record& record, const FundsHeld& event) {
  const std::int64_t amount = event.amount.minor;
  const Sides sides =
      sides_of(rows, record.seq, event.debit_account, event.credit_account, event.amount.currency);
  if (sides.debit == nullptr || amount <= 0 || !can_take(*sides.debit, amount) ||
      rows.transfers.find(transfer_key(record.stream, event.step)) != nullptr) {
    return false;
  }
  sides.debit->held += amount;
  put_transfer(rows, record,
               Transfer{.id = event.transfer_id,
                        .debit_account = event.debit_account,
                        .credit_account = event.credit_account,
                        .amount = event.amount,
                        .state = TransferState::kHeld,
                        .workflow_id = record.stream,
                        .step = event.step,
                        .reference = {},
                        .created_at = record.at});
  return true;
}

bool evolve(Rows& rows, const Record& record, const HoldPosted& event) {
  Transfer* transfer = held_transfer(rows, record, event.step);
  const std::int64_t amount = event.amount.minor;
  if (transfer == nullptr || amount <= 0 || amount > transfer->amount.minor ||
      event.amount.currency != transfer->amount.currency) {
    return false;
  }
  const Sides sides = sides_of(rows, record.seq, transfer->debit_account, transfer->credit_account,
                               event.amount.currency);
  if (sides.debit == nullptr || sides.debit->held < transfer->amount.minor ||
      !can_receive(*sides.credit, amount)) {
    return false;
  }
  sides.debit->held -= transfer->amount.minor;
  sides.debit->posted -= amount;
  sides.credit->posted += amount;
  transfer->amount.minor = amount;
  transfer->state = TransferState::kPosted;
  return true;
}

bool evolve(Rows& rows, const Record& record, const HoldVoided& event) {
  Transfer* transfer = held_transfer(rows, record, event.step);
  if (transfer == nullptr) {
    return false;
  }
  Account* debit = rows.accounts.change(transfer->debit_account, record.seq);
  if (debit == nullptr || debit->held < transfer->amount.minor) {
    return false;
  }
  debit->held -= transfer->amount.minor;
  transfer->state = TransferState::kVoided;
  return true;
}

}  // namespace payonce::core
