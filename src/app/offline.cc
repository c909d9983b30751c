#include "app/offline.h"

#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <optional>
#include <utility>

#include "app/clock.h"
#include "app/exit_code.h"
#include "app/recheck.h"
#include "app/store.h"
#include "core/event_text.h"
#include "core/payment/explain.h"
#include "http/render.h"
#include "log/history.h"
#include "observe/logger.h"

namespace payonce::app {
namespace {

void print(const std::string& line) { std::fprintf(stdout, "%s\n", line.c_str()); }

// Opens what is there; nothing is made where there is nothing.
std::optional<Store> open_existing(const config::Options& options) {
  const auto refuse = [](const std::string& why) {
    std::fprintf(stderr, "payonce: %s\n", why.c_str());
    return std::nullopt;
  };
  std::error_code ignored;
  if (!std::filesystem::exists(options.storage.data + "/log/data.mdb", ignored)) {
    return refuse("there is no payonce log in " + options.storage.data);
  }
  auto dir = log::DataDir::acquire(options.storage.data);
  if (!dir) {
    return refuse(dir.error().message);
  }
  observe::Logger log(observe::Level::kWarn);
  auto store = open_store(std::move(*dir),
                          {.path = options.storage.data,
                           .log_map_size = options.storage.log_map_size,
                           .state_map_size = options.storage.state_map_size},
                          0, SystemClock().now(), log);
  if (!store) {
    return refuse(store.error().message);
  }
  return std::move(*store);
}

// A line that is written over, on a terminal only.
class Progress {
 public:
  void step() {
    ++count_;
    if (shown_ && count_ % 1000 == 0) {
      std::fprintf(stderr, "\r%llu workflows", static_cast<unsigned long long>(count_));
    }
  }
  void finish() const {
    if (shown_ && count_ >= 1000) {
      std::fprintf(stderr, "\r                              \r");
    }
  }

 private:
  bool shown_ = ::isatty(STDERR_FILENO) == 1;
  std::uint64_t count_ = 0;
};

std::string to_json(const Disagreement& disagreement) {
  http::JsonWriter json;
  json.begin_object();
  json.member("workflow_id", disagreement.workflow_id);
  json.member("seq", disagreement.difference.seq);
  json.member("recorded", disagreement.difference.recorded);
  json.member("decided", disagreement.difference.decided);
  json.end_object();
  return json.take();
}

template <class Row>
void print_workflow(const Row& row, const log::History& history,
                    const std::optional<core::Explanation>& explanation, bool as_json) {
  if (as_json) {
    http::JsonWriter json;
    json.begin_object();
    json.key("state");
    http::write(json, row);
    if (explanation) {
      json.key("explain");
      http::write(json, *explanation);
    }
    json.key("events");
    json.begin_array();
    for (const core::Record& record : history.records) {
      http::write(json, record);
    }
    json.end_array();
    if (!history.whole) {
      json.member("history_dropped", true);
    }
    json.end_object();
    print(json.take());
    return;
  }
  print(http::render_row(row));
  if (explanation) {
    print("waits for " + explanation->waiting_for + "; next: " + explanation->next_action +
          (explanation->due_at ? " at " + format_rfc3339(*explanation->due_at) : std::string()) +
          (explanation->last_error.empty() ? std::string()
                                           : "; last error: " + explanation->last_error));
  }
  if (!history.whole) {
    print("older events have been dropped (storage.history_retention)");
  }
  for (const core::Record& record : history.records) {
    print(std::to_string(record.seq) + " " + format_rfc3339(record.at) + " " + record.stream + " " +
          core::to_text(record.event));
  }
}

int report(const Error& error) {
  std::fprintf(stderr, "payonce: %s\n", error.message.c_str());
  return kExitData;
}

template <class Row>
int inspect_child(const Store& store, const Row& row, bool json) {
  const auto history = log::read_stream(*store.log, store.position.salt, row.stream_last, 0);
  if (!history) {
    return report(history.error());
  }
  print_workflow(row, *history, std::nullopt, json);
  return kExitOk;
}

}  // namespace

int replay(const config::Options& options, bool json) {
  auto store = open_existing(options);
  if (!store) {
    return kExitData;
  }
  Progress progress;
  std::uint64_t different = 0;
  const auto done = recheck_all(
      *store,
      [&](const Disagreement& disagreement) {
        ++different;
        print(json ? to_json(disagreement) : describe(disagreement));
      },
      [&] { progress.step(); });
  progress.finish();
  if (!done) {
    return report(done.error());
  }
  if (json) {
    http::JsonWriter out;
    out.begin_object();
    out.member("workflows", done->workflows);
    out.member("events", done->events);
    out.member("skipped", done->skipped);
    out.member("different", different);
    out.end_object();
    print(out.take());
  } else {
    print("replayed " + std::to_string(done->workflows) + " workflows with " +
          std::to_string(done->events) + " events: " +
          (different == 0 ? "all decide the same" : std::to_string(different) + " differ") +
          (done->skipped == 0 ? std::string()
                              : "; skipped " + std::to_string(done->skipped) +
                                    " whose old history has been dropped"));
  }
  return different == 0 ? kExitOk : kExitFailed;
}

int inspect(const config::Options& options, const std::string& id, bool json) {
  auto store = open_existing(options);
  if (!store) {
    return kExitData;
  }
  auto snapshot = store->state->snapshot();
  if (!snapshot) {
    return report(snapshot.error());
  }
  core::Payment payment;
  core::FraudCheck check;
  core::Refund refund;
  if (snapshot->load(id, payment)) {
    const auto history =
        log::read_payment_history(*store->log, store->position.salt, *snapshot, payment);
    if (!history) {
      return report(history.error());
    }
    const bool checked = snapshot->load(core::fraud_check_id(id), check);
    print_workflow(payment, *history, core::explain(payment, checked ? &check : nullptr), json);
    return kExitOk;
  }
  if (snapshot->load(id, check)) {
    return inspect_child(*store, check, json);
  }
  if (snapshot->load(id, refund)) {
    return inspect_child(*store, refund, json);
  }
  if (snapshot->error()) {
    return report(*snapshot->error());
  }
  std::fprintf(stderr, "payonce: there is no workflow %s\n", id.c_str());
  return kExitFailed;
}

}  // namespace payonce::app
