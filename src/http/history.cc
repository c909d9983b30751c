#include "http/history.h"

#include "core/index_keys.h"
#include "http/listing.h"
#include "log/history.h"

namespace payonce::http {

Reply history_page(Backend& backend, const Call& call, const HistoryPlace& workflow) {
  Query query(call, {});
  const std::size_t limit = query.limit();
  const std::string cursor = query.cursor(kSeqSize);
  if (query.problem()) {
    return problem_reply(*query.problem(), call.path);
  }
  const core::Seq after = cursor.empty() ? 0 : core::read_big_endian(cursor);
  const auto history = log::read_stream(backend.log, backend.salt, workflow.last, after);
  if (!history) {
    return storage_trouble(backend, history.error(), call.path);
  }
  Page page;
  core::Seq shown = 0;
  for (const core::Record& record : history->records) {
    if (page.size() == limit) {
      break;
    }
    page.add(record);
    shown = record.seq;
  }
  std::string next;
  if (page.size() < history->records.size()) {
    core::append_big_endian(next, shown);
  }
  // Asked for behind the read, so that what went meanwhile is told as well.
  const bool dropped = !history->whole || workflow.first < backend.log.first_seq();
  return page.finish(next, dropped);
}

Reply Api::list_events(Backend& backend, const Call& call) {
  const auto payment = named_payment(backend, call);
  return payment ? history_page(backend, call, place_of(*payment)) : payment.error();
}

}  // namespace payonce::http
