#include "log/row_check.h"

#include <xxhash.h>

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "core/due.h"
#include "core/index_keys.h"
#include "core/payment/alter.h"
#include "log/codec.h"

namespace payonce::log {
namespace {

// The keys of an index as a set: how many, and a sum that is the same in any order.
struct KeySet {
  std::uint64_t count = 0;
  std::uint64_t sum = 0;

  void add(std::string_view key, std::string_view value) {
    ++count;
    sum += XXH3_64bits_withSeed(value.data(), value.size(),
                                XXH3_64bits_withSeed(key.data(), key.size(), key.size()));
  }
  bool operator==(const KeySet&) const = default;
};
using KeySets = std::array<KeySet, kIndexSlots>;

constexpr std::size_t kSeqBytes = 8;

// Without the sequence at its end, where that stands in no row.
std::string_view comparable(core::Index index, std::string_view key) {
  const bool cut =
      (index == core::Index::kAccountsByTime || index == core::Index::kTransfersByAccount) &&
      key.size() >= kSeqBytes;
  return cut ? key.substr(0, key.size() - kSeqBytes) : key;
}

// The keys that rows ask for.
class Wanted {
 public:
  KeySets sets{};

  void add(const core::Account& account) {
    if (!account.system) {
      put(core::Index::kAccountsByTime, core::position(account.created_at, 0), account.id);
    }
  }
  void add(const core::Transfer& transfer) {
    const std::string key = core::transfer_key(transfer.workflow_id, transfer.step);
    for (const std::string* account : {&transfer.debit_account, &transfer.credit_account}) {
      std::string place = core::text_prefix(*account);
      core::append_big_endian(place, 0);
      put(core::Index::kTransfersByAccount, place, key);
    }
  }
  void add(const core::Payment& payment) {
    const std::string place = core::position(payment.created_at, payment.created_seq);
    put(core::Index::kPaymentsByTime, place, payment.id);
    put(core::Index::kPaymentsByUser, core::text_prefix(payment.content.user_id) + place,
        payment.id);
    put(core::Index::kPaymentsByStatus, core::status_prefix(payment.status) + place, payment.id);
    const core::PaymentMarks marks = core::marks_of(payment);
    if (marks.stuck) {
      put(core::Index::kExhausted, core::compensation_task(payment.id), {});
    }
    for (const core::NotifyChannel channel : core::kNotifyChannels) {
      if ((marks.exhausted & core::channel_bit(channel)) != 0) {
        put(core::Index::kExhausted, core::notify_task(channel, payment.id), {});
      }
    }
    add_dues(marks.dues, core::StreamKind::kPayment, payment.id);
  }
  void add(const core::KeyRecord& record) {
    if (record.state == core::KeyState::kCompleted) {
      std::string place;
      core::append_big_endian(place, static_cast<std::uint64_t>(record.expires_at.us));
      put(core::Index::kKeysByExpiry, place + record.key, {});
    }
  }
  void add(const core::FraudCheck& check) {
    put(core::Index::kFraudByTime, core::position(check.created_at, check.created_seq), check.id);
    add_dues(core::dues_of(check), core::StreamKind::kFraud, check.id);
  }
  void add(const core::Refund& refund) {
    const std::string place = core::position(refund.created_at, refund.created_seq);
    put(core::Index::kRefundsByTime, place, refund.id);
    put(core::Index::kRefundsByPayment, core::text_prefix(refund.payment_id) + place, refund.id);
    if (refund.status == core::RefundStatus::kExhausted) {
      put(core::Index::kExhausted, core::refund_task(refund.id), {});
    }
    add_dues(core::dues_of(refund), core::StreamKind::kRefund, refund.id);
  }

 private:
  void put(core::Index index, std::string_view key, std::string_view value) {
    sets[static_cast<std::size_t>(index)].add(comparable(index, key), value);
  }
  void add_dues(const core::DueSet& dues, core::StreamKind kind, std::string_view id) {
    for (const core::Due& due : dues.all()) {
      put(core::index_of(due.task), core::due_key(due.at, kind, id), {});
    }
  }
};

// Each transfer stands under the same sequence for both of its accounts: so over all keys of
// transfers by account everything comes twice, and nothing is left.
class Pairs {
 public:
  void add(std::string_view key, std::string_view transfer) {
    const std::string_view seq = key.substr(key.size() - std::min(key.size(), kSeqBytes));
    left_ ^=
        XXH3_64bits_withSeed(transfer.data(), transfer.size(), XXH3_64bits(seq.data(), seq.size()));
  }
  [[nodiscard]] bool all_paired() const { return left_ == 0; }

 private:
  std::uint64_t left_ = 0;
};

template <class Row>
void take_rows(StateStore::Snapshot& snapshot, Wanted& wanted, RowCheck& done) {
  snapshot.each_row<Row>([&](const Row& row) {
    wanted.add(row);
    ++done.rows;
  });
}

// Whether the entry of that number opened that account.
Result<void> check_opening(const LogStore& log, std::uint64_t salt, core::Seq seq,
                           std::string_view id) {
  bool opened = false;
  const auto read = log.read(seq, [&](core::Seq at, std::string_view bytes) {
    const auto record = decode_record(at, bytes, salt);
    opened = record && record->stream == id &&
             std::holds_alternative<core::AccountOpened>(record->event);
    return false;
  });
  if (!read || !opened) {
    return fail(Errc::kCorrupt, "index accounts_by_time of the state does not fit the log");
  }
  return {};
}

}  // namespace

Result<void> check_openings(const StateStore& state, const LogStore& log, std::uint64_t salt) {
  auto snapshot = state.snapshot();
  if (!snapshot) {
    return std::unexpected(snapshot.error());
  }
  Result<void> sound;
  const auto look = [&](std::string_view key, std::string_view id) {
    if (key.size() != core::kPositionSize) {
      sound = fail(Errc::kCorrupt, "index accounts_by_time of the state is damaged");
    } else {
      sound = check_opening(log, salt, core::read_big_endian(key.substr(kSeqBytes)), id);
    }
    return sound.has_value();
  };
  snapshot->oldest_first(core::Index::kAccountsByTime, {}, look);
  if (sound && snapshot->error()) {
    return std::unexpected(*snapshot->error());
  }
  return sound;
}

Result<RowCheck> check_rows(const StateStore& state) {
  auto snapshot = state.snapshot();
  if (!snapshot) {
    return std::unexpected(snapshot.error());
  }
  RowCheck done;
  Wanted wanted;
  take_rows<core::Account>(*snapshot, wanted, done);
  take_rows<core::Transfer>(*snapshot, wanted, done);
  take_rows<core::Payment>(*snapshot, wanted, done);
  take_rows<core::KeyRecord>(*snapshot, wanted, done);
  take_rows<core::FraudCheck>(*snapshot, wanted, done);
  take_rows<core::Refund>(*snapshot, wanted, done);
  std::optional<Error> error = snapshot->error();
  StateStore::each_index([&](core::Index index, const char* name) {
    KeySet found;
    Pairs pairs;
    snapshot->oldest_first(index, {}, [&](std::string_view key, std::string_view value) {
      found.add(comparable(index, key), value);
      if (index == core::Index::kTransfersByAccount) {
        pairs.add(key, value);
      }
      return true;
    });
    done.keys += found.count;
    const KeySet& expected = wanted.sets[static_cast<std::size_t>(index)];
    if (!error && (found != expected || !pairs.all_paired())) {
      error = Error{Errc::kCorrupt,
                    std::string("index ") + name + " of the state does not fit its rows"};
    }
  });
  if (!error) {
    error = snapshot->error();
  }
  if (error) {
    return std::unexpected(*std::move(error));
  }
  return done;
}

}  // namespace payonce::log
