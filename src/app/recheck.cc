#include "app/recheck.h"

#include <fstream>
#include <unordered_set>
#include <utility>

#include "core/due.h"
#include "log/history.h"

namespace payonce::app {
namespace {

// The note is only an allowance to skip work: one that is lost or wrong costs a check.
std::string note_path(const Store& store) { return store.dir.path() + "/DECIDED_BY"; }

bool noted(const Store& store, const std::string& build) {
  std::ifstream note(note_path(store));
  std::string line;
  return std::getline(note, line) && line == build;
}

void take_note(const Store& store, const std::string& build) {
  std::ofstream(note_path(store)) << build << '\n';
}

Result<std::optional<Disagreement>> recheck(Store& store, log::StateStore::Snapshot& snapshot,
                                            const core::Payment& payment, Rechecked& done) {
  const auto history =
      log::read_payment_history(*store.log, store.position.salt, snapshot, payment);
  if (!history) {
    return std::unexpected(history.error());
  }
  if (!history->whole) {
    ++done.skipped;
    return std::nullopt;
  }
  ++done.workflows;
  done.events += history->records.size();
  if (auto difference = core::redecide(history->records, store.position.salt)) {
    return Disagreement{.workflow_id = payment.id, .difference = *std::move(difference)};
  }
  return std::nullopt;
}

// The payment that a waiting workflow is or belongs to; empty when there is none.
std::string payment_of(log::StateStore::Snapshot& snapshot, const core::DueKey& waits) {
  if (waits.kind == core::StreamKind::kFraud) {
    core::FraudCheck check;
    return snapshot.load(waits.id, check) ? check.payment_id : std::string();
  }
  if (waits.kind == core::StreamKind::kRefund) {
    core::Refund refund;
    return snapshot.load(waits.id, refund) ? refund.payment_id : std::string();
  }
  return std::string(waits.id);
}

}  // namespace

std::string describe(const Disagreement& disagreement) {
  const core::Difference& difference = disagreement.difference;
  return "workflow " + disagreement.workflow_id + ", event " + std::to_string(difference.seq) +
         ": recorded " + (difference.recorded.empty() ? "nothing more" : difference.recorded) +
         ", but this build decides " +
         (difference.decided.empty() ? "nothing" : difference.decided);
}

Result<Rechecked> recheck_open(Store& store, const std::string& build) {
  Rechecked done;
  if (noted(store, build)) {
    return done;
  }
  auto snapshot = store.state->snapshot();
  if (!snapshot) {
    return std::unexpected(snapshot.error());
  }
  std::optional<Error> error;
  std::unordered_set<std::string> seen;  // a payment may wait in several ways
  const auto look = [&](std::string_view key, std::string_view /*value*/) {
    const auto waits = core::parse_due_key(key);
    const std::string id = waits ? payment_of(*snapshot, *waits) : std::string();
    core::Payment payment;
    if (!seen.insert(id).second || !snapshot->load(id, payment)) {
      return !snapshot->error();
    }
    auto found = recheck(store, *snapshot, payment, done);
    if (!found) {
      error = std::move(found.error());
      return false;
    }
    done.first = *std::move(found);
    return !done.first.has_value();
  };
  for (const core::TaskClass task : core::kTaskClasses) {
    if (!error && !done.first && !snapshot->error()) {
      snapshot->oldest_first(core::index_of(task), {}, look);
    }
  }
  if (snapshot->error()) {
    return std::unexpected(*snapshot->error());
  }
  if (error) {
    return std::unexpected(std::move(*error));
  }
  if (!done.first) {
    take_note(store, build);
  }
  return done;
}

Result<Rechecked> recheck_all(Store& store, const std::function<void(const Disagreement&)>& differs,
                              const std::function<void()>& progress) {
  Rechecked done;
  auto snapshot = store.state->snapshot();
  if (!snapshot) {
    return std::unexpected(snapshot.error());
  }
  std::optional<Error> error;
  snapshot->oldest_first(core::Index::kPaymentsByTime, {},
                         [&](std::string_view, std::string_view id) {
                           core::Payment payment;
                           if (!snapshot->load(id, payment)) {
                             return !snapshot->error();
                           }
                           auto found = recheck(store, *snapshot, payment, done);
                           if (!found) {
                             error = std::move(found.error());
                             return false;
                           }
                           if (*found) {
                             differs(**found);
                             if (!done.first) {
                               done.first = **std::move(found);
                             }
                           }
                           progress();
                           return true;
                         });
  if (snapshot->error()) {
    return std::unexpected(*snapshot->error());
  }
  if (error) {
    return std::unexpected(std::move(*error));
  }
  return done;
}

}  // namespace payonce::app
