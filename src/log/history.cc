#include "log/history.h"

#include <algorithm>
#include <iterator>
#include <optional>
#include <utility>

#include "core/index_keys.h"
#include "log/codec.h"

namespace payonce::log {

Result<History> read_stream(const LogStore& log, std::uint64_t salt, core::Seq last,
                            core::Seq after) {
  History chain;
  for (core::Seq seq = last; seq > after;) {
    std::optional<Error> unreadable;
    core::Seq previous = seq;
    const auto read = log.read(seq, [&](core::Seq at, std::string_view bytes) {
      auto record = decode_record(at, bytes, salt);
      if (record) {
        previous = record->previous;
        chain.records.push_back(std::move(*record));
      } else {
        unreadable = record.error();
      }
      return false;
    });
    if (!read && read.error().code == Errc::kDropped) {
      chain.whole = false;  // and so is everything before it
      break;
    }
    if (!read) {
      return std::unexpected(read.error());
    }
    if (unreadable) {
      return std::unexpected(*unreadable);
    }
    if (previous >= seq) {
      return fail(Errc::kCorrupt, "log entry " + std::to_string(seq) + " is missing");
    }
    seq = previous;
  }
  std::ranges::reverse(chain.records);
  return chain;
}

Result<History> read_payment_history(const LogStore& log, std::uint64_t salt,
                                     StateStore::Snapshot& state, const core::Payment& payment) {
  std::vector<core::Seq> streams{payment.stream_last};
  core::FraudCheck check;
  if (payment.fraud != core::FraudResult::kNone &&
      state.load(core::fraud_check_id(payment.id), check)) {
    streams.push_back(check.stream_last);
  }
  if (payment.refunds > 0) {
    state.oldest_first(core::Index::kRefundsByPayment, core::text_prefix(payment.id),
                       [&](std::string_view, std::string_view id) {
                         core::Refund refund;
                         if (state.load(id, refund)) {
                           streams.push_back(refund.stream_last);
                         }
                         return true;
                       });
  }
  if (state.error()) {
    return std::unexpected(*state.error());
  }
  History history;
  for (const core::Seq last : streams) {
    auto stream = read_stream(log, salt, last, 0);
    if (!stream) {
      return stream;
    }
    std::ranges::move(stream->records, std::back_inserter(history.records));
    history.whole = history.whole && stream->whole;
  }
  std::ranges::sort(history.records, {}, &core::Record::seq);
  return history;
}

}  // namespace payonce::log
