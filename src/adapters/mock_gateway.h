// adapters/mock_gateway.h: a payment gateway for tests and demonstrations, inside the process.
//
// Its behaviour follows from the payment method and the attempt alone, so it keeps its word across
// a restart; like a real gateway it takes a key at most once. Behaviours combine with '.'.
//   pm_decline        declines
//   pm_down           always fails for a moment; nothing is taken
//   pm_flaky_N        N temporary failures, then whatever else the method says
//   pm_timeout        takes the money and never answers; an inquiry tells
//   pm_timeout_lost   never answers, and takes nothing: every call is lost
//   pm_async          accepts, and calls back after callback_delay
//   pm_manual         accepts, and leaves the callback to somebody else
//   pm_void_fail      fails every void and refund
//   any other         confirms, after the configured latency and rate of temporary failures
// The books and the journal: mock_charges.h.
// Threads: the calls from any number of threads; a call by itself never waits. What is to come
// later, callbacks and what waits for the latency, comes from one thread of its own, which starts
// with the first of either. Memory: those, and the book if it is kept.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <unordered_set>

#include "adapters/due_queue.h"
#include "adapters/mock_charges.h"
#include "base/result.h"
#include "core/commands.h"
#include "core/outcome.h"

namespace payonce::adapters {

class MockGateway {
 public:
  struct Options {
    std::chrono::milliseconds latency{0};
    double failure_rate = 0.0;  // 0 to 1: of calls with an ordinary payment method
    std::chrono::milliseconds callback_delay{500};
    std::string journal;    // path; empty for none
    bool remember = false;  // keeps the book without a journal too
  };
  using Callback = std::function<void(core::RecordCallback)>;

  explicit MockGateway(Options options);
  ~MockGateway();
  MockGateway(const MockGateway&) = delete;
  MockGateway& operator=(const MockGateway&) = delete;

  // Opens the journal and learns from it what was taken before. Once, before the first call.
  [[nodiscard]] Result<void> open();

  [[nodiscard]] core::RecordGatewayReply charge(const core::CallGateway& call);
  [[nodiscard]] core::RecordInquiryReply inquire(const core::InquireGateway& call);
  [[nodiscard]] core::RecordUndoReply undo(const core::UndoAtGateway& call);
  [[nodiscard]] core::RecordRefundReply refund(const core::RefundAtGateway& call);

  // Before the first expectation. Called from the gateway's own thread.
  void set_callback(Callback callback) { callback_ = std::move(callback); }
  // Runs the work, which makes a call, once the latency is over: on the gateway's own thread. Once
  // stop() has begun it runs at once, wherever that is. It must neither throw nor block for long.
  void after_latency(std::function<void()> work);
  // Itself, for who has a thread to wait with: when the latency is over, or at stop().
  [[nodiscard]] MockGateway& waited();

  // A payment waits for its callback. With pm_async it comes after callback_delay, unless the
  // charge is undone before that; otherwise nothing happens. While one is pending, expecting it
  // again is the same expectation.
  void expect_callback(const core::StartTimer& timer);

  // For a gateway that serves others (mock_charges.h).
  [[nodiscard]] MockCharges& charges() { return charges_; }

  // Whether no call waits, so that one thread is as good as many.
  [[nodiscard]] bool answers_at_once() const { return options_.latency.count() == 0; }

  // Carries out at once what waits for its latency, and drops pending callbacks.
  void stop();

 private:
  using Work = std::function<void()>;
  using Later = DueQueue<Work>;

  // With mutex_ held, and not once it is over.
  void push(std::chrono::milliseconds delay, Work work);
  void run_later();
  void call_back(const std::string& id);

  Options options_;
  MockCharges charges_;
  Callback callback_;
  Later due_;

  std::mutex mutex_;
  std::condition_variable stopped_;
  bool stopping_ = false;                    // guarded by mutex_
  std::unordered_set<std::string> pending_;  // payments with a callback in due_; guarded by mutex_
  std::thread later_;                        // runs what is in due_; guarded by mutex_
};

}  // namespace payonce::adapters
