#include "app/mock_gateway_command.h"

#include <httplib.h>
#include <rapidjson/document.h>

#include <csignal>
#include <cstdio>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <unordered_map>
#include <utility>

#include "adapters/answer_json.h"
#include "adapters/mock_gateway.h"
#include "app/callback_sender.h"
#include "app/exit_code.h"
#include "base/ids.h"
#include "config/endpoint.h"

namespace payonce::app {
namespace {

constexpr const char* kJson = "application/json";
constexpr std::size_t kThreads = 64;
constexpr std::size_t kBodyMax = 65'536;

void answer(httplib::Response& response, int status,
            std::initializer_list<std::pair<std::string_view, std::string_view>> members) {
  response.status = status;
  response.set_content(adapters::json_object(members), kJson);
}

// Leaves the client without a whole answer: the connection ends in the middle of it.
void say_nothing(httplib::Response& response) {
  response.set_content_provider(1, kJson,
                                [](std::size_t, std::size_t, httplib::DataSink&) { return false; });
}

std::string text_member(const rapidjson::Document& body, const char* name) {
  const auto found = body.FindMember(name);
  return found != body.MemberEnd() && found->value.IsString()
             ? std::string(found->value.GetString(), found->value.GetStringLength())
             : std::string();
}

struct Charge {
  Money amount;
  std::string payment_method;
  std::uint32_t attempts = 0;
};

// The charge or refund that a body asks for; nothing when it is not sound.
std::optional<Charge> read_body(const std::string& text) {
  rapidjson::Document body;
  body.Parse<rapidjson::kParseIterativeFlag>(text.data(), text.size());
  if (body.HasParseError() || !body.IsObject()) {
    return std::nullopt;
  }
  const auto currency = Currency::find(text_member(body, "currency"));
  const ParsedAmount amount =
      currency ? parse_amount(text_member(body, "amount"), *currency) : ParsedAmount{};
  if (!currency || amount.error) {
    return std::nullopt;
  }
  return Charge{.amount = {amount.minor, *currency},
                .payment_method = text_member(body, "payment_method")};
}

class GatewayServer {
 public:
  explicit GatewayServer(const MockGatewayCommand& command)
      : gateway_({.latency = std::chrono::milliseconds(command.latency_ms),
                  .failure_rate = command.failure_rate,
                  .callback_delay = std::chrono::milliseconds(command.callback_delay_ms),
                  .journal = command.journal,
                  .remember = true}) {}

  Result<void> open(const MockGatewayCommand& command) {
    std::vector<webhook::Secret> secrets;
    for (const std::string& text : command.secrets) {
      auto secret = webhook::Secret::parse(text);
      if (!secret) {
        return std::unexpected(secret.error());
      }
      secrets.push_back(std::move(*secret));
    }
    if (!command.callback_url.empty()) {
      auto caller = adapters::HttpClient::make({.url = command.callback_url,
                                                .connect_timeout = std::chrono::seconds(3),
                                                .timeout = std::chrono::seconds(15),
                                                .api_key = {},
                                                .ca_file = {}});
      if (!caller) {
        return std::unexpected(caller.error());
      }
      sender_ = std::make_unique<CallbackSender>(std::move(*caller), std::move(secrets));
      gateway_.set_callback([this](const core::RecordCallback& call) { sender_->send(call); });
    }
    add_routes();
    return gateway_.open();
  }

  [[nodiscard]] std::optional<int> bind(const config::Endpoint& at) {
    if (at.port != 0) {
      return server_.bind_to_port(at.host, at.port) ? std::optional<int>(at.port) : std::nullopt;
    }
    const int port = server_.bind_to_any_port(at.host);
    return port > 0 ? std::optional(port) : std::nullopt;
  }
  void serve() { server_.listen_after_bind(); }
  void stop() {
    server_.stop();
    gateway_.stop();
    if (sender_ != nullptr) {
      sender_->stop();
    }
  }

 private:
  using Request = httplib::Request;
  using Response = httplib::Response;

  void add_routes() {
    server_.new_task_queue = [] { return new httplib::ThreadPool(kThreads); };
    server_.set_payload_max_length(kBodyMax);
    server_.Post("/charges", [this](const Request& q, Response& r) { charge(q, r); });
    server_.Get("/charges/:key", [this](const Request& q, Response& r) { inquire(q, r); });
    server_.Post("/charges/:key/void", [this](const Request& q, Response& r) { undo(q, r); });
    server_.Post("/charges/:key/refund", [this](const Request& q, Response& r) { refund(q, r); });
  }

  // The charge of this key as it was first asked for, counting the call; nothing when it was asked
  // for with other content.
  std::optional<Charge> note(const std::string& key, const Charge& asked) {
    const std::lock_guard lock(mutex_);
    Charge& known = charges_.try_emplace(key, asked).first->second;
    if (!(known.amount == asked.amount) || known.payment_method != asked.payment_method) {
      return std::nullopt;
    }
    ++known.attempts;
    return known;
  }

  std::optional<Charge> find(const std::string& key) {
    const std::lock_guard lock(mutex_);
    const auto found = charges_.find(key);
    return found == charges_.end() ? std::nullopt : std::optional(found->second);
  }

  void charge(const Request& request, Response& response) {
    const std::string key = request.get_header_value("Idempotency-Key");
    const auto asked = read_body(request.body);
    if (!valid_id(key) || !asked) {
      answer(response, 400, {{"code", "invalid_request"}, {"reason", "malformed"}});
      return;
    }
    const auto noted = note(key, *asked);
    if (!noted) {
      answer(response, 422, {{"code", "invalid_request"}, {"reason", "key used otherwise"}});
      return;
    }
    const auto reply = gateway_.charge({.payment_id = key,
                                        .attempt = noted->attempts,
                                        .not_before = {},
                                        .amount = noted->amount,
                                        .payment_method = noted->payment_method});
    switch (reply.reply) {
      case core::GatewayReply::kConfirmed:
        answer(response, 200, {{"status", "confirmed"}, {"reference", reply.detail}});
        return;
      case core::GatewayReply::kAccepted:
        gateway_.expect_callback({.kind = core::StreamKind::kPayment,
                                  .id = key,
                                  .due = {},
                                  .payment_method = noted->payment_method});
        answer(response, 202, {{"status", "accepted"}, {"reference", reply.detail}});
        return;
      case core::GatewayReply::kDeclined:
        answer(response, 402, {{"status", "declined"}, {"reason", reply.detail}});
        return;
      case core::GatewayReply::kTemporaryFailure:
      case core::GatewayReply::kRefused:
        answer(response, 503, {{"reason", reply.detail}});
        return;
      case core::GatewayReply::kNoAnswer:
        say_nothing(response);
        return;
    }
  }

  void inquire(const Request& request, Response& response) {
    const std::string& key = request.path_params.at("key");
    const auto known = find(key);
    const auto reply = gateway_.inquire({.payment_id = key,
                                         .inquiry = 1,
                                         .not_before = {},
                                         .payment_method = known ? known->payment_method : ""});
    switch (reply.reply) {
      case core::InquiryReply::kConfirmed:
        answer(response, 200, {{"status", "confirmed"}, {"reference", reply.detail}});
        return;
      case core::InquiryReply::kAccepted:
        answer(response, 200, {{"status", "accepted"}, {"reference", reply.detail}});
        return;
      case core::InquiryReply::kDeclined:
        answer(response, 200, {{"status", "declined"}, {"reason", reply.detail}});
        return;
      case core::InquiryReply::kUnknownKey:
      case core::InquiryReply::kNoAnswer:
        answer(response, 404, {{"code", "unknown_key"}});
        return;
    }
  }

  void undo(const Request& request, Response& response) {
    const std::string& key = request.path_params.at("key");
    const auto known = find(key);
    const auto reply = gateway_.undo({.payment_id = key,
                                      .kind = core::CompensationKind::kVoidCharge,
                                      .call = 1,
                                      .not_before = {},
                                      .amount = known ? known->amount : Money{},
                                      .payment_method = known ? known->payment_method : ""});
    if (reply.reply == core::UndoReply::kFailed) {
      answer(response, 503, {{"reason", reply.detail}});
    } else if (!known) {
      answer(response, 404, {{"code", "unknown_key"}});  // and it stays untaken from now on
    } else {
      answer(response, 200, {{"status", "voided"}});
    }
  }

  void refund(const Request& request, Response& response) {
    const std::string& key = request.path_params.at("key");
    const std::string refund_key = request.get_header_value("Idempotency-Key");
    const auto known = find(key);
    const auto asked = read_body(request.body);
    if (!asked || refund_key.empty()) {
      answer(response, 400, {{"code", "invalid_request"}, {"reason", "malformed"}});
      return;
    }
    if (refund_key == key + "/undo") {
      refund_whole(key, known.value_or(*asked), response);
      return;
    }
    const auto reply = gateway_.refund({.refund_id = refund_key,
                                        .payment_id = key,
                                        .call = 1,
                                        .not_before = {},
                                        .amount = asked->amount,
                                        .payment_method = known ? known->payment_method : ""});
    if (reply.reply == core::RefundReply::kConfirmed) {
      answer(response, 200, {{"status", "refunded"}, {"reference", reply.detail}});
    } else {
      answer(response, 503, {{"reason", reply.detail}});
    }
  }

  void refund_whole(const std::string& key, const Charge& charge, Response& response) {
    const auto reply = gateway_.undo({.payment_id = key,
                                      .kind = core::CompensationKind::kRefundCharge,
                                      .call = 1,
                                      .not_before = {},
                                      .amount = charge.amount,
                                      .payment_method = charge.payment_method});
    if (reply.reply == core::UndoReply::kDone) {
      answer(response, 200, {{"status", "refunded"}});
    } else {
      answer(response, 503, {{"reason", reply.detail}});
    }
  }

  adapters::MockGateway gateway_;
  std::unique_ptr<CallbackSender> sender_;
  httplib::Server server_;
  std::mutex mutex_;
  std::unordered_map<std::string, Charge> charges_;  // guarded by mutex_
};

int refuse(const std::string& why) {
  std::fprintf(stderr, "payonce: %s\n", why.c_str());
  return kExitUsage;
}

}  // namespace

int mock_gateway(const MockGatewayCommand& command) {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  const auto at = config::parse_endpoint(command.listen);
  if (!at) {
    return refuse("--listen: " + command.listen + " is not HOST:PORT");
  }
  GatewayServer server(command);
  if (const auto opened = server.open(command); !opened) {
    return refuse(opened.error().message);
  }
  const auto port = server.bind(*at);
  if (!port) {
    return refuse("cannot listen on " + command.listen);
  }
  std::thread serving([&] { server.serve(); });
  std::printf("mock gateway listening on http://%s:%d\n", at->host.c_str(), *port);
  std::fflush(stdout);
  int signal = 0;
  sigwait(&signals, &signal);
  server.stop();
  serving.join();
  return kExitOk;
}

}  // namespace payonce::app
