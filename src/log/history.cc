#include "log/history.h"

#include <algorithm>
#include <iterator>
#include <optional>
#include <utility>

#include "core/index_keys.h"
#include "log/codec.h"

namespace payonce::log {

Result<std::vector<core::Record>> read_stream(const LogStore& log, std::uint64_t salt,
                                              core::Seq last, core::Seq after) {
  std::vector<core::Record> chain;
  for (core::Seq seq = last; seq > after;) {
    std::optional<Error> unreadable;
    core::Seq previous = seq;
    const auto read = log.read(seq, [&](core::Seq at, std::string_view bytes) {
      auto record = decode_record(at, bytes, salt);
      if (record) {
        previous = record->previous;
        chain.push_back(std::move(*record));
      } else {
        unreadable = record.error();
      }
      return false;
    });
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
  std::ranges::reverse(chain);
  return chain;
}

Result<std::vector<core::Record>> read_payment_history(const LogStore& log, std::uint64_t salt,
                                                       StateStore::Snapshot& state,
                                                       const core::Payment& payment) {
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
  std::vector<core::Record> history;
  for (const core::Seq last : streams) {
    auto stream = read_stream(log, salt, last, 0);
    if (!stream) {
      return stream;
    }
    std::ranges::move(*stream, std::back_inserter(history));
  }
  std::ranges::sort(history, {}, &core::Record::seq);
  return history;
}

}  // namespace payonce::log
