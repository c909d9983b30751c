// adapters/mock_gateway.h: a payment gateway for tests and demonstrations, inside the process.
//
// Its behaviour follows from the payment method and the attempt alone, so it keeps its word across
// a restart; like a real gateway it takes a key at most once. The journal is its own set of books,
// outside the data directory: one JSON line a call, by which a test can count what was taken.
//   pm_decline    declines           pm_flaky_N   N temporary failures, then confirms
//   pm_down       always fails       any other    confirms, after the configured latency and rate
//                                                 of temporary failures
// Threads: charge() from any number of workers. Without a journal it keeps nothing in memory.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <string>
#include <unordered_set>

#include "base/result.h"
#include "core/commands.h"
#include "core/outcome.h"

namespace payonce::adapters {

class MockGateway {
 public:
  struct Options {
    std::chrono::milliseconds latency{0};
    double failure_rate = 0.0;  // 0 to 1: of calls with an ordinary payment method
    std::string journal;        // path; empty for none
  };

  explicit MockGateway(Options options);
  ~MockGateway();
  MockGateway(const MockGateway&) = delete;
  MockGateway& operator=(const MockGateway&) = delete;

  // Opens the journal and learns from it which keys were taken before. Once, before charge().
  [[nodiscard]] Result<void> open();

  [[nodiscard]] core::RecordGatewayReply charge(const core::CallGateway& call);

  void stop();  // ends the wait of calls that are in their latency

 private:
  [[nodiscard]] core::GatewayReply verdict(const core::CallGateway& call) const;
  void write_journal(const core::CallGateway& call, core::GatewayReply reply);

  Options options_;
  int journal_fd_ = -1;
  std::mutex mutex_;
  std::condition_variable stopped_;
  bool stopping_ = false;                  // guarded by mutex_
  std::unordered_set<std::string> taken_;  // with a journal only; guarded by mutex_
};

}  // namespace payonce::adapters
