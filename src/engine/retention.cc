#include "engine/retention.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "core/due.h"
#include "log/codec.h"

namespace payonce::engine {
namespace {

// How far the search may be ahead of what has been dropped.
constexpr core::Seq kAheadMax = 200'000;

// Entries that a round may look at, beside those for what has come: about a microsecond each.
constexpr core::Seq kRoundMin = 1'000;
constexpr core::Seq kPerMillisecond = 50;
constexpr core::Seq kRoundMax = 100'000;

template <class Row>
bool waits(const Row& row) {
  return !core::dues_of(row).empty();
}

// Whether the workflow that an entry belongs to will go on without anybody's help.
bool under_way(log::StateStore::Snapshot& state, const core::Record& record) {
  switch (record.kind) {
    case core::StreamKind::kPayment: {
      core::Payment payment;
      return state.load(record.stream, payment) &&
             (waits(payment) ||
              (!terminal(payment.status) && payment.fraud == core::FraudResult::kRunning));
    }
    case core::StreamKind::kFraud: {
      core::FraudCheck check;
      return state.load(record.stream, check) && waits(check);
    }
    case core::StreamKind::kRefund: {
      core::Refund refund;
      return state.load(record.stream, refund) && waits(refund);
    }
    case core::StreamKind::kLog:
    case core::StreamKind::kAccount:
    case core::StreamKind::kIdempotency:
      break;
  }
  return false;
}

}  // namespace

Result<bool> Retention::round(core::Seq applied) {
  const auto kept = kept_.load(std::memory_order_acquire);
  const core::Seq first = log::oldest_droppable(parts_.log.first_seq());
  const bool behind = first < floor_ && kept == used_;
  if (kept != used_) {
    used_ = kept;
    floor_ = first;
    parts_.log.drop_below(first);  // what the old one allowed may not go any more
  }
  if (kept.count() > 0 && applied > first && floor_ < first + kAheadMax) {
    floor_ = std::max(floor_, first);
    const auto newest = time_of(applied);
    if (!newest) {
      return std::unexpected(newest.error());
    }
    const core::Seq end = std::min(applied, floor_ + allowance(applied));
    const auto found = look_on(end, *newest - Duration::ms(kept.count()));
    // A commit that had begun before that may have dropped some more: the next round sees.
    if (!found && found.error().code != Errc::kDropped) {
      return std::unexpected(found.error());
    }
    floor_ = found ? *found : first;
  }
  parts_.log.drop_below(floor_);
  return behind;
}

core::Seq Retention::allowance(core::Seq applied) {
  using std::chrono::milliseconds;
  const auto now = parts_.steady();
  const auto passed = std::chrono::duration_cast<milliseconds>(now - looked_at_).count();
  const core::Seq come = applied - applied_;
  looked_at_ = now;
  applied_ = applied;
  return std::min(kRoundMax,
                  kRoundMin + 2 * come + kPerMillisecond * static_cast<core::Seq>(passed));
}

Result<Timestamp> Retention::time_of(core::Seq seq) const {
  Result<Timestamp> time = fail(Errc::kCorrupt, "the log misses entry " + std::to_string(seq));
  const auto read = parts_.log.read(seq, [&](core::Seq at, std::string_view bytes) {
    const auto record = log::decode_record(at, bytes, parts_.salt);
    time = record ? Result<Timestamp>(record->at) : std::unexpected(record.error());
    return false;
  });
  return read ? time : std::unexpected(read.error());
}

Result<core::Seq> Retention::look_on(core::Seq end, Timestamp cutoff) const {
  auto state = parts_.state.snapshot();
  if (!state) {
    return std::unexpected(state.error());
  }
  std::optional<Error> error;
  core::Seq next = floor_;
  const auto read = parts_.log.read(floor_, [&](core::Seq seq, std::string_view bytes) {
    if (seq >= end) {
      return false;
    }
    const auto record = log::decode_record(seq, bytes, parts_.salt);
    if (!record) {
      error = record.error();
      return false;
    }
    // Of a workflow whose first entry has gone the others need not stay.
    if (record->at >= cutoff || (record->previous == 0 && under_way(*state, *record))) {
      return false;
    }
    next = seq + 1;
    return true;
  });
  if (!read) {
    return std::unexpected(read.error());
  }
  if (error || state->error()) {
    return std::unexpected(error ? *error : *state->error());
  }
  return next;
}

}  // namespace payonce::engine
