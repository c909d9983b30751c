// http/history.h: a page of the history of one workflow, read from the log. Private to http.
#pragma once

#include "http/api.h"

namespace payonce::http {

// `last` is the newest event of the workflow.
[[nodiscard]] Reply history_page(Backend& backend, const Call& call, core::Seq last);

}  // namespace payonce::http
