// Routes of lists and reports. They let the checkpoint catch up with everything that was
// acknowledged before the request came, and then read the state store alone.
#include <algorithm>
#include <array>
#include <map>
#include <utility>
#include <vector>

#include "base/ids.h"
#include "core/index_keys.h"
#include "http/api.h"
#include "http/listing.h"

namespace payonce::http {
namespace {

std::optional<core::PaymentStatus> status_of(std::string_view text) {
  for (const auto status : {core::PaymentStatus::kPending, core::PaymentStatus::kProcessing,
                            core::PaymentStatus::kSuccess, core::PaymentStatus::kFail,
                            core::PaymentStatus::kCancelled}) {
    if (name(status) == text) {
      return status;
    }
  }
  return std::nullopt;
}

struct PaymentFilter {
  std::optional<core::PaymentStatus> status;
  std::string user_id;
  std::optional<Timestamp> after;
  std::optional<Timestamp> before;

  [[nodiscard]] core::Index index() const {
    if (!user_id.empty()) {
      return core::Index::kPaymentsByUser;
    }
    return status ? core::Index::kPaymentsByStatus : core::Index::kPaymentsByTime;
  }
  [[nodiscard]] std::string prefix() const {
    if (!user_id.empty()) {
      return core::text_prefix(user_id);
    }
    return status ? core::status_prefix(*status) : std::string();
  }
};

PaymentFilter read_filter(Query& query) {
  PaymentFilter filter;
  if (const auto text = query.text("status"); !text.empty()) {
    filter.status = status_of(text);
    if (!filter.status) {
      query.complain(Code::kInvalidStatus, "status",
                     "status must be pending, processing, success, fail or cancelled");
    }
  }
  filter.user_id = query.text("user_id");
  filter.after = query.time("created_after");
  filter.before = query.time("created_before");
  return filter;
}

}  // namespace

Reply Api::list_accounts(Backend& backend, const Call& call) {
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
  Page page;
  return newest_page(backend, *snapshot, core::Index::kAccountsByTime, {}, cursor, limit, page,
                     call.path, [&](std::string_view, std::string_view id) {
                       core::Account account;
                       if (snapshot->load(id, account)) {
                         page.add(account);
                       }
                       return true;
                     });
}

Reply Api::list_transfers(Backend& backend, const Call& call) {
  Query query(call, {});
  const std::size_t limit = query.limit();
  const std::string cursor = query.cursor(kSeqSize);
  if (query.problem()) {
    return problem_reply(*query.problem(), call.path);
  }
  auto snapshot = caught_up(backend);
  if (!snapshot) {
    return storage_trouble(backend, snapshot.error(), call.path);
  }
  core::Account account;
  if (!valid_id(call.id) || !snapshot->load(call.id, account)) {
    return problem_reply(Problem{.code = Code::kAccountNotFound,
                                 .detail = "there is no such account",
                                 .errors = {},
                                 .payment_id = {},
                                 .status = 404},
                         call.path);
  }
  Page page;
  return newest_page(backend, *snapshot, core::Index::kTransfersByAccount,
                     core::text_prefix(call.id), cursor, limit, page, call.path,
                     [&](std::string_view, std::string_view key) {
                       core::Transfer transfer;
                       if (snapshot->load(key, transfer)) {
                         page.add(transfer);
                       }
                       return true;
                     });
}

Reply Api::list_payments(Backend& backend, const Call& call) {
  Query query(call, {"status", "user_id", "created_after", "created_before"});
  const std::size_t limit = query.limit();
  const std::string cursor = query.cursor(core::kPositionSize);
  const PaymentFilter filter = read_filter(query);
  if (query.problem()) {
    return problem_reply(*query.problem(), call.path);
  }
  auto snapshot = caught_up(backend);
  if (!snapshot) {
    return storage_trouble(backend, snapshot.error(), call.path);
  }
  std::string before = cursor;
  if (filter.before) {
    const std::string bound = core::position(*filter.before, 0);
    before = before.empty() ? bound : std::min(before, bound);
  }
  const std::string oldest = filter.after ? core::position(*filter.after, 0) : std::string();
  Page page;
  return newest_page(
      backend, *snapshot, filter.index(), filter.prefix(), before, limit, page, call.path,
      [&](std::string_view place, std::string_view id) {
        if (place < oldest) {
          return false;
        }
        core::Payment payment;
        if (snapshot->load(id, payment) && (!filter.status || payment.status == *filter.status)) {
          page.add(payment);
        }
        return true;
      });
}

// Counts and sums every account as of one checkpoint: nothing is carried along that could agree
// with itself and still be wrong.
Reply Api::ledger(Backend& backend, const Call& call) {
  auto snapshot = caught_up(backend);
  if (!snapshot) {
    return storage_trouble(backend, snapshot.error(), call.path);
  }
  std::map<std::string, std::pair<Currency, WideAmount>, std::less<>> totals;
  std::uint64_t accounts = 0;
  bool sound = true;
  snapshot->each_account([&](const core::Account& account) {
    accounts += account.system ? 0 : 1;
    auto& [currency, sum] = totals[std::string(account.currency.code())];
    currency = account.currency;
    sum += account.posted;
    sound = sound && (account.system || (account.held >= 0 && account.available() >= 0));
  });
  const std::uint64_t transfers = snapshot->count(log::Table::kTransfers);
  if (snapshot->error()) {
    return storage_trouble(backend, *snapshot->error(), call.path);
  }
  JsonWriter json;
  json.begin_object();
  json.member("accounts", accounts);
  json.member("transfers", transfers);
  json.member("balanced", sound && std::ranges::all_of(totals, [](const auto& entry) {
                            return entry.second.second == 0;
                          }));
  json.key("totals");
  json.begin_object();
  for (const auto& [code, total] : totals) {
    json.member_amount(code, total.second, total.first);
  }
  json.end_object();
  json.end_object();
  return json_reply(200, json.take());
}

}  // namespace payonce::http
