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
#include "http/paging.h"
#include "http/render.h"
#include "log/codec.h"

namespace payonce::http {
namespace {

constexpr std::size_t kSeqSize = 8;

// A view that shows everything acknowledged so far.
Result<log::StateStore::Snapshot> caught_up(Backend& backend) {
  if (!backend.checkpointer.wait_applied(backend.engine.durable_seq())) {
    return fail(Errc::kIo, "no checkpoint is made any more");
  }
  return backend.state.snapshot();
}

Reply storage_trouble(Backend& backend, const Error& error, std::string_view path) {
  if (backend.on_unreadable) {
    backend.on_unreadable(error);
  }
  return problem_reply(Code::kNotReady, "the stored data cannot be read; see the server's log",
                       path);
}

class Page {
 public:
  Page() {
    json_.begin_object();
    json_.key("data");
    json_.begin_array();
  }
  template <class Row>
  void add(const Row& row) {
    write(json_, row);
    ++size_;
  }
  [[nodiscard]] std::size_t size() const { return size_; }
  // `next` empty: this was the last page.
  [[nodiscard]] Reply finish(std::string_view next) {
    json_.end_array();
    json_.member_or_null("next_cursor", next.empty() ? std::string() : encode_cursor(next));
    json_.end_object();
    return json_reply(200, json_.take());
  }

 private:
  JsonWriter json_;
  std::size_t size_ = 0;
};

// One page from an index, newest first. `take(place, value)` adds an entry or passes it over, and
// returns false where the list ends. A cursor is given when there may be more.
template <class Take>
Reply newest_page(Backend& backend, log::StateStore::Snapshot& snapshot, core::Index index,
                  const std::string& prefix, const std::string& before, std::size_t limit,
                  Page& page, std::string_view path, Take&& take) {
  std::string last;
  bool more = false;
  std::size_t looked = 0;
  snapshot.newest_first(index, prefix, before, [&](std::string_view place, std::string_view value) {
    if (page.size() == limit || looked == kScanMax) {
      more = true;
      return false;
    }
    ++looked;
    last = place;
    return take(place, value);
  });
  if (snapshot.error()) {
    return storage_trouble(backend, *snapshot.error(), path);
  }
  return page.finish(more ? last : std::string());
}

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

// A payment's history is a chain: each entry names the one before it in the same stream.
Reply Api::list_events(Backend& backend, const Call& call) {
  Query query(call, {});
  const std::size_t limit = query.limit();
  const std::string cursor = query.cursor(kSeqSize);
  if (query.problem()) {
    return problem_reply(*query.problem(), call.path);
  }
  const auto payment =
      valid_id(call.id) ? backend.engine.find_payment(std::string(call.id)) : std::nullopt;
  if (!payment) {
    return problem_reply(Code::kNotFound, "there is no such payment", call.path);
  }
  const core::Seq after = cursor.empty() ? 0 : core::read_big_endian(cursor);
  std::vector<core::Record> newest_first;
  std::optional<Error> unreadable;
  for (core::Seq seq = payment->stream_last; seq > after && !unreadable;) {
    core::Seq previous = seq;
    const auto read = backend.log.read(seq, [&](core::Seq at, std::string_view bytes) {
      auto record = log::decode_record(at, bytes, backend.salt);
      if (record) {
        previous = record->previous;
        newest_first.push_back(std::move(*record));
      } else {
        unreadable = record.error();
      }
      return false;
    });
    if (!read) {
      unreadable = read.error();
    } else if (previous >= seq && !unreadable) {
      unreadable = Error{Errc::kCorrupt, "log entry " + std::to_string(seq) + " is missing"};
    }
    seq = previous;
  }
  if (unreadable) {
    return storage_trouble(backend, *unreadable, call.path);
  }
  Page page;
  core::Seq last = 0;
  for (auto at = newest_first.rbegin(); at != newest_first.rend() && page.size() < limit; ++at) {
    page.add(*at);
    last = at->seq;
  }
  std::string next;
  if (page.size() < newest_first.size()) {
    core::append_big_endian(next, last);
  }
  return page.finish(next);
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
