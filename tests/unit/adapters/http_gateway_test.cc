#include "adapters/http_gateway.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <httplib.h>
#include <netinet/in.h>
#include <rapidjson/document.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "support/blocking.h"
#include "support/helper_process.h"
#include "support/money.h"
#include "support/temp_dir.h"

namespace payonce::adapters {
namespace {

using core::GatewayReply;
using core::InquiryReply;
using core::RefundReply;
using core::UndoReply;
using std::chrono::milliseconds;
using testing_support::BlockingGateway;
using testing_support::usd;

core::CallGateway charge_of(std::string id = "pay-1") {
  return {.payment_id = std::move(id),
          .attempt = 7,
          .not_before = {},
          .amount = usd(1000),
          .payment_method = "pm_\"card\""};
}
core::InquireGateway inquiry_of(std::string id = "pay-1") {
  return {.payment_id = std::move(id), .inquiry = 3, .not_before = {}, .payment_method = "pm_card"};
}
core::UndoAtGateway undo_of(core::CompensationKind kind = core::CompensationKind::kVoidCharge) {
  return {.payment_id = "pay-1",
          .kind = kind,
          .call = 2,
          .not_before = {},
          .amount = usd(1000),
          .payment_method = "pm_card"};
}
core::RefundAtGateway refund_of() {
  return {.refund_id = "ref_1",
          .payment_id = "pay-1",
          .call = 4,
          .not_before = {},
          .amount = usd(250),
          .payment_method = "pm_card"};
}

// A gateway on 127.0.0.1 that answers as it is told, and remembers what it was asked.
class FakeGateway {
 public:
  struct Asked {
    std::string method;
    std::string target;
    std::string key;
    std::string authorization;
    std::string content_type;
    std::string body;
    int port;  // of the client: one for each connection
  };
  using Answer = std::function<void(const httplib::Request&, httplib::Response&)>;

  explicit FakeGateway(int status, std::string body = {})
      : FakeGateway([status, body = std::move(body)](const auto& /*request*/, auto& response) {
          response.status = status;
          response.set_content(body, "application/json");
        }) {}
  explicit FakeGateway(Answer answer) {
    const auto handle = [this, answer = std::move(answer)](const httplib::Request& request,
                                                           httplib::Response& response) {
      {
        const std::lock_guard lock(mutex_);
        asked_.push_back(
            {request.method, request.target, request.get_header_value("Idempotency-Key"),
             request.get_header_value("Authorization"), request.get_header_value("Content-Type"),
             request.body, request.remote_port});
      }
      answer(request, response);
      response.headers.erase("Connection");
    };
    server_.Post(".*", handle);
    server_.Get(".*", handle);
    server_.set_keep_alive_max_count(1'000);
    port_ = server_.bind_to_any_port("127.0.0.1");
    thread_ = std::thread([this] { server_.listen_after_bind(); });
    server_.wait_until_ready();
  }
  ~FakeGateway() {
    server_.stop();
    thread_.join();
  }
  FakeGateway(const FakeGateway&) = delete;
  FakeGateway& operator=(const FakeGateway&) = delete;

  [[nodiscard]] std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }
  [[nodiscard]] std::vector<Asked> asked() {
    const std::lock_guard lock(mutex_);
    return asked_;
  }

 private:
  httplib::Server server_;
  int port_ = 0;
  std::thread thread_;
  std::mutex mutex_;
  std::vector<Asked> asked_;
};

HttpGateway::Options options_of(std::string url) {
  return {.url = std::move(url),
          .connect_timeout = milliseconds(20'000),
          .timeout = milliseconds(20'000),
          .api_key = "secret-key",
          .ca_file = {},
          .refused_errors = {"invalid_request", "authentication_failed"}};
}

std::unique_ptr<BlockingGateway> gateway_of(HttpGateway::Options options) {
  return std::make_unique<BlockingGateway>(HttpGateway::make(std::move(options)).value());
}

std::unique_ptr<BlockingGateway> gateway_at(std::string url) {
  return gateway_of(options_of(std::move(url)));
}

core::RecordGatewayReply charge_with(int status, const std::string& body) {
  FakeGateway fake(status, body);
  return gateway_at(fake.url())->charge(charge_of());
}
core::RecordInquiryReply inquire_with(int status, const std::string& body) {
  FakeGateway fake(status, body);
  return gateway_at(fake.url())->inquire(inquiry_of());
}
core::RecordUndoReply undo_with(int status, const std::string& body) {
  FakeGateway fake(status, body);
  return gateway_at(fake.url())->undo(undo_of());
}
core::RecordUndoReply refund_whole_with(int status, const std::string& body) {
  FakeGateway fake(status, body);
  return gateway_at(fake.url())->undo(undo_of(core::CompensationKind::kRefundCharge));
}
core::RecordRefundReply refund_with(int status, const std::string& body) {
  FakeGateway fake(status, body);
  return gateway_at(fake.url())->refund(refund_of());
}

constexpr const char* kHtml = "<html><body>Bad Gateway</body></html>";

// A socket that listens and hands each connection to `serve` as it is. One after the other.
class RawServer {
 public:
  using Serve = std::function<void(int connection)>;

  explicit RawServer(Serve serve) : serve_(std::move(serve)) {
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ::bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address);
    ::listen(listener_, 16);
    socklen_t size = sizeof address;
    ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { run(); });
  }
  ~RawServer() {
    ::shutdown(listener_, SHUT_RDWR);
    thread_.join();
    ::close(listener_);
  }
  RawServer(const RawServer&) = delete;
  RawServer& operator=(const RawServer&) = delete;

  [[nodiscard]] std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }

  // Until the end of the headers and of a body of the length that they give.
  static std::string read_request(int connection) {
    std::string text;
    char buffer[4096];
    while (true) {
      const std::size_t end = text.find("\r\n\r\n");
      if (end != std::string::npos) {
        const std::size_t at = text.find("Content-Length: ");
        const std::size_t length = at == std::string::npos ? 0 : std::stoul(text.substr(at + 16));
        if (text.size() >= end + 4 + length) {
          return text;
        }
      }
      const ssize_t size = ::recv(connection, buffer, sizeof buffer, 0);
      if (size <= 0) {
        return text;
      }
      text.append(buffer, static_cast<std::size_t>(size));
    }
  }
  static void write(int connection, const std::string& text) {
    EXPECT_EQ(::send(connection, text.data(), text.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(text.size()));
  }

 private:
  void run() {
    while (true) {
      const int connection = ::accept(listener_, nullptr, nullptr);
      if (connection < 0) {
        return;
      }
      serve_(connection);
      ::close(connection);
    }
  }

  Serve serve_;
  int listener_ = -1;
  int port_ = 0;
  std::thread thread_;
};

// A port of this machine where nobody listens: its owner keeps it, and accepts nothing.
class DeafPort {
 public:
  DeafPort() : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ::bind(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address);
    socklen_t size = sizeof address;
    ::getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
  }
  ~DeafPort() { ::close(socket_); }
  DeafPort(const DeafPort&) = delete;
  DeafPort& operator=(const DeafPort&) = delete;
  [[nodiscard]] std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }

 private:
  int socket_;
  int port_ = 0;
};

TEST(HttpGateway, Charge_SaysWhatTheContractSays) {
  FakeGateway fake(200, R"({"status":"confirmed","reference":"ch_1"})");
  const auto gateway = gateway_at(fake.url() + "/base/");
  const auto reply = gateway->charge(charge_of("a:b"));
  EXPECT_EQ(reply.reply, GatewayReply::kConfirmed);
  EXPECT_EQ(reply.detail, "ch_1");
  EXPECT_EQ(reply.payment_id, "a:b");
  EXPECT_EQ(reply.attempt, 7U);
  const auto asked = fake.asked().at(0);
  EXPECT_EQ(asked.method, "POST");
  EXPECT_EQ(asked.target, "/base/charges");
  EXPECT_EQ(asked.key, "a:b");
  EXPECT_EQ(asked.authorization, "Bearer secret-key");
  EXPECT_EQ(asked.content_type, "application/json");
  rapidjson::Document body;
  body.Parse(asked.body.c_str());
  ASSERT_TRUE(body.IsObject());
  EXPECT_EQ(body.MemberCount(), 4U);
  EXPECT_STREQ(body["id"].GetString(), "a:b");
  EXPECT_STREQ(body["amount"].GetString(), "10.00");
  EXPECT_STREQ(body["currency"].GetString(), "USD");
  EXPECT_STREQ(body["payment_method"].GetString(), "pm_\"card\"");
}

TEST(HttpGateway, OtherCalls_SayWhatTheContractSays) {
  FakeGateway fake(200, R"({"status":"refunded"})");
  const auto gateway = gateway_at(fake.url());
  (void)gateway->inquire(inquiry_of("a:b/c"));
  (void)gateway->inquire(inquiry_of(".."));
  (void)gateway->undo(undo_of());
  (void)gateway->undo(undo_of(core::CompensationKind::kRefundCharge));
  (void)gateway->refund(refund_of());
  const auto asked = fake.asked();
  ASSERT_EQ(asked.size(), 5U);
  EXPECT_EQ(asked[0].method, "GET");
  EXPECT_EQ(asked[0].target, "/charges/a%3Ab%2Fc");
  EXPECT_EQ(asked[0].authorization, "Bearer secret-key");
  EXPECT_EQ(asked[1].target, "/charges/%2E%2E");
  EXPECT_EQ(asked[2].target, "/charges/pay-1/void");
  EXPECT_EQ(asked[2].key, "pay-1/void");
  EXPECT_EQ(asked[3].target, "/charges/pay-1/refund");
  EXPECT_EQ(asked[3].key, "pay-1/undo");
  EXPECT_EQ(asked[3].body, R"({"amount":"10.00","currency":"USD"})");
  EXPECT_EQ(asked[4].target, "/charges/pay-1/refund");
  EXPECT_EQ(asked[4].key, "ref_1");
  EXPECT_EQ(asked[4].body, R"({"amount":"2.50","currency":"USD"})");
}

TEST(HttpGateway, Charge_ByStatus) {
  const struct {
    int status;
    const char* body;
    GatewayReply reply;
    const char* detail;  // null: any
  } rows[] = {
      {200, R"({"status":"confirmed","reference":"r"})", GatewayReply::kConfirmed, "r"},
      {201, R"({"status":"confirmed"})", GatewayReply::kConfirmed, ""},
      {200, R"({"status":"accepted","reference":"r"})", GatewayReply::kAccepted, "r"},
      {202, R"({"status":"accepted","reference":"r"})", GatewayReply::kAccepted, "r"},
      {202, "", GatewayReply::kAccepted, ""},
      {200, R"({"status":"declined","reason":"stolen"})", GatewayReply::kDeclined, "stolen"},
      {200, R"({"status":"voided"})", GatewayReply::kDeclined, "voided"},
      {200, R"({"status":"refunded"})", GatewayReply::kDeclined, "refunded"},
      {402, R"({"status":"declined","reason":"stolen"})", GatewayReply::kDeclined, "stolen"},
      {402, R"({"code":"limit"})", GatewayReply::kDeclined, "limit"},
      {402, "", GatewayReply::kDeclined, "declined"},
      {400, R"({"reason":"why"})", GatewayReply::kRefused, "status 400: why"},
      {401, kHtml, GatewayReply::kRefused, "status 401 without a readable body"},
      {403, "", GatewayReply::kRefused, nullptr},
      {404, "", GatewayReply::kRefused, nullptr},
      {422, "", GatewayReply::kRefused, nullptr},
      {409, "", GatewayReply::kTemporaryFailure, nullptr},
      {425, "", GatewayReply::kTemporaryFailure, nullptr},
      {429, kHtml, GatewayReply::kTemporaryFailure, nullptr},
      {503, kHtml, GatewayReply::kTemporaryFailure, nullptr},
      {503, R"({"code":"maintenance"})", GatewayReply::kTemporaryFailure,
       "status 503: maintenance"},
      {503, R"({"code":"invalid_request"})", GatewayReply::kRefused, nullptr},
      {500, R"({"code":"authentication_failed"})", GatewayReply::kRefused, nullptr},
      {500, R"({"status":"confirmed"})", GatewayReply::kNoAnswer, nullptr},
      {502, kHtml, GatewayReply::kNoAnswer, nullptr},
      {504, "", GatewayReply::kNoAnswer, nullptr},
      {408, "", GatewayReply::kNoAnswer, nullptr},
      {410, "", GatewayReply::kNoAnswer, nullptr},
      {204, "", GatewayReply::kNoAnswer, nullptr},
      {301, "", GatewayReply::kNoAnswer, nullptr},
      {200, "", GatewayReply::kNoAnswer, nullptr},
      {200, kHtml, GatewayReply::kNoAnswer, "status 200 without a readable body"},
      {200, R"({"status":"confirmed")", GatewayReply::kNoAnswer, nullptr},
      {200, R"({"status":"maybe"})", GatewayReply::kNoAnswer, nullptr},
      {200, R"({"status":true})", GatewayReply::kNoAnswer, nullptr},
      {200, R"(["confirmed"])", GatewayReply::kNoAnswer, nullptr},
      {200, "{\"status\":\"confirmed\",\"reference\":\"\xff\"}", GatewayReply::kNoAnswer, nullptr},
      {200, R"({"code":"invalid_request"})", GatewayReply::kNoAnswer, nullptr},
  };
  for (const auto& row : rows) {
    const auto reply = charge_with(row.status, row.body);
    EXPECT_EQ(reply.reply, row.reply) << row.status << " " << row.body;
    if (row.detail != nullptr) {
      EXPECT_EQ(reply.detail, row.detail) << row.status << " " << row.body;
    }
  }
}

TEST(HttpGateway, Inquiry_ByStatus) {
  const struct {
    int status;
    const char* body;
    InquiryReply reply;
  } rows[] = {
      {200, R"({"status":"confirmed","reference":"r"})", InquiryReply::kConfirmed},
      {200, R"({"status":"accepted"})", InquiryReply::kAccepted},
      {200, R"({"status":"declined"})", InquiryReply::kDeclined},
      {200, R"({"status":"voided"})", InquiryReply::kDeclined},
      {200, R"({"status":"refunded"})", InquiryReply::kDeclined},
      {200, R"({"status":"?"})", InquiryReply::kNoAnswer},
      {200, kHtml, InquiryReply::kNoAnswer},
      {404, R"({"code":"unknown_key"})", InquiryReply::kUnknownKey},
      {404, kHtml, InquiryReply::kNoAnswer},
      {404, "", InquiryReply::kNoAnswer},
      {401, "", InquiryReply::kNoAnswer},
      {500, R"({"status":"confirmed"})", InquiryReply::kNoAnswer},
      {503, "", InquiryReply::kNoAnswer},
  };
  for (const auto& row : rows) {
    EXPECT_EQ(inquire_with(row.status, row.body).reply, row.reply) << row.status << row.body;
  }
  EXPECT_EQ(inquire_with(200, R"({"status":"confirmed","reference":"r"})").detail, "r");
  EXPECT_EQ(inquire_with(200, R"({"status":"voided"})").detail, "voided");
  EXPECT_EQ(inquire_with(200, R"({"status":"confirmed"})").inquiry, 3U);
}

TEST(HttpGateway, Void_ByStatus) {
  const struct {
    int status;
    const char* body;
    UndoReply reply;
  } rows[] = {
      {200, R"({"status":"voided"})", UndoReply::kDone},
      {201, R"({"status":"voided"})", UndoReply::kDone},
      {200, R"({"status":"refunded"})", UndoReply::kDone},
      {200, R"({"status":"declined"})", UndoReply::kDone},
      {200, R"({"status":"confirmed"})", UndoReply::kFailed},
      {200, R"({"status":"accepted"})", UndoReply::kFailed},
      {202, R"({"status":"voided"})", UndoReply::kFailed},
      {200, kHtml, UndoReply::kFailed},
      {404, R"({"code":"unknown_key"})", UndoReply::kDone},
      {404, kHtml, UndoReply::kFailed},
      {409, R"({"code":"voided"})", UndoReply::kDone},
      {409, R"({"code":"already_refunded"})", UndoReply::kDone},
      {400, R"({"code":"invalid_request"})", UndoReply::kFailed},
      {503, "", UndoReply::kFailed},
  };
  for (const auto& row : rows) {
    EXPECT_EQ(undo_with(row.status, row.body).reply, row.reply) << row.status << row.body;
  }
  EXPECT_EQ(undo_with(404, R"({"code":"unknown_key"})").detail, "unknown key");
  EXPECT_EQ(undo_with(200, R"({"status":"voided"})").call, 2U);
}

TEST(HttpGateway, Void_OfWhatHasBeenSettledIsARefund) {
  for (const bool works : {true, false}) {
    FakeGateway fake([works](const httplib::Request& request, httplib::Response& response) {
      const bool voids = request.path.ends_with("/void");
      response.status = voids ? 409 : (works ? 200 : 503);
      response.set_content(voids ? R"({"code":"settled"})" : R"({"status":"refunded"})", "x/y");
    });
    const auto reply = gateway_at(fake.url())->undo(undo_of());
    EXPECT_EQ(reply.reply, works ? UndoReply::kDone : UndoReply::kFailed);
    const auto asked = fake.asked();
    ASSERT_EQ(asked.size(), 2U);
    EXPECT_EQ(asked[1].target, "/charges/pay-1/refund");
    EXPECT_EQ(asked[1].key, "pay-1/undo");
    EXPECT_EQ(asked[1].body, R"({"amount":"10.00","currency":"USD"})");
  }
}

TEST(HttpGateway, RefundOfTheWhole_ByStatus) {
  const struct {
    int status;
    const char* body;
    UndoReply reply;
  } rows[] = {
      {200, R"({"status":"refunded"})", UndoReply::kDone},
      {200, R"({"status":"voided"})", UndoReply::kDone},
      {200, R"({"status":"accepted"})", UndoReply::kFailed},
      {200, R"({"status":"confirmed"})", UndoReply::kDone},
      {200, R"({"status":"declined"})", UndoReply::kFailed},   // the refund, not the charge
      {404, R"({"code":"unknown_key"})", UndoReply::kFailed},  // but it is known to be there
      {404, kHtml, UndoReply::kFailed},
      {409, R"({"code":"already_refunded"})", UndoReply::kDone},
      {409, R"({"code":"nothing_to_refund"})", UndoReply::kDone},
      {409, R"({"code":"voided"})", UndoReply::kDone},
      {409, R"({"code":"busy"})", UndoReply::kFailed},
      {422, R"({"code":"invalid_request"})", UndoReply::kFailed},
      {500, "", UndoReply::kFailed},
  };
  for (const auto& row : rows) {
    EXPECT_EQ(refund_whole_with(row.status, row.body).reply, row.reply) << row.status << row.body;
  }
}

TEST(HttpGateway, Refund_ByStatus) {
  const struct {
    int status;
    const char* body;
    RefundReply reply;
  } rows[] = {
      {200, R"({"status":"refunded","reference":"r"})", RefundReply::kConfirmed},
      {201, R"({"status":"confirmed"})", RefundReply::kConfirmed},
      {200, R"({"status":"declined"})", RefundReply::kDeclined},
      {200, R"({"status":"accepted"})", RefundReply::kFailed},
      {200, kHtml, RefundReply::kFailed},
      {402, "", RefundReply::kDeclined},
      {409, R"({"code":"already_refunded"})", RefundReply::kDeclined},
      {422, R"({"code":"refund_too_large"})", RefundReply::kDeclined},
      {404, R"({"code":"unknown_key"})", RefundReply::kFailed},
      {429, "", RefundReply::kFailed},
      {503, "", RefundReply::kFailed},
  };
  for (const auto& row : rows) {
    EXPECT_EQ(refund_with(row.status, row.body).reply, row.reply) << row.status << row.body;
  }
  const auto confirmed = refund_with(200, R"({"status":"refunded","reference":"r"})");
  EXPECT_EQ(confirmed.detail, "r");
  EXPECT_EQ(confirmed.refund_id, "ref_1");
  EXPECT_EQ(confirmed.call, 4U);
  EXPECT_EQ(refund_with(422, R"({"code":"refund_too_large"})").detail, "refund_too_large");
}

TEST(HttpGateway, NoConnection_HasCertainlyTakenNothing) {
  const DeafPort deaf;
  const auto gateway = gateway_at(deaf.url());
  const auto reply = gateway->charge(charge_of());
  EXPECT_EQ(reply.reply, GatewayReply::kTemporaryFailure);
  EXPECT_FALSE(reply.detail.empty());
  EXPECT_EQ(gateway->inquire(inquiry_of()).reply, InquiryReply::kNoAnswer);
  EXPECT_EQ(gateway->undo(undo_of()).reply, UndoReply::kFailed);
  EXPECT_EQ(gateway->refund(refund_of()).reply, RefundReply::kFailed);
}

TEST(HttpGateway, NoSuchHost_HasCertainlyTakenNothing) {
  // Reserved by RFC 6761 section 6.4: never resolves.
  const auto gateway = gateway_at("http://gateway.invalid:1");
  EXPECT_EQ(gateway->charge(charge_of()).reply, GatewayReply::kTemporaryFailure);
}

TEST(HttpGateway, TlsWithoutATlsServer_HasCertainlyTakenNothing) {
  RawServer plain([](int connection) {
    RawServer::write(connection, "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
  });
  const auto gateway = gateway_at("https" + plain.url().substr(4));
  EXPECT_EQ(gateway->charge(charge_of()).reply, GatewayReply::kTemporaryFailure);
}

TEST(HttpGateway, Https_OnlyWithACertificateThatIsVouchedFor) {
  const testing_support::TempDir folder;
  testing_support::HelperProcess server({"https_server.py", folder.path()});
  const auto started = server.next();
  ASSERT_TRUE(started.IsObject())
      << "openssl and Debian's python3 are needed: scripts/deps.sh test";
  const std::string port = std::to_string(started["port"].GetInt());
  HttpGateway::Options options = options_of("https://localhost:" + port);
  const auto unknown = gateway_of(options)->charge(charge_of("unknown"));
  EXPECT_EQ(unknown.reply, GatewayReply::kTemporaryFailure);
  EXPECT_TRUE(unknown.detail.contains("certificate")) << unknown.detail;
  options.ca_file = started["certificate"].GetString();
  // The server answers 204, which says nothing; that it was reached is what counts here.
  EXPECT_EQ(gateway_of(options)->charge(charge_of("known")).reply, GatewayReply::kNoAnswer);
  const auto body = server.next();
  ASSERT_TRUE(body.IsObject());
  EXPECT_TRUE(std::string(body["body"].GetString()).contains(R"("id":"known")"));
}

TEST(HttpGateway, AConnectionThatEndsAfterTheRequest_LeavesItOpen) {
  for (const std::string& said :
       {std::string(), std::string("HTTP/1.1 200 OK\r\nConte"),
        std::string("HTTP/1.1 200 OK\r\nContent-Length: 40\r\n\r\n{\"status\":\"confirmed\"}"),
        std::string("not HTTP at all\r\n\r\n")}) {
    std::atomic<int> requests{0};
    RawServer server([&](int connection) {
      requests += RawServer::read_request(connection).empty() ? 0 : 1;
      if (!said.empty()) {
        RawServer::write(connection, said);
      }
    });
    const auto gateway = gateway_at(server.url());
    EXPECT_EQ(gateway->charge(charge_of()).reply, GatewayReply::kNoAnswer) << said;
    EXPECT_EQ(requests.load(), 1) << said;
    EXPECT_EQ(gateway->inquire(inquiry_of()).reply, InquiryReply::kNoAnswer) << said;
  }
}

TEST(HttpGateway, NoAnswerInTime_LeavesItOpen) {
  std::promise<void> over;
  RawServer server([&, ended = over.get_future().share()](int connection) {
    (void)RawServer::read_request(connection);
    ended.wait();
  });
  HttpGateway::Options options = options_of(server.url());
  options.timeout = milliseconds(50);
  const auto gateway = gateway_of(options);
  EXPECT_EQ(gateway->charge(charge_of()).reply, GatewayReply::kNoAnswer);
  over.set_value();
}

TEST(HttpGateway, ATooLongAnswer_LeavesItOpen) {
  const std::string start = R"({"status":"confirmed","reference":")";
  EXPECT_EQ(charge_with(200, start + std::string(60'000, 'x') + "\"}").reply,
            GatewayReply::kConfirmed);
  const auto reply = charge_with(200, start + std::string(70'000, 'x') + "\"}");
  EXPECT_EQ(reply.reply, GatewayReply::kNoAnswer);
  EXPECT_EQ(reply.detail, "the answer is too long");
  // Nor does a stream without an end use up our memory.
  RawServer endless([](int connection) {
    (void)RawServer::read_request(connection);
    RawServer::write(connection, "HTTP/1.1 200 OK\r\n\r\n");
    const std::string block(4096, ' ');
    while (::send(connection, block.data(), block.size(), MSG_NOSIGNAL) > 0) {
    }
  });
  EXPECT_EQ(gateway_at(endless.url())->charge(charge_of()).reply, GatewayReply::kNoAnswer);
}

TEST(HttpGateway, LongTexts_AreCutAtTheBorderOfACharacter) {
  std::string reason = "x";
  for (int i = 0; i < 1000; ++i) {
    reason += "\xe2\x82\xac";
  }
  const auto reply = charge_with(402, R"({"reason":")" + reason + "\"}");
  EXPECT_EQ(reply.detail, reason.substr(0, 499));
}

TEST(HttpGateway, DeepNesting_DoesNotUseUpTheStack) {
  const std::string deep(60'000, '[');
  EXPECT_EQ(charge_with(200, R"({"status":"confirmed","x":)" + deep).reply,
            GatewayReply::kNoAnswer);
}

TEST(HttpGateway, Redirects_AreNotFollowed) {
  FakeGateway target(200, R"({"status":"confirmed"})");
  FakeGateway fake([&](const httplib::Request& /*request*/, httplib::Response& response) {
    response.status = 307;
    response.set_header("Location", target.url() + "/charges");
  });
  EXPECT_EQ(gateway_at(fake.url())->charge(charge_of()).reply, GatewayReply::kNoAnswer);
  EXPECT_TRUE(target.asked().empty());
}

TEST(HttpGateway, Connections_AreUsedAgain) {
  FakeGateway fake(200, R"({"status":"confirmed"})");
  const auto gateway = gateway_at(fake.url());
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(gateway->charge(charge_of()).reply, GatewayReply::kConfirmed);
  }
  std::set<int> ports;
  for (const auto& one : fake.asked()) {
    ports.insert(one.port);
  }
  EXPECT_EQ(ports.size(), 1U);
}

TEST(HttpGateway, ManyThreads_HaveAConnectionEach) {
  FakeGateway fake(200, R"({"status":"confirmed"})");
  const auto gateway = gateway_at(fake.url());
  constexpr int kThreads = 4;
  std::vector<std::thread> threads;
  std::atomic<int> confirmed{0};
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 25; ++i) {
        const auto id = std::to_string(t) + "-" + std::to_string(i);
        const auto reply = gateway->charge(charge_of(id));
        confirmed += reply.reply == GatewayReply::kConfirmed && reply.payment_id == id ? 1 : 0;
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  EXPECT_EQ(confirmed.load(), 25 * kThreads);
  std::set<int> ports;
  for (const auto& one : fake.asked()) {
    ports.insert(one.port);
  }
  EXPECT_LE(ports.size(), std::size_t{kThreads});
}

TEST(HttpGateway, AnIdleConnectionThatEndsUnderARequest_LeavesItOpenAndItIsNotSentAgain) {
  // The first connection answers once, reads the second request and ends. That request may have
  // been carried out.
  constexpr const char* kConfirmed =
      "HTTP/1.1 200 OK\r\nContent-Length: 22\r\n\r\n{\"status\":\"confirmed\"}";
  std::atomic<int> requests{0};
  RawServer server([&](int connection) {
    while (!RawServer::read_request(connection).empty() && ++requests != 2) {
      RawServer::write(connection, kConfirmed);
    }
  });
  const auto gateway = gateway_at(server.url());
  EXPECT_EQ(gateway->charge(charge_of("first")).reply, GatewayReply::kConfirmed);
  const auto second = gateway->charge(charge_of("second"));
  EXPECT_EQ(second.reply, GatewayReply::kNoAnswer);
  EXPECT_EQ(second.detail, "the connection ended without an answer");
  EXPECT_EQ(requests.load(), 2);
  EXPECT_EQ(gateway->charge(charge_of("third")).reply, GatewayReply::kConfirmed);
  EXPECT_EQ(requests.load(), 3);
}

TEST(HttpGateway, AnIdleConnectionThatHasEnded_IsReplaced) {
  std::atomic<int> ended{0};
  RawServer server([&](int connection) {
    (void)RawServer::read_request(connection);
    RawServer::write(connection,
                     "HTTP/1.1 200 OK\r\nContent-Length: 22\r\n\r\n{\"status\":\"confirmed\"}");
    ::shutdown(connection, SHUT_RDWR);
    ++ended;
    ended.notify_all();
  });
  const auto gateway = gateway_at(server.url());
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(gateway->charge(charge_of()).reply, GatewayReply::kConfirmed);
    ended.wait(i);
  }
}

TEST(HttpGateway, Stop_EndsCallsAtOnceAndTellsTheTruthAboutThem) {
  std::promise<void> reached;
  std::promise<void> over;
  RawServer server([&, ended = over.get_future().share()](int connection) {
    (void)RawServer::read_request(connection);
    reached.set_value();
    ended.wait();
  });
  const auto gateway = gateway_at(server.url());
  auto running = std::async(std::launch::async, [&] { return gateway->charge(charge_of()); });
  reached.get_future().wait();
  gateway->stop();
  const auto reply = running.get();
  EXPECT_EQ(reply.reply, GatewayReply::kNoAnswer);
  EXPECT_EQ(reply.detail, "stopping");
  EXPECT_EQ(gateway->charge(charge_of()).reply, GatewayReply::kTemporaryFailure);
  over.set_value();
}

TEST(HttpGateway, UnacceptableOptions_AreRefused) {
  for (const char* url : {"", "gateway", "ftp://host", "http://", "http://host/?a=b", "http://h#f",
                          "http://host:99999", "file:///etc/passwd"}) {
    const auto made = HttpGateway::make(options_of(url));
    ASSERT_FALSE(made) << url;
    EXPECT_EQ(made.error().code, Errc::kInvalid) << url;
  }
  HttpGateway::Options options = options_of("https://127.0.0.1:1");
  options.ca_file = "/nowhere/ca.pem";
  EXPECT_FALSE(HttpGateway::make(options));
  options = options_of("https://127.0.0.1:1");
  options.api_key = "a\r\nX-Other: b";
  EXPECT_FALSE(HttpGateway::make(options));
}

}  // namespace
}  // namespace payonce::adapters
