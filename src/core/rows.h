// core/rows.h: the folded state as rows, in memory above a store that the caller lends.
//
// A RowTable holds what has changed since the last checkpoint, or is in use; everything else is
// loaded on demand from a RowSource (the checkpointed state) and dropped again by trim(). So memory
// follows the work in progress, not the history.
// Owner: whoever folds (the engine under its decide lock, the checkpointer in its own thread); a
// table is not shared between threads. References stay valid until the row is trimmed or erased.
// Iteration is in order of first use, never in the order of the hash map.
#pragma once

#include <algorithm>
#include <cstddef>
#include <deque>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "base/assert.h"
#include "core/fraud/model.h"
#include "core/idempotency/model.h"
#include "core/ledger/model.h"
#include "core/payment/model.h"
#include "core/refund/model.h"
#include "core/types.h"

namespace payonce::core {

// Where rows come from that are not in memory. load() returns false when there is no such row; a
// failure to read is kept by the source for its owner to see, and also returns false.
class RowSource {
 public:
  virtual ~RowSource() = default;
  virtual bool load(std::string_view key, Account& out) = 0;
  virtual bool load(std::string_view key, Transfer& out) = 0;
  virtual bool load(std::string_view key, Payment& out) = 0;
  virtual bool load(std::string_view key, KeyRecord& out) = 0;
  virtual bool load(std::string_view key, FraudCheck& out) = 0;
  virtual bool load(std::string_view key, Refund& out) = 0;
};

// A checkpoint in which there is nothing: every row is a fold from the start.
class NoRows final : public RowSource {
 public:
  bool load(std::string_view /*key*/, Account& /*out*/) override { return false; }
  bool load(std::string_view /*key*/, Transfer& /*out*/) override { return false; }
  bool load(std::string_view /*key*/, Payment& /*out*/) override { return false; }
  bool load(std::string_view /*key*/, KeyRecord& /*out*/) override { return false; }
  bool load(std::string_view /*key*/, FraudCheck& /*out*/) override { return false; }
  bool load(std::string_view /*key*/, Refund& /*out*/) override { return false; }
};

// Ordered secondary keys. Numbers are stored and never reused.
enum class Index : std::uint8_t {
  kAccountsByTime = 1,      // created_at, seq → account id (clients' accounts only)
  kTransfersByAccount = 2,  // account id, seq → transfer key
  kPaymentsByTime = 3,      // created_at, seq → payment id
  kPaymentsByUser = 4,      // user id, created_at, seq → payment id
  kPaymentsByStatus = 5,    // status, created_at, seq → payment id
  kKeysByExpiry = 7,        // expires_at, key → nothing
  kExhausted = 8,           // task id → nothing: attempts used up, waits for an operator
  kRefundsByPayment = 9,    // payment id, created_at, seq → refund id
  kFraudByTime = 10,        // created_at, seq → fraud check id
  kRefundsByTime = 11,      // created_at, seq → refund id
  // due time, kind, workflow id → nothing: what waits for a task of each class (due.h)
  kGatewayDue = 12,
  kFraudDue = 13,
  kNotifyDue = 14,
  kTimerDue = 15,
  kWebhookDue = 16,
  kSmtpDue = 17,
};

// Who keeps the secondary keys. The engine needs none of them and passes no sink.
class IndexSink {
 public:
  virtual ~IndexSink() = default;
  virtual void put(Index index, std::string key, std::string_view value) = 0;
  virtual void erase(Index index, std::string key) = 0;
};

// Puts or erases a key that only says "this is so", when that has changed.
inline void set_mark(IndexSink& indexes, Index index, bool before, bool now, std::string key) {
  if (before && !now) {
    indexes.erase(index, std::move(key));
  } else if (!before && now) {
    indexes.put(index, std::move(key), {});
  }
}

struct StringHash {
  using is_transparent = void;
  // Not noexcept, although it does not throw: that is how libstdc++ is told to keep the hash beside
  // each key, and to compare keys only when their hashes are equal.
  std::size_t operator()(std::string_view text) const {
    return std::hash<std::string_view>{}(text);
  }
};

template <class Row>
class RowTable {
 public:
  explicit RowTable(RowSource& source) : source_(&source) {}

  // The row for reading, or nullptr. Loads it when it is not in memory.
  [[nodiscard]] const Row* find(std::string_view key) {
    Slot* slot = slot_of(key);
    return slot == nullptr ? nullptr : &slot->row;
  }

  // The row for changing by event `seq`, or nullptr.
  [[nodiscard]] Row* change(std::string_view key, Seq seq) {
    Slot* slot = slot_of(key);
    if (slot == nullptr) {
      return nullptr;
    }
    slot->changed = seq;
    return &slot->row;
  }

  // Adds the row, or replaces what was there.
  Row& put(std::string_view key, Row row, Seq seq) {
    Slot& slot = emplace(key);
    slot.row = std::move(row);
    slot.changed = seq;
    return slot.row;
  }

  // A copy for a reader, without keeping a loaded row in memory. `changed` is the event that last
  // changed it, 0 when it comes from the checkpoint.
  [[nodiscard]] bool peek(std::string_view key, Row& out, Seq& changed) {
    const auto found = slots_.find(key);
    if (found != slots_.end()) {
      out = found->second.row;
      changed = found->second.changed;
      return true;
    }
    changed = 0;
    return source_->load(key, out);
  }

  // The event that last changed a row that is in memory, else 0.
  [[nodiscard]] Seq changed_at(std::string_view key) const {
    if (newest_ != nullptr && newest_->first == key) {
      return newest_->second.changed;
    }
    const auto found = slots_.find(key);
    return found == slots_.end() ? 0 : found->second.changed;
  }

  // Looks at up to `steps` rows, each once, in order of first use and drops those that the
  // checkpoint at `applied` holds. Returns how many it looked at.
  std::size_t trim(Seq applied, std::size_t steps) {
    const std::size_t looked = std::min(steps, order_.size());
    for (std::size_t i = 0; i < looked; ++i) {
      const Entry* entry = order_.front();
      order_.pop_front();
      if (entry->second.changed <= applied) {
        newest_ = nullptr;
        const auto found = slots_.find(entry->first);
        PAYONCE_ASSERT(found != slots_.end());
        slots_.erase(found);
      } else {
        order_.push_back(entry);
      }
    }
    return looked;
  }

  [[nodiscard]] std::size_t size() const { return slots_.size(); }

  // Calls f(key, row) for every row that some event changed.
  template <class F>
  void for_each_changed(F&& f) const {
    for (const Entry* entry : order_) {
      if (entry->second.changed != 0) {
        f(entry->first, entry->second.row);
      }
    }
  }

  void clear() {
    newest_ = nullptr;
    order_.clear();
    slots_.clear();
  }

 private:
  struct Slot {
    Row row;
    Seq changed = 0;
  };

  using Slots = std::unordered_map<std::string, Slot, StringHash, std::equal_to<>>;
  using Entry = typename Slots::value_type;  // stays where it is until it is erased

  Slot* slot_of(std::string_view key) {
    if (newest_ != nullptr && newest_->first == key) {
      return &newest_->second;
    }
    const auto found = slots_.find(key);
    if (found != slots_.end()) {
      newest_ = &*found;
      return &found->second;
    }
    Row loaded;
    if (!source_->load(key, loaded)) {
      return nullptr;
    }
    Slot& slot = emplace(key);
    slot.row = std::move(loaded);
    return &slot;
  }

  Slot& emplace(std::string_view key) {
    const auto [place, added] = slots_.try_emplace(std::string(key));
    if (added) {
      order_.push_back(&*place);
    }
    newest_ = &*place;
    return place->second;
  }

  RowSource* source_;
  Slots slots_;
  std::deque<const Entry*> order_;  // each entry of slots_ once
  Entry* newest_ = nullptr;         // the one that was last found: often asked for again
};

struct Rows {
  Rows(RowSource& source, IndexSink* sink)
      : accounts(source),
        transfers(source),
        payments(source),
        keys(source),
        frauds(source),
        refunds(source),
        indexes(sink) {}

  RowTable<Account> accounts;
  RowTable<Transfer> transfers;
  RowTable<Payment> payments;
  RowTable<KeyRecord> keys;
  RowTable<FraudCheck> frauds;
  RowTable<Refund> refunds;
  IndexSink* indexes;  // may be null

  [[nodiscard]] std::size_t size() const {
    return accounts.size() + transfers.size() + payments.size() + keys.size() + frauds.size() +
           refunds.size();
  }
};

}  // namespace payonce::core
