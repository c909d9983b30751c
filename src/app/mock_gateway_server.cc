#include "app/mock_gateway_server.h"

#include <httplib.h>
#include <rapidjson/document.h>
#include <sys/socket.h>

#include <chrono>
#include <condition_variable>
#include <initializer_list>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "adapters/answer_json.h"
#include "adapters/mock_gateway.h"
#include "app/callback_sender.h"
#include "base/ids.h"
#include "config/endpoint.h"

namespace payonce::app {
namespace {

using httplib::Request;
using httplib::Response;
using std::chrono::milliseconds;

constexpr const char* kJson = "application/json";
constexpr std::size_t kThreads = 64;
constexpr std::size_t kThreadsMax = 2'048;  // each open connection holds one
constexpr std::size_t kConnectionsQueuedMax = 1024;
constexpr std::size_t kBodyMax = 65'536;
constexpr std::size_t kKeyMax = 256;
constexpr time_t kKeepAliveS = 60;
constexpr std::size_t kKeepAliveMax = 1'000'000;
constexpr milliseconds kHangTime{60'000};
constexpr std::uint64_t kMillisMax = 3'600'000;

// The socket of the connection that this thread serves.
thread_local socket_t t_socket = INVALID_SOCKET;

// The library's server, which can also end a connection without an answer.
class AbruptServer final : public httplib::Server {
 public:
  static void hang_up() { ::shutdown(t_socket, SHUT_RDWR); }

 private:
  bool process_and_close_socket(socket_t socket) override {
    namespace detail = httplib::detail;
    std::string remote;
    int remote_port = 0;
    detail::get_remote_ip_and_port(socket, remote, remote_port);
    t_socket = socket;
    const bool good = detail::process_server_socket(
        svr_sock_, socket, keep_alive_max_count_, keep_alive_timeout_sec_, read_timeout_sec_,
        read_timeout_usec_, write_timeout_sec_, write_timeout_usec_,
        [&](httplib::Stream& stream, bool last, bool& closed) {
          return process_request(stream, remote, remote_port, "", 0, last, closed, nullptr);
        });
    t_socket = INVALID_SOCKET;
    detail::shutdown_socket(socket);
    detail::close_socket(socket);
    return good;
  }
};

void answer(Response& response, int status,
            std::initializer_list<std::pair<std::string_view, std::string_view>> members) {
  response.status = status;
  response.set_content(adapters::json_object(members), kJson);
}

void refuse(Response& response, int status, std::string_view code, std::string_view reason) {
  answer(response, status, {{"code", code}, {"reason", reason}});
}

struct Body {
  Money amount;
  std::string payment_method;
};

// Nothing when it is no object with an amount of a currency.
std::optional<Body> read_body(const std::string& text) {
  rapidjson::Document body;
  body.Parse<rapidjson::kParseIterativeFlag | rapidjson::kParseValidateEncodingFlag>(text.data(),
                                                                                     text.size());
  if (body.HasParseError() || !body.IsObject()) {
    return std::nullopt;
  }
  const auto member = [&](const char* name) {
    const auto found = body.FindMember(name);
    return found != body.MemberEnd() && found->value.IsString()
               ? std::string_view(found->value.GetString(), found->value.GetStringLength())
               : std::string_view();
  };
  const auto currency = Currency::find(member("currency"));
  if (!currency) {
    return std::nullopt;
  }
  const ParsedAmount amount = parse_amount(member("amount"), *currency);
  if (amount.error) {
    return std::nullopt;
  }
  return Body{.amount = {amount.minor, *currency},
              .payment_method = std::string(member("payment_method"))};
}

milliseconds to_millis(std::int64_t value) {
  return milliseconds(
      std::min(static_cast<std::uint64_t>(std::max<std::int64_t>(value, 0)), kMillisMax));
}

Result<std::vector<webhook::Secret>> read_secrets(const std::vector<std::string>& texts) {
  std::vector<webhook::Secret> secrets;
  for (const std::string& text : texts) {
    auto secret = webhook::Secret::parse(text);
    if (!secret) {
      return std::unexpected(secret.error());
    }
    secrets.push_back(std::move(*secret));
  }
  return secrets;
}

}  // namespace

class MockGatewayServer::Library {
 public:
  Library(const MockGatewayCommand& command, config::Endpoint endpoint)
      : at(std::move(endpoint)),
        hang_(command.hang),
        gateway_({.latency = to_millis(command.latency_ms),
                  .failure_rate = command.failure_rate,
                  .callback_delay = to_millis(command.callback_delay_ms),
                  .journal = command.journal,
                  .remember = true}) {}

  ~Library() { stop_outside(); }
  Library(const Library&) = delete;
  Library& operator=(const Library&) = delete;

  Result<void> open(const MockGatewayCommand& command) {
    auto secrets = read_secrets(command.secrets);
    if (!secrets) {
      return std::unexpected(secrets.error());
    }
    if (auto opened = gateway_.open(); !opened) {
      return opened;
    }
    set_up_server();
    if (command.callback_url.empty()) {
      return {};
    }
    auto client = adapters::HttpClient::make({.url = command.callback_url,
                                              .connect_timeout = milliseconds(3'000),
                                              .timeout = milliseconds(15'000),
                                              .api_key = {},
                                              .ca_file = {}});
    if (!client) {
      return fail(Errc::kInvalid, "--callback-url: " + client.error().message);
    }
    sender_ = std::make_unique<CallbackSender>(
        std::move(*client), std::move(*secrets),
        [this](const std::string& key) { gateway_.charges().mark_told(key); });
    gateway_.set_callback([this](const core::RecordCallback& call) { sender_->send(call); });
    for (const std::string& key : gateway_.charges().untold()) {
      expect_callback(key);
    }
    return {};
  }

  void stop() {
    server.wait_until_ready();  // the library forgets a stop that comes before it listens
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    stopped_.notify_all();
    server.stop();
    stop_outside();
  }

  config::Endpoint at;
  AbruptServer server;

 private:
  void set_up_server() {
    server.new_task_queue = [] {
      return new httplib::ThreadPool(kThreads, kThreadsMax, kConnectionsQueuedMax);
    };
    server.set_payload_max_length(kBodyMax);
    server.set_keep_alive_timeout(kKeepAliveS);
    server.set_keep_alive_max_count(kKeepAliveMax);
    server.set_tcp_nodelay(true);
    server.set_socket_options([](socket_t socket) {
      int yes = 1;
      ::setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    });
    server.Post("/charges", [this](const Request& q, Response& r) { charge(q, r); });
    server.Get("/charges/:key", [this](const Request& q, Response& r) { inquire(q, r); });
    server.Post("/charges/:key/void", [this](const Request& q, Response& r) { undo(q, r); });
    server.Post("/charges/:key/refund", [this](const Request& q, Response& r) { refund(q, r); });
    // The library announces the end of the connection with every 4xx; ours have been read whole.
    server.set_post_routing_handler([](const Request& request, Response& response) {
      if (response.status < 500 && response.status != 413 &&
          request.get_header_value("Connection") != "close") {
        response.headers.erase("Connection");
      }
    });
  }

  // The threads of the two call each other, so both end before either goes.
  void stop_outside() {
    gateway_.stop();
    if (sender_ != nullptr) {
      sender_->stop();
    }
  }

  void expect_callback(const std::string& key) {
    const auto known = gateway_.charges().find(key);
    gateway_.expect_callback({.kind = core::StreamKind::kPayment,
                              .id = key,
                              .due = {},
                              .payment_method = known ? known->method : ""});
  }

  void say_nothing() {
    if (hang_) {
      std::unique_lock lock(mutex_);
      stopped_.wait_for(lock, kHangTime, [&] { return stopping_; });
    }
    AbruptServer::hang_up();
  }

  void charge(const Request& request, Response& response) {
    const std::string key = request.get_header_value("Idempotency-Key");
    const auto asked = read_body(request.body);
    if (!valid_id(key) || !asked || asked->payment_method.empty()) {
      refuse(response, 400, "invalid_request", "the key or the body is malformed");
      return;
    }
    // Attempt 0: the book counts the calls.
    const auto result = gateway_.waited().charge({.payment_id = key,
                                                  .attempt = 0,
                                                  .not_before = {},
                                                  .amount = asked->amount,
                                                  .payment_method = asked->payment_method});
    switch (result.reply) {
      case core::GatewayReply::kConfirmed:
        answer(response, 200, {{"status", "confirmed"}, {"reference", result.detail}});
        return;
      case core::GatewayReply::kAccepted:
        expect_callback(key);
        answer(response, 202, {{"status", "accepted"}, {"reference", result.detail}});
        return;
      case core::GatewayReply::kDeclined:
        answer(response, 402, {{"status", "declined"}, {"reason", result.detail}});
        return;
      case core::GatewayReply::kTemporaryFailure:
        refuse(response, 503, "unavailable", result.detail);
        return;
      case core::GatewayReply::kRefused:
        refuse(response, 422, result.detail, "the key was used for another charge");
        return;
      case core::GatewayReply::kNoAnswer:
        say_nothing();
        return;
    }
  }

  void inquire(const Request& request, Response& response) {
    const std::string& key = request.path_params.at("key");
    const auto known = gateway_.charges().find(key);
    const auto result = gateway_.waited().inquire({.payment_id = key,
                                                   .inquiry = 1,
                                                   .not_before = {},
                                                   .payment_method = known ? known->method : ""});
    switch (result.reply) {
      case core::InquiryReply::kConfirmed:
        answer(response, 200, {{"status", "confirmed"}, {"reference", result.detail}});
        return;
      case core::InquiryReply::kAccepted:
        answer(response, 200, {{"status", "accepted"}, {"reference", result.detail}});
        return;
      case core::InquiryReply::kDeclined: {
        const bool undone = known && known->undone;
        answer(response, 200,
               {{"status", undone ? result.detail : "declined"}, {"reason", result.detail}});
        return;
      }
      case core::InquiryReply::kUnknownKey:
      case core::InquiryReply::kNoAnswer:
        refuse(response, 404, adapters::kMockUnknownKey, "there is no charge under this key");
        return;
    }
  }

  void undo(const Request& request, Response& response) {
    const std::string& key = request.path_params.at("key");
    if (!valid_id(key)) {
      refuse(response, 400, "invalid_request", "the key is malformed");
      return;
    }
    const auto known = gateway_.charges().find(key);
    const auto result = gateway_.waited().undo({.payment_id = key,
                                                .kind = core::CompensationKind::kVoidCharge,
                                                .call = 1,
                                                .not_before = {},
                                                .amount = known ? known->amount : Money{},
                                                .payment_method = known ? known->method : ""});
    if (result.reply == core::UndoReply::kFailed) {
      refuse(response, 503, "unavailable", result.detail);
    } else if (result.detail == adapters::kMockUnknownKey) {
      // From now on it cannot be charged any more.
      refuse(response, 404, adapters::kMockUnknownKey, "there is no charge under this key");
    } else {
      answer(response, 200, {{"status", "voided"}});
    }
  }

  void refund(const Request& request, Response& response) {
    const std::string& key = request.path_params.at("key");
    const std::string refund_key = request.get_header_value("Idempotency-Key");
    const auto known = gateway_.charges().find(key);
    const auto asked = read_body(request.body);
    if (!asked || refund_key.empty() || refund_key.size() > kKeyMax) {
      refuse(response, 400, "invalid_request", "the key or the body is malformed");
      return;
    }
    if (known && known->calls > 0 && known->amount.currency != asked->amount.currency) {
      refuse(response, 422, "invalid_request", "the charge has another currency");
      return;
    }
    const auto result = gateway_.waited().refund({.refund_id = refund_key,
                                                  .payment_id = key,
                                                  .call = 1,
                                                  .not_before = {},
                                                  .amount = asked->amount,
                                                  .payment_method = known ? known->method : ""});
    switch (result.reply) {
      case core::RefundReply::kConfirmed:
        answer(response, 200, {{"status", "refunded"}, {"reference", result.detail}});
        return;
      case core::RefundReply::kDeclined:
        refuse(response, result.detail == adapters::kMockUnknownKey ? 404 : 409, result.detail,
               "there is not that much to give back");
        return;
      case core::RefundReply::kFailed:
        refuse(response, 503, "unavailable", result.detail);
        return;
    }
  }

  bool hang_;
  adapters::MockGateway gateway_;
  std::unique_ptr<CallbackSender> sender_;
  std::mutex mutex_;
  std::condition_variable stopped_;
  bool stopping_ = false;  // guarded by mutex_
};

MockGatewayServer::MockGatewayServer(std::unique_ptr<Library> library)
    : library_(std::move(library)) {}

MockGatewayServer::~MockGatewayServer() = default;

Result<std::unique_ptr<MockGatewayServer>> MockGatewayServer::open(
    const MockGatewayCommand& command) {
  auto at = config::parse_endpoint(command.listen);
  if (!at) {
    return fail(Errc::kInvalid, "--listen: " + at.error());
  }
  auto library = std::make_unique<Library>(command, std::move(*at));
  if (auto opened = library->open(command); !opened) {
    return std::unexpected(opened.error());
  }
  return std::unique_ptr<MockGatewayServer>(new MockGatewayServer(std::move(library)));
}

Result<std::string> MockGatewayServer::bind() {
  config::Endpoint& at = library_->at;
  const int port = at.port == 0 ? library_->server.bind_to_any_port(at.host)
                   : library_->server.bind_to_port(at.host, at.port) ? at.port
                                                                     : -1;
  if (port <= 0) {
    return fail(Errc::kInUse, "cannot listen on " + config::to_string(at));
  }
  at.port = static_cast<std::uint16_t>(port);
  return config::to_string(at);
}

void MockGatewayServer::serve() { library_->server.listen_after_bind(); }

void MockGatewayServer::stop() { library_->stop(); }

}  // namespace payonce::app
