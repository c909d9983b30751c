#include "http/api.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <utility>

#include "base/digits.h"
#include "base/ids.h"
#include "http/digest.h"
#include "http/headers.h"
#include "http/prepared.h"

namespace payonce::http {

struct Api::RouteEntry {
  std::string_view method;
  std::string_view pattern;  // one segment may be "{id}"
  Route route;               // null: answered without a backend
  bool reads_much = false;   // lets the checkpoint catch up, or reads more than single rows
};

// The one list of routes. HEAD is served wherever GET is.
const Api::RouteEntry Api::kRoutes[] = {
    {"POST", "/v1/payments", &Api::create_payment},
    {"GET", "/v1/payments", &Api::list_payments, true},
    {"GET", "/v1/payments/{id}", &Api::get_payment},
    {"GET", "/v1/payments/{id}/events", &Api::list_events, true},
    {"GET", "/v1/payments/{id}/explain", &Api::explain_payment, true},
    {"POST", "/v1/payments/{id}/cancel", &Api::cancel_payment},
    {"POST", "/v1/payments/{id}/refunds", &Api::create_refund},
    {"GET", "/v1/payments/{id}/refunds", &Api::list_refunds, true},
    {"POST", "/v1/payments/{id}/retry-compensation", &Api::retry_compensation},
    {"POST", "/v1/gateway/callbacks", &Api::gateway_callback},
    {"POST", "/v1/accounts", &Api::create_account},
    {"GET", "/v1/accounts", &Api::list_accounts, true},
    {"GET", "/v1/accounts/{id}", &Api::get_account},
    {"POST", "/v1/accounts/{id}/deposits", &Api::deposit},
    {"GET", "/v1/accounts/{id}/transfers", &Api::list_transfers, true},
    {"GET", "/v1/ledger", &Api::ledger, true},
    {"GET", "/v1/workflows", &Api::list_workflows, true},
    {"GET", "/v1/workflows/{id}", &Api::get_workflow, true},
    {"GET", "/v1/workflows/{id}/events", &Api::list_workflow_events, true},
    {"GET", "/v1/tasks", &Api::list_tasks, true},
    {"GET", "/v1/tasks/exhausted", &Api::list_exhausted, true},
    {"POST", "/v1/tasks/{id}/retry", &Api::retry_task},
    {"GET", "/v1/reports/payments", &Api::report_payments, true},
    {"GET", "/metrics", &Api::metrics, true},
    {"POST", "/payment", &Api::original_payment},
    {"GET", "/payment/{id}/status", &Api::original_status},
    {"POST", "/fraud-check", &Api::original_fraud_check},
    {"GET", "/livez", nullptr},
    {"GET", "/readyz", nullptr},
    {"GET", "/healthz", nullptr},
    {"GET", "/health", nullptr},
    {"GET", "/version", nullptr},
};

namespace {

// Takes one segment off the path's front.
std::string_view next_segment(std::string_view& path) {
  path.remove_prefix(path.starts_with('/') ? 1 : 0);
  const std::size_t end = std::min(path.find('/'), path.size());
  const std::string_view segment = path.substr(0, end);
  path.remove_prefix(end);
  return segment;
}

// True when the path has the pattern's form; `id` is what stands at "{id}".
bool matches(std::string_view pattern, std::string_view path, std::string_view& id) {
  if (pattern == path) {
    return true;
  }
  while (!pattern.empty() && !path.empty()) {
    const std::string_view wanted = next_segment(pattern);
    const std::string_view found = next_segment(path);
    if (wanted == "{id}" && !found.empty()) {
      id = found;
    } else if (wanted != found) {
      return false;
    }
  }
  return pattern.empty() && path.empty();
}

// Malformed escapes stay as they are: '%' is in no id, so they name nothing.
std::string decode_percent(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const int high = text[i] == '%' && i + 2 < text.size() ? hex_digit(text[i + 1]) : -1;
    const int low = high < 0 ? -1 : hex_digit(text[i + 2]);
    if (low >= 0) {
      out += static_cast<char>(high * 16 + low);
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

bool same_method(std::string_view wanted, std::string_view method) {
  return wanted == method || (wanted == "GET" && method == "HEAD");
}

}  // namespace

Api::Api(Settings settings) : settings_(std::move(settings)), wait_slots_(settings_.waiters_max) {}

Api::~Api() = default;

const Api::RouteEntry* Api::find_route(Call& call) {
  const auto* const found = std::ranges::find_if(kRoutes, [&](const RouteEntry& entry) {
    return same_method(entry.method, call.method) && matches(entry.pattern, call.path, call.id);
  });
  return found == std::end(kRoutes) ? nullptr : found;
}

bool Api::reads_much(const RouteEntry* route) { return route != nullptr && route->reads_much; }

Reply Api::handle(const RouteEntry* route, Call& call) {
  if (route == nullptr) {
    return no_route(call.method, call.path);
  }
  // Ids need no escapes, but a careful client may send "%3A" for ':'. Any other escape makes no id.
  std::string id;
  if (call.id.find('%') != std::string_view::npos) {
    id = decode_percent(call.id);
    call.id = id;
  }
  Backend* backend = backend_.load(std::memory_order_acquire);
  if (route->route != nullptr) {
    return backend != nullptr
               ? (this->*route->route)(*backend, call)
               : problem_reply(Code::kNotReady, "the server is recovering or draining", call.path);
  }
  if (call.path == "/version") {
    return json_reply(200, settings_.version);
  }
  const bool asks_readiness = call.path == "/readyz" || call.path == "/healthz";
  if (asks_readiness && backend == nullptr) {
    return problem_reply(Code::kNotReady, "the server is recovering or draining", call.path);
  }
  return json_reply(200, R"({"status":"ok"})");
}

Reply Api::no_route(std::string_view /*method*/, std::string_view path) {
  std::string allow;
  for (const RouteEntry& entry : kRoutes) {
    std::string_view id;
    if (matches(entry.pattern, path, id)) {
      allow.append(allow.empty() ? "" : ", ").append(entry.method);
      allow.append(entry.method == "GET" ? ", HEAD" : "");
    }
  }
  if (allow.empty()) {
    return problem_reply(Code::kNotFound, "there is no such path", path);
  }
  Reply reply = problem_reply(Code::kMethodNotAllowed, "the path has the methods " + allow, path);
  reply.allow = std::move(allow);
  return reply;
}

// The Idempotency-Key, empty when there is none and none is needed.
std::expected<std::string, Reply> Api::read_key(const Call& call) const {
  if (call.idempotency_keys.size() > 1) {
    return std::unexpected(problem_reply(Code::kInvalidIdempotencyKey,
                                         "there is more than one Idempotency-Key", call.path));
  }
  if (!call.idempotency_keys.empty()) {
    auto parsed = parse_idempotency_key(call.idempotency_keys.front());
    if (!parsed) {
      return std::unexpected(
          problem_reply(Code::kInvalidIdempotencyKey, parsed.error().message, call.path));
    }
    return std::move(*parsed);
  }
  if (settings_.idempotency_required) {
    return std::unexpected(problem_reply(Code::kIdempotencyKeyRequired,
                                         "this server takes a POST only with an Idempotency-Key",
                                         call.path));
  }
  return std::string();
}

std::expected<Api::Prepared, Reply> Api::prepare(const Call& call, std::string_view route,
                                                 Body need) const {
  const bool absent = need == Body::kOptional && call.body.empty();
  if (!absent && !is_json(call.content_type)) {
    return std::unexpected(problem_reply(Code::kUnsupportedMediaType,
                                         "Content-Type must be application/json", call.path));
  }
  auto key = read_key(call);
  if (!key) {
    return std::unexpected(std::move(key.error()));
  }
  Prepared prepared;
  auto body = parse_json(absent ? std::string_view("{}") : call.body);
  if (!body) {
    return std::unexpected(problem_reply(Code::kMalformedJson, body.error().message, call.path));
  }
  prepared.body = std::move(*body);
  if (!key->empty()) {
    std::string canonical;
    append_canonical(canonical, prepared.body);
    prepared.keyed =
        core::KeyedRequest{.key = sha256_of({call.caller, call.method, route, *key}),
                           .fingerprint = sha256_of({call.method, call.path, canonical}),
                           .retention = settings_.idempotency_retention,
                           .answer_later = false};
  }
  return prepared;
}

Reply Api::run(Backend& backend, const Call& call, core::Command command, const Prepared& prepared,
               core::Renderer& renderer) {
  engine::Request request(core::Input{std::move(command), prepared.keyed}, &renderer);
  const engine::Verdict verdict = backend.engine.execute(request);
  if (verdict != engine::Verdict::kDone) {
    return refusal_reply(verdict, call.path);
  }
  Reply reply = to_reply(std::move(request.answer));
  reply.replayed = request.kind == core::OutcomeKind::kKeyReplayed;
  return reply;
}

Reply Api::refusal_reply(engine::Verdict verdict, std::string_view path) {
  switch (verdict) {
    case engine::Verdict::kOverloaded:
      return problem_reply(Code::kOverloaded, "try again a little later", path);
    case engine::Verdict::kStorageFull:
      return problem_reply(Code::kStorageFull,
                           "new work is refused until there is more free disk space", path);
    case engine::Verdict::kStopped:
      return problem_reply(Code::kNotReady, "the server is stopping", path);
    case engine::Verdict::kIndeterminate:
      return problem_reply(Code::kNotReady,
                           "the storage failed: whether this request was carried out is decided "
                           "by recovery; repeat it with the same key",
                           path);
    case engine::Verdict::kWaiting:
    case engine::Verdict::kDone:
      break;
  }
  return problem_reply(Code::kInternalError, {}, path);
}

bool render_key_outcome(const core::Outcome& outcome, std::string_view path, core::Answer& out) {
  if (outcome.kind == core::OutcomeKind::kKeyReplayed) {
    out = outcome.key->answer;
    return true;
  }
  if (outcome.kind == core::OutcomeKind::kKeyReused) {
    set_problem(out,
                Problem{.code = Code::kIdempotencyKeyReused,
                        .detail = "the key was used with another payload",
                        .errors = {},
                        .payment_id = {}},
                path);
    return true;
  }
  if (outcome.kind == core::OutcomeKind::kKeyInFlight) {
    set_problem(out,
                Problem{.code = Code::kIdempotencyInFlight,
                        .detail = "the first request with this key is still running",
                        .errors = {},
                        .payment_id = outcome.key->workflow_id},
                path);
    out.location = "/v1/payments/" + outcome.key->workflow_id;
    return true;
  }
  return false;
}

Reply to_reply(core::Answer&& answer) {
  Reply reply;
  reply.status = static_cast<int>(answer.status);
  reply.body = std::move(answer.body);
  reply.location = std::move(answer.location);
  reply.problem = reply.status >= 400;
  return reply;
}

void set_problem(core::Answer& out, const Problem& problem, std::string_view path) {
  out.status =
      static_cast<std::uint32_t>(problem.status != 0 ? problem.status : info(problem.code).status);
  out.body = render(problem, path);
}

}  // namespace payonce::http
