#include "app/metrics.h"

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <array>
#include <utility>

#include "core/index_keys.h"

namespace payonce::app {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

MetricFamily family(const char* name, const char* help, MetricType type) {
  MetricFamily made;
  made.name = name;
  made.help = help;
  made.type = type;
  return made;
}

void add(MetricFamily& to, const char* label, std::string_view value, double number) {
  ClientMetric metric;
  if (label != nullptr) {
    metric.label.push_back({label, std::string(value)});
  }
  (to.type == MetricType::Counter ? metric.counter.value : metric.gauge.value) = number;
  to.metric.push_back(std::move(metric));
}

// One number without labels.
MetricFamily gauge(const char* name, const char* help, double number) {
  MetricFamily made = family(name, help, MetricType::Gauge);
  add(made, nullptr, {}, number);
  return made;
}

MetricFamily events(const engine::Engine& engine) {
  MetricFamily made = family("payonce_events_total",
                             "Events that this process has decided, by type.", MetricType::Counter);
  const auto counts = engine.event_counts();
  for (std::size_t i = 0; i < counts.size(); ++i) {
    add(made, "type", core::kEventNames[i], static_cast<double>(counts[i]));
  }
  return made;
}

// Tasks that have used up their attempts and wait for an operator, as of the last checkpoint.
std::vector<MetricFamily> exhausted(const log::StateStore& state) {
  std::vector<MetricFamily> made;
  auto snapshot = state.snapshot();
  if (!snapshot) {
    return made;
  }
  std::array<std::uint64_t, 3> counts{};
  snapshot->oldest_first(core::Index::kExhausted, {},
                         [&](std::string_view id, std::string_view /*value*/) {
                           if (const auto task = core::parse_task(id)) {
                             ++counts[static_cast<std::size_t>(task->kind)];
                           }
                           return true;
                         });
  MetricFamily tasks = family("payonce_tasks_exhausted",
                              "Tasks that wait for an operator, by kind.", MetricType::Gauge);
  constexpr std::array<std::string_view, 3> kKinds{"compensation", "refund", "notification"};
  for (std::size_t i = 0; i < counts.size(); ++i) {
    add(tasks, "kind", kKinds[i], static_cast<double>(counts[i]));
  }
  made.push_back(std::move(tasks));
  made.push_back(gauge("payonce_compensation_failed", "Payments whose compensation has given up.",
                       static_cast<double>(counts[0])));
  return made;
}

void append_storage(const MetricSources& sources, std::vector<MetricFamily>& to) {
  const core::Seq first = sources.log.first_seq();
  const core::Seq last = sources.log.last_seq();
  to.push_back(gauge("payonce_log_first_seq",
                     "The entry from which on the log holds all; 1: nothing dropped.",
                     static_cast<double>(first)));
  to.push_back(gauge("payonce_log_entries", "Entries in the log.",
                     static_cast<double>(first == 1 ? last : last - first + 2)));
  to.push_back(gauge("payonce_log_file_bytes", "Length of the log's file, free pages included.",
                     static_cast<double>(sources.log.file_bytes())));
  to.push_back(gauge("payonce_state_file_bytes", "Length of the state's file, free pages included.",
                     static_cast<double>(sources.state.file_bytes())));
  to.push_back(gauge("payonce_log_disk_bytes", "What the log's file takes of the disk.",
                     static_cast<double>(sources.log.disk_bytes())));
  to.push_back(gauge("payonce_state_disk_bytes", "What the state's file takes of the disk.",
                     static_cast<double>(sources.state.disk_bytes())));
}

}  // namespace

std::string render_metrics(const MetricSources& sources) {
  std::vector<MetricFamily> all = exhausted(sources.state);
  all.push_back(events(sources.engine));
  MetricFamily depth =
      family("payonce_queue_depth", "Tasks that wait, ready or not, by queue.", MetricType::Gauge);
  MetricFamily running =
      family("payonce_queue_running", "Tasks that run, by queue.", MetricType::Gauge);
  MetricFamily age =
      family("payonce_queue_oldest_age_seconds",
             "How long the oldest ready task has waited, by queue.", MetricType::Gauge);
  for (const http::QueueInfo& queue : sources.queues) {
    add(depth, "queue", queue.name, static_cast<double>(queue.depth));
    add(running, "queue", queue.name, static_cast<double>(queue.running));
    add(age, "queue", queue.name, static_cast<double>(queue.oldest_age.count()) / 1000.0);
  }
  all.push_back(std::move(depth));
  all.push_back(std::move(running));
  all.push_back(std::move(age));
  all.push_back(gauge("payonce_rows_in_memory", "Rows of the state in memory.",
                      static_cast<double>(sources.engine.rows_in_memory())));
  append_storage(sources, all);
  return prometheus::TextSerializer().Serialize(all);
}

}  // namespace payonce::app
