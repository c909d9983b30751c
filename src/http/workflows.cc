// Routes that show workflows of any kind, what they wait for, tasks, and reports.
#include <algorithm>
#include <array>
#include <map>
#include <utility>
#include <variant>
#include <vector>

#include "base/ids.h"
#include "core/index_keys.h"
#include "http/history.h"
#include "http/listing.h"

namespace payonce::http {
namespace {

// One workflow's line in a list, whatever its kind.
struct Summary {
  std::string id;
  std::string_view kind;
  std::string parent;
  std::string_view status;
  Timestamp created_at;
  Timestamp updated_at;
};

Summary summary_of(const core::Payment& payment) {
  return {.id = payment.id,
          .kind = "payment",
          .parent = {},
          .status = name(payment.status),
          .created_at = payment.created_at,
          .updated_at = payment.updated_at};
}

Summary summary_of(const core::FraudCheck& check) {
  return {.id = check.id,
          .kind = "fraud_check",
          .parent = check.payment_id,
          .status = name(check.result),
          .created_at = check.created_at,
          .updated_at = check.updated_at};
}

Summary summary_of(const core::Refund& refund) {
  return {.id = refund.id,
          .kind = "refund",
          .parent = refund.payment_id,
          .status = name(refund.status),
          .created_at = refund.created_at,
          .updated_at = refund.updated_at};
}

void write_members(JsonWriter& json, const Summary& summary) {
  json.member("id", summary.id);
  json.member("kind", summary.kind);
  json.member_or_null("parent", summary.parent);
  json.member("status", summary.status);
  json.member("created_at", summary.created_at);
  json.member("updated_at", summary.updated_at);
}

void write(JsonWriter& json, const Summary& summary) {
  json.begin_object();
  write_members(json, summary);
  json.end_object();
}

using Workflow = std::variant<core::Payment, core::FraudCheck, core::Refund>;

// A fraud check's id is longer than its payment's, which may be as long as an id can be.
bool may_be_workflow(std::string_view id) {
  return valid_id(id) || (id.starts_with(core::kFraudCheckPrefix) &&
                          valid_id(id.substr(core::kFraudCheckPrefix.size())));
}

std::optional<Workflow> find_workflow(Backend& backend, std::string_view id) {
  if (!may_be_workflow(id)) {
    return std::nullopt;
  }
  const std::string key(id);
  if (auto payment = backend.engine.find_payment(key)) {
    return *std::move(payment);
  }
  if (auto check = backend.engine.find_fraud(key)) {
    return *std::move(check);
  }
  if (auto refund = backend.engine.find_refund(key)) {
    return *std::move(refund);
  }
  return std::nullopt;
}

std::vector<Summary> children_of(log::StateStore::Snapshot& snapshot,
                                 const core::Payment& payment) {
  std::vector<Summary> children;
  core::FraudCheck check;
  if (snapshot.load(core::fraud_check_id(payment.id), check)) {
    children.push_back(summary_of(check));
  }
  snapshot.oldest_first(core::Index::kRefundsByPayment, core::text_prefix(payment.id),
                        [&](std::string_view, std::string_view id) {
                          core::Refund refund;
                          if (snapshot.load(id, refund)) {
                            children.push_back(summary_of(refund));
                          }
                          return children.size() < kPageMax;
                        });
  return children;
}

// Where a list of workflows looks, and how a row of that place reads.
struct Source {
  std::string_view kind;
  core::Index index;
  std::optional<Summary> (*load)(log::StateStore::Snapshot&, std::string_view id);
};

template <class Row>
std::optional<Summary> load_summary(log::StateStore::Snapshot& snapshot, std::string_view id) {
  Row row;
  return snapshot.load(id, row) ? std::optional(summary_of(row)) : std::nullopt;
}

constexpr std::array kSources{
    Source{"payment", core::Index::kPaymentsByTime, load_summary<core::Payment>},
    Source{"fraud_check", core::Index::kFraudByTime, load_summary<core::FraudCheck>},
    Source{"refund", core::Index::kRefundsByTime, load_summary<core::Refund>}};

struct WorkflowFilter {
  std::string_view kind;
  std::string_view status;
  std::string_view parent;

  [[nodiscard]] bool takes(const Summary& summary) const {
    return (status.empty() || summary.status == status) &&
           (parent.empty() || summary.parent == parent);
  }
};

// Entries by place, newest first; each source adds at most `limit` and looks at a bounded number.
using Found = std::map<std::string, Summary, std::greater<>>;

// True when the source may have more behind `edge`, the last place it looked at.
bool collect(log::StateStore::Snapshot& snapshot, const Source& source,
             const WorkflowFilter& filter, const std::string& before, std::size_t limit,
             Found& found, std::string& edge) {
  std::size_t looked = 0;
  std::size_t added = 0;
  bool more = false;
  snapshot.newest_first(source.index, {}, before, [&](std::string_view place, std::string_view id) {
    if (added == limit || looked == kScanMax) {
      more = true;
      return false;
    }
    ++looked;
    edge = place;
    if (auto summary = source.load(snapshot, id); summary && filter.takes(*summary)) {
      found.emplace(place, *std::move(summary));
      ++added;
    }
    return true;
  });
  return more;
}

}  // namespace

Reply Api::list_workflows(Backend& backend, const Call& call) {
  Query query(call, {"kind", "status", "parent"});
  const std::size_t limit = query.limit();
  const std::string cursor = query.cursor(core::kPositionSize);
  const WorkflowFilter filter{
      .kind = query.text("kind"), .status = query.text("status"), .parent = query.text("parent")};
  const bool known_kind = filter.kind.empty() ||
                          std::ranges::find(kSources, filter.kind, &Source::kind) != kSources.end();
  if (!known_kind) {
    query.complain(Code::kInvalidStatus, "kind", "kind must be payment, fraud_check or refund");
  }
  if (query.problem()) {
    return problem_reply(*query.problem(), call.path);
  }
  auto snapshot = caught_up(backend);
  if (!snapshot) {
    return storage_trouble(backend, snapshot.error(), call.path);
  }
  Found found;
  std::string horizon;  // what lies at or below it may be incomplete
  for (const Source& source : kSources) {
    std::string edge;
    if ((filter.kind.empty() || filter.kind == source.kind) &&
        collect(*snapshot, source, filter, cursor, limit, found, edge)) {
      horizon = std::max(horizon, edge);
    }
  }
  if (snapshot->error()) {
    return storage_trouble(backend, *snapshot->error(), call.path);
  }
  Page page;
  std::string next = horizon;
  for (const auto& [place, summary] : found) {
    if (place < horizon) {
      break;
    }
    if (page.size() == limit) {
      next = page.last();
      break;
    }
    page.add_at(place, summary);
  }
  return page.finish(next);
}

Reply Api::get_workflow(Backend& backend, const Call& call) {
  const auto workflow =
      found_or_problem(backend, call, find_workflow(backend, call.id), "workflow");
  if (!workflow) {
    return workflow.error();
  }
  std::vector<Summary> children;
  if (const auto* payment = std::get_if<core::Payment>(&*workflow)) {
    auto snapshot = caught_up(backend);
    if (!snapshot) {
      return storage_trouble(backend, snapshot.error(), call.path);
    }
    children = children_of(*snapshot, *payment);
  }
  JsonWriter json;
  json.begin_object();
  std::visit(
      [&](const auto& row) {
        write_members(json, summary_of(row));
        json.key("state");
        write(json, row);
      },
      *workflow);
  json.key("children");
  json.begin_array();
  for (const Summary& child : children) {
    write(json, child);
  }
  json.end_array();
  json.end_object();
  return json_reply(200, json.take());
}

Reply Api::list_workflow_events(Backend& backend, const Call& call) {
  const auto workflow =
      found_or_problem(backend, call, find_workflow(backend, call.id), "workflow");
  if (!workflow) {
    return workflow.error();
  }
  return history_page(backend, call,
                      std::visit([](const auto& row) { return place_of(row); }, *workflow));
}

Reply Api::explain_payment(Backend& backend, const Call& call) {
  const auto payment = named_payment(backend, call);
  if (!payment) {
    return payment.error();
  }
  std::optional<core::FraudCheck> check;
  if (payment->fraud == core::FraudResult::kRunning) {
    check = backend.engine.find_fraud(core::fraud_check_id(payment->id));
  }
  return json_reply(200, render_row(core::explain(*payment, check ? &*check : nullptr)));
}

Reply Api::list_tasks(Backend& backend, const Call& call) {
  const Query query(call, {});
  if (query.problem()) {
    return problem_reply(*query.problem(), call.path);
  }
  // Tasks that are due late are in the state alone, which has to show what was acknowledged.
  if (const auto snapshot = caught_up(backend); !snapshot) {
    return storage_trouble(backend, snapshot.error(), call.path);
  }
  JsonWriter json;
  json.begin_object();
  json.key("data");
  json.begin_array();
  for (const QueueInfo& queue : backend.queues()) {
    json.begin_object();
    json.member("queue", queue.name);
    json.member("depth", std::uint64_t{queue.depth});
    json.member("running", std::uint64_t{queue.running});
    json.member("oldest_age_ms", static_cast<std::int64_t>(queue.oldest_age.count()));
    json.end_object();
  }
  json.end_array();
  json.end_object();
  return json_reply(200, json.take());
}

namespace {

struct ExhaustedTask {
  std::string id;
  std::string_view queue;
  std::string workflow_id;
  std::string error;
};

void write(JsonWriter& json, const ExhaustedTask& task) {
  json.begin_object();
  json.member("id", task.id);
  json.member("queue", task.queue);
  json.member("workflow_id", task.workflow_id);
  json.member_or_null("last_error", task.error);
  json.end_object();
}

std::optional<ExhaustedTask> load_task(log::StateStore::Snapshot& snapshot, std::string_view id) {
  const auto name = core::parse_task(id);
  if (!name) {
    return std::nullopt;
  }
  ExhaustedTask task{.id = std::string(id),
                     .queue = "gateway",
                     .workflow_id = std::string(name->workflow_id),
                     .error = {}};
  if (name->kind == core::TaskName::Kind::kRefund) {
    core::Refund refund;
    task.error = snapshot.load(name->workflow_id, refund) ? refund.error : std::string();
    return task;
  }
  core::Payment payment;
  if (!snapshot.load(name->workflow_id, payment)) {
    return std::nullopt;
  }
  task.error = payment.compensation_error;
  if (name->kind == core::TaskName::Kind::kNotify) {
    const core::Delivery* delivery = find_delivery(payment, name->channel);
    task.queue = "notify";
    task.error = delivery == nullptr ? std::string() : delivery->error;
  }
  return task;
}

}  // namespace

Reply Api::list_exhausted(Backend& backend, const Call& call) {
  Query query(call, {});
  const std::size_t limit = query.limit();
  const std::string cursor = query.cursor_text();
  if (query.problem()) {
    return problem_reply(*query.problem(), call.path);
  }
  auto snapshot = caught_up(backend);
  if (!snapshot) {
    return storage_trouble(backend, snapshot.error(), call.path);
  }
  Page page;
  return newest_page(backend, *snapshot, core::Index::kExhausted, {}, cursor, limit, page,
                     call.path, [&](std::string_view id, std::string_view) {
                       if (const auto task = load_task(*snapshot, id)) {
                         page.add(*task);
                       }
                       return true;
                     });
}

}  // namespace payonce::http
