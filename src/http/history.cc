#include "http/history.h"

#include "core/index_keys.h"
#include "http/listing.h"
#include "log/history.h"

namespace payonce::http {

Reply history_page(Backend& backend, const Call& call, core::Seq last) {
  Query query(call, {});
  const std::size_t limit = query.limit();
  const std::string cursor = query.cursor(kSeqSize);
  if (query.problem()) {
    return problem_reply(*query.problem(), call.path);
  }
  const core::Seq after = cursor.empty() ? 0 : core::read_big_endian(cursor);
  const auto history = log::read_stream(backend.log, backend.salt, last, after);
  if (!history) {
    return storage_trouble(backend, history.error(), call.path);
  }
  Page page;
  core::Seq shown = 0;
  for (const core::Record& record : *history) {
    if (page.size() == limit) {
      break;
    }
    page.add(record);
    shown = record.seq;
  }
  std::string next;
  if (page.size() < history->size()) {
    core::append_big_endian(next, shown);
  }
  return page.finish(next);
}

Reply Api::list_events(Backend& backend, const Call& call) {
  const auto payment = named_payment(backend, call);
  return payment ? history_page(backend, call, payment->stream_last) : payment.error();
}

}  // namespace payonce::http
