// http/listing.h: pages of rows from the state store. Private to http.
//
// Lists let the checkpoint catch up with everything that was acknowledged before the request came,
// and then read the state store alone.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "http/api.h"
#include "http/paging.h"
#include "http/render.h"

namespace payonce::http {

inline constexpr std::size_t kSeqSize = 8;  // of a cursor that is an event's number

// A view that shows everything acknowledged so far.
inline Result<log::StateStore::Snapshot> caught_up(Backend& backend) {
  if (!backend.checkpointer.wait_applied(backend.engine.durable_seq())) {
    return fail(Errc::kIo, "no checkpoint is made any more");
  }
  return backend.state.snapshot();
}

inline Reply storage_trouble(Backend& backend, const Error& error, std::string_view path) {
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
  // Remembers the place, for a cursor.
  template <class Row>
  void add_at(std::string_view place, const Row& row) {
    add(row);
    last_ = place;
  }
  [[nodiscard]] const std::string& last() const { return last_; }
  [[nodiscard]] std::size_t size() const { return size_; }
  // `next` empty: this was the last page. `dropped`: the oldest entries are kept no longer.
  [[nodiscard]] Reply finish(std::string_view next, bool dropped = false) {
    json_.end_array();
    json_.member_or_null("next_cursor", next.empty() ? std::string() : encode_cursor(next));
    if (dropped) {
      json_.member("history_dropped", true);
    }
    json_.end_object();
    return json_reply(200, json_.take());
  }

 private:
  JsonWriter json_;
  std::size_t size_ = 0;
  std::string last_;
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

}  // namespace payonce::http
