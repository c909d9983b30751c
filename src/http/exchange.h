// http/exchange.h: a request and its answer, free of the HTTP library's types, so that routes can
// be called by the server, by tests and by fuzzers alike.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "http/problem.h"
#include "webhook/standard_webhooks.h"

namespace payonce::http {

// Views into the library's request: valid during the call.
struct Call {
  std::string_view method;
  std::string_view path;
  std::string_view body;
  std::string_view content_type;
  std::vector<std::pair<std::string_view, std::string_view>> query;
  std::vector<std::string_view> idempotency_keys;  // one per header line
  std::vector<std::string_view> prefer;            // one per header line
  std::string_view id;                             // the {id} of the route, set by the router
  std::string_view caller = "anonymous";           // whose idempotency keys these are
  webhook::Head webhook;                           // of a gateway callback only
};

struct Reply {
  int status = 200;
  std::string body;
  bool problem = false;                // application/problem+json instead of application/json
  const char* content_type = nullptr;  // instead of either
  std::string location;
  std::string allow;
  bool replayed = false;
  std::optional<std::chrono::seconds> wait_applied;
  std::optional<int> retry_after_s;
};

[[nodiscard]] inline Reply json_reply(int status, std::string body) {
  Reply reply;
  reply.status = status;
  reply.body = std::move(body);
  return reply;
}

[[nodiscard]] Reply problem_reply(const Problem& problem, std::string_view path);
[[nodiscard]] Reply problem_reply(Code code, std::string detail, std::string_view path);

}  // namespace payonce::http
