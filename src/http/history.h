// http/history.h: a page of the history of one workflow, read from the log. Private to http.
#pragma once

#include "http/api.h"

namespace payonce::http {

// Where the first and the newest event of a workflow stand in the log.
struct HistoryPlace {
  core::Seq first = 0;
  core::Seq last = 0;
};
template <class Row>
[[nodiscard]] HistoryPlace place_of(const Row& row) {
  return {.first = row.created_seq, .last = row.stream_last};
}

[[nodiscard]] Reply history_page(Backend& backend, const Call& call, const HistoryPlace& workflow);

}  // namespace payonce::http
