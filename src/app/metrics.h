// app/metrics.h: what an operator asks of a serving process, in the Prometheus text format.
//
// Read on each scrape from counters that the rooms keep anyway; written by a library that knows the
// format (prometheus.io/docs/instrumenting/exposition_formats). No ids as labels. Threads: any.
#pragma once

#include <string>
#include <vector>

#include "engine/engine.h"
#include "http/api.h"
#include "log/lmdb_log.h"
#include "log/state_store.h"

namespace payonce::app {

struct MetricSources {
  const engine::Engine& engine;
  const log::LmdbLog& log;
  const log::StateStore& state;
  std::vector<http::QueueInfo> queues;
};
[[nodiscard]] std::string render_metrics(const MetricSources& sources);

}  // namespace payonce::app
