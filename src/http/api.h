// http/api.h: the routes of the HTTP API, free of sockets.
//
// A route reads and checks the request, makes a command of it, lets the engine carry it to its
// durable end, and renders the answer. Reads of one row ask the engine; lists let the checkpoint
// catch up and read the state store, so they never hold the engine up.
// Until open() is called, and after close(), everything but liveness is answered with 503.
// Threads: handle() from any number of connection threads.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <semaphore>
#include <string>
#include <string_view>
#include <vector>

#include "core/commands.h"
#include "engine/checkpointer.h"
#include "engine/engine.h"
#include "http/exchange.h"
#include "http/json_value.h"
#include "log/log_store.h"
#include "log/state_store.h"
#include "webhook/standard_webhooks.h"

namespace payonce::http {

struct QueueInfo {
  std::string name;
  std::size_t depth = 0;  // waiting, ready or not
  std::size_t running = 0;
  std::chrono::milliseconds oldest_age{0};  // of the tasks that are ready; 0 when there is none
};

// What the routes work on. Outlives the Api.
struct Backend {
  engine::Engine& engine;
  engine::Checkpointer& checkpointer;
  const log::LogStore& log;
  log::StateStore& state;
  std::uint64_t salt = 0;
  std::function<void(const Error&)> on_unreadable;  // told of stored data that does not read
  std::function<std::vector<QueueInfo>()> queues;   // of the task scheduler, for GET /v1/tasks
  std::function<std::string()> metrics;             // body of GET /metrics
};

struct Settings {
  Currency default_currency;
  // The rules that a new payment of this content is born with.
  std::function<core::PaymentRules(const core::PaymentContent&)> payment_rules;
  std::vector<webhook::Secret> callback_secrets;  // empty: callbacks need no signature
  std::chrono::seconds callback_tolerance{300};
  std::function<std::int64_t()> unix_seconds;  // the wall clock, for signatures
  Duration idempotency_retention;
  bool idempotency_required = false;
  std::size_t metadata_bytes_max = 8192;
  std::chrono::seconds wait_max{60};
  std::ptrdiff_t waiters_max = 64;  // requests that may wait at the same time
  std::string version;              // body of GET /version
};

class Api {
 public:
  explicit Api(Settings settings);
  ~Api();
  Api(const Api&) = delete;
  Api& operator=(const Api&) = delete;

  void open(Backend& backend) { backend_.store(&backend, std::memory_order_release); }
  void close() { backend_.store(nullptr, std::memory_order_release); }
  [[nodiscard]] bool ready() const { return backend_.load(std::memory_order_acquire) != nullptr; }

  struct RouteEntry;  // of the router's table (api.cc)
  // The call's route, whose {id} it notes in the call; null when there is none.
  [[nodiscard]] static const RouteEntry* find_route(Call& call);
  // Whether the route may block on the disk, as lists and reports do.
  [[nodiscard]] static bool reads_much(const RouteEntry* route);
  [[nodiscard]] Reply handle(const RouteEntry* route, Call& call);
  [[nodiscard]] Reply handle(Call& call) { return handle(find_route(call), call); }

  // Answers for requests that reached no route: 404, or 405 with the methods that the path has.
  [[nodiscard]] static Reply no_route(std::string_view method, std::string_view path);

 private:
  class WaitSlot;

  // Every route: method and pattern as in the router's table (api.cc).
  Reply create_account(Backend& backend, const Call& call);
  Reply get_account(Backend& backend, const Call& call);
  Reply list_accounts(Backend& backend, const Call& call);
  Reply deposit(Backend& backend, const Call& call);
  Reply list_transfers(Backend& backend, const Call& call);
  Reply ledger(Backend& backend, const Call& call);
  Reply create_payment(Backend& backend, const Call& call);
  Reply get_payment(Backend& backend, const Call& call);
  Reply list_payments(Backend& backend, const Call& call);
  Reply list_events(Backend& backend, const Call& call);
  Reply explain_payment(Backend& backend, const Call& call);
  Reply cancel_payment(Backend& backend, const Call& call);
  Reply retry_compensation(Backend& backend, const Call& call);
  Reply create_refund(Backend& backend, const Call& call);
  Reply list_refunds(Backend& backend, const Call& call);
  Reply gateway_callback(Backend& backend, const Call& call);
  Reply list_workflows(Backend& backend, const Call& call);
  Reply get_workflow(Backend& backend, const Call& call);
  Reply list_workflow_events(Backend& backend, const Call& call);
  Reply list_tasks(Backend& backend, const Call& call);
  Reply list_exhausted(Backend& backend, const Call& call);
  Reply retry_task(Backend& backend, const Call& call);
  Reply report_payments(Backend& backend, const Call& call);
  Reply metrics(Backend& backend, const Call& call);
  // The routes of earlier systems, answered as their users expect.
  Reply original_payment(Backend& backend, const Call& call);
  Reply original_status(Backend& backend, const Call& call);
  Reply original_fraud_check(Backend& backend, const Call& call);

  // The body as JSON and the key as hashes; a Reply when either is not acceptable.
  struct Prepared;
  enum class Body : std::uint8_t { kRequired, kOptional };  // optional: none counts as {}
  [[nodiscard]] std::expected<Prepared, Reply> prepare(const Call& call, std::string_view route,
                                                       Body need = Body::kRequired) const;
  [[nodiscard]] std::expected<std::string, Reply> read_key(const Call& call) const;
  [[nodiscard]] Reply run(Backend& backend, const Call& call, core::Command command,
                          const Prepared& prepared, core::Renderer& renderer);
  [[nodiscard]] static Reply refusal_reply(engine::Verdict verdict, std::string_view path);

  // The wait that the call prefers and that can be granted, with its place in `slot`.
  [[nodiscard]] std::optional<std::chrono::seconds> take_wait(const Call& call,
                                                              std::optional<WaitSlot>& slot);
  // The payment that the path names; 503 rather than 404 once the storage has failed.
  [[nodiscard]] static std::expected<core::Payment, Reply> named_payment(Backend& backend,
                                                                         const Call& call);
  // `found`, or why there is none.
  template <class Row>
  [[nodiscard]] static std::expected<Row, Reply> found_or_problem(Backend& backend,
                                                                  const Call& call,
                                                                  std::optional<Row> found,
                                                                  const char* kind) {
    if (found) {
      return *std::move(found);
    }
    if (backend.engine.failed()) {
      return std::unexpected(refusal_reply(engine::Verdict::kIndeterminate, call.path));
    }
    return std::unexpected(
        problem_reply(Code::kNotFound, std::string("there is no such ") + kind, call.path));
  }

  // Payments: answers that come at the workflow's end.
  [[nodiscard]] std::optional<core::Payment> wait_for_end(Backend& backend, const std::string& id,
                                                          std::chrono::milliseconds at_most);
  [[nodiscard]] Reply answer_claimed(Backend& backend, const Call& call, const Prepared& prepared,
                                     const std::string& payment_id,
                                     std::chrono::milliseconds at_most, bool existing);
  [[nodiscard]] Reply answer_in_flight(Backend& backend, const Call& call, const Prepared& prepared,
                                       const std::string& payment_id,
                                       std::chrono::milliseconds at_most);
  [[nodiscard]] Reply record_answer(Backend& backend, const Call& call, const Prepared& prepared,
                                    core::Answer answer);
  [[nodiscard]] std::expected<core::CreatePayment, Reply> read_payment(const Call& call,
                                                                       const Value& body) const;

  using Route = Reply (Api::*)(Backend&, const Call&);
  static const RouteEntry kRoutes[];

  Settings settings_;
  std::atomic<Backend*> backend_{nullptr};
  std::counting_semaphore<> wait_slots_;
};

}  // namespace payonce::http
