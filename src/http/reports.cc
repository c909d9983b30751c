// GET /v1/reports/payments: counts by status, over a period; and GET /metrics.
#include <array>
#include <map>
#include <utility>

#include "core/index_keys.h"
#include "http/listing.h"

namespace payonce::http {
namespace {

constexpr std::array kStatuses{core::PaymentStatus::kPending, core::PaymentStatus::kProcessing,
                               core::PaymentStatus::kSuccess, core::PaymentStatus::kFail,
                               core::PaymentStatus::kCancelled};

struct Period {
  std::string from;  // places: created_at and number
  std::string to;    // empty: to the newest
};

// Counting reads secondary keys alone, some millions a second.
std::uint64_t count(log::StateStore::Snapshot& snapshot, core::PaymentStatus status,
                    const Period& period) {
  std::uint64_t counted = 0;
  snapshot.newest_first(core::Index::kPaymentsByStatus, core::status_prefix(status), period.to,
                        [&](std::string_view place, std::string_view) {
                          if (place < period.from) {
                            return false;
                          }
                          ++counted;
                          return true;
                        });
  return counted;
}

}  // namespace

Reply Api::metrics(Backend& backend, const Call& /*call*/) {
  Reply reply = json_reply(200, backend.metrics());
  reply.content_type = "text/plain; version=0.0.4; charset=utf-8";
  return reply;
}

Reply Api::report_payments(Backend& backend, const Call& call) {
  Query query(call, {"created_after", "created_before"});
  const auto after = query.time("created_after");
  const auto before = query.time("created_before");
  if (query.problem()) {
    return problem_reply(*query.problem(), call.path);
  }
  auto snapshot = caught_up(backend);
  if (!snapshot) {
    return storage_trouble(backend, snapshot.error(), call.path);
  }
  const Period period{.from = after ? core::position(*after, 0) : std::string(),
                      .to = before ? core::position(*before, 0) : std::string()};
  JsonWriter json;
  json.begin_object();
  std::uint64_t total = 0;
  json.key("by_status");
  json.begin_object();
  for (const core::PaymentStatus status : kStatuses) {
    const std::uint64_t counted = count(*snapshot, status, period);
    total += counted;
    json.member(name(status), counted);
  }
  json.end_object();
  json.member("total", total);
  std::uint64_t stuck = 0;
  snapshot->oldest_first(core::Index::kExhausted, core::compensation_task({}),
                         [&](std::string_view, std::string_view) {
                           ++stuck;
                           return true;
                         });
  json.member("compensation_failed", stuck);
  json.end_object();
  if (snapshot->error()) {
    return storage_trouble(backend, *snapshot->error(), call.path);
  }
  return json_reply(200, json.take());
}

}  // namespace payonce::http
