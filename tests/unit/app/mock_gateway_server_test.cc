#include "app/mock_gateway_server.h"

#include <gtest/gtest.h>
#include <httplib.h>
#include <rapidjson/document.h>

#include <chrono>
#include <condition_variable>
#include <ctime>
#include <fstream>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "adapters/http_gateway.h"
#include "support/blocking.h"
#include "support/temp_dir.h"
#include "webhook/standard_webhooks.h"

namespace payonce::app {
namespace {

using adapters::HttpClient;
using core::GatewayReply;
using core::InquiryReply;
using core::RefundReply;
using core::UndoReply;
using std::chrono::milliseconds;

constexpr const char* kSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
constexpr const char* kOther = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

MockGatewayCommand command() {
  MockGatewayCommand with;
  with.listen = "127.0.0.1:0";
  with.callback_delay_ms = 0;
  return with;
}

// A server in this process, and a client of either kind.
class MockWorld {
 public:
  explicit MockWorld(const MockGatewayCommand& with = command())
      : server_(MockGatewayServer::open(with).value()),
        url("http://" + server_->bind().value()),
        thread_([this] { server_->serve(); }),
        gateway(std::make_unique<testing_support::BlockingGateway>(
            adapters::HttpGateway::make({.url = url,
                                         .connect_timeout = milliseconds(20'000),
                                         .timeout = milliseconds(20'000),
                                         .api_key = {},
                                         .ca_file = {},
                                         .refused_errors = {}})
                .value())),
        raw(HttpClient::make({.url = url,
                              .connect_timeout = milliseconds(20'000),
                              .timeout = milliseconds(20'000),
                              .api_key = {},
                              .ca_file = {}})
                .value()) {}
  ~MockWorld() {
    server_->stop();
    thread_.join();
  }
  MockWorld(const MockWorld&) = delete;
  MockWorld& operator=(const MockWorld&) = delete;

  core::RecordGatewayReply charge(const std::string& id, const std::string& method,
                                  std::int64_t minor = 1000) {
    return gateway->charge({.payment_id = id,
                            .attempt = 1,
                            .not_before = {},
                            .amount = {minor, *Currency::find("USD")},
                            .payment_method = method});
  }
  core::RecordInquiryReply inquire(const std::string& id) {
    return gateway->inquire(
        {.payment_id = id, .inquiry = 1, .not_before = {}, .payment_method = "unused"});
  }
  core::RecordUndoReply undo(const std::string& id, core::CompensationKind kind) {
    return gateway->undo({.payment_id = id,
                          .kind = kind,
                          .call = 1,
                          .not_before = {},
                          .amount = {1000, *Currency::find("USD")},
                          .payment_method = "unused"});
  }
  core::RecordUndoReply undo(const std::string& id) {
    return undo(id, core::CompensationKind::kVoidCharge);
  }
  core::RecordRefundReply refund(const std::string& refund_id, const std::string& id,
                                 std::int64_t minor) {
    return gateway->refund({.refund_id = refund_id,
                            .payment_id = id,
                            .call = 1,
                            .not_before = {},
                            .amount = {minor, *Currency::find("USD")},
                            .payment_method = "unused"});
  }

 private:
  std::unique_ptr<MockGatewayServer> server_;

 public:
  std::string url;

 private:
  std::thread thread_;

 public:
  std::unique_ptr<testing_support::BlockingGateway> gateway;
  std::unique_ptr<HttpClient> raw;
};

// Receives callbacks; the first `refusals` of them are answered with 503.
class Receiver {
 public:
  struct Seen {
    webhook::Head head;
    std::string body;
  };

  explicit Receiver(int refusals = 0) : refusals_(refusals) {
    server_.Post(
        "/callbacks", [this](const httplib::Request& request, httplib::Response& response) {
          const std::lock_guard lock(mutex_);
          seen_.push_back({.head = {.id = request.get_header_value("webhook-id"),
                                    .timestamp = request.get_header_value("webhook-timestamp"),
                                    .signature = request.get_header_value("webhook-signature")},
                           .body = request.body});
          response.status = static_cast<int>(seen_.size()) <= refusals_ ? 503 : 202;
          changed_.notify_all();
        });
    port_ = server_.bind_to_any_port("127.0.0.1");
    thread_ = std::thread([this] { server_.listen_after_bind(); });
    server_.wait_until_ready();
  }
  ~Receiver() {
    server_.stop();
    thread_.join();
  }
  Receiver(const Receiver&) = delete;
  Receiver& operator=(const Receiver&) = delete;

  [[nodiscard]] std::string url() const {
    return "http://127.0.0.1:" + std::to_string(port_) + "/callbacks";
  }
  // The first `count` of them; fewer when they have not come within half a minute.
  [[nodiscard]] std::vector<Seen> wait_for(std::size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, std::chrono::seconds(30), [&] { return seen_.size() >= count; });
    return seen_;
  }

 private:
  httplib::Server server_;
  int refusals_;
  int port_ = 0;
  std::thread thread_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<Seen> seen_;
};

bool good(const Receiver::Seen& seen, const char* secret) {
  const std::vector<webhook::Secret> secrets{webhook::Secret::parse(secret).value()};
  return webhook::verify(secrets, seen.head, seen.body, std::time(nullptr), 300) ==
         webhook::Verdict::kGood;
}

TEST(MockGatewayServer, PaymentMethod_PicksTheBehaviour) {
  MockWorld world;
  EXPECT_EQ(world.charge("ok", "pm_ok").reply, GatewayReply::kConfirmed);
  EXPECT_EQ(world.charge("ok", "pm_ok").detail, "mock_ok");
  EXPECT_EQ(world.charge("decline", "pm_decline").reply, GatewayReply::kDeclined);
  EXPECT_EQ(world.charge("down", "pm_down").reply, GatewayReply::kTemporaryFailure);
  EXPECT_EQ(world.charge("manual", "pm_manual").reply, GatewayReply::kAccepted);
  EXPECT_EQ(world.charge("taken", "pm_timeout").reply, GatewayReply::kNoAnswer);
  EXPECT_EQ(world.charge("lost", "pm_timeout_lost").reply, GatewayReply::kNoAnswer);
  EXPECT_EQ(world.charge("flaky", "pm_flaky_2").reply, GatewayReply::kTemporaryFailure);
  EXPECT_EQ(world.charge("flaky", "pm_flaky_2").reply, GatewayReply::kTemporaryFailure);
  EXPECT_EQ(world.charge("flaky", "pm_flaky_2").reply, GatewayReply::kConfirmed);
}

TEST(MockGatewayServer, NoAnswer_IsNotABytesWorth) {
  MockWorld world;
  const auto answer = world.raw->post(
      "/charges", "p", R"({"amount":"1","currency":"USD","payment_method":"pm_timeout"})");
  EXPECT_EQ(answer.status, 0);
  EXPECT_TRUE(answer.sent);
}

TEST(MockGatewayServer, Inquiry_TellsTheState) {
  MockWorld world;
  for (const char* method :
       {"pm_ok", "pm_decline", "pm_manual", "pm_timeout", "pm_timeout_lost", "pm_down"}) {
    (void)world.charge(method, method);
  }
  EXPECT_EQ(world.inquire("pm_ok").reply, InquiryReply::kConfirmed);
  EXPECT_EQ(world.inquire("pm_decline").reply, InquiryReply::kDeclined);
  EXPECT_EQ(world.inquire("pm_manual").reply, InquiryReply::kAccepted);
  EXPECT_EQ(world.inquire("pm_timeout").reply, InquiryReply::kConfirmed);
  EXPECT_EQ(world.inquire("pm_timeout_lost").reply, InquiryReply::kUnknownKey);
  EXPECT_EQ(world.inquire("pm_down").reply, InquiryReply::kUnknownKey);
  EXPECT_EQ(world.inquire("nobody").reply, InquiryReply::kUnknownKey);
}

TEST(MockGatewayServer, SameKey_IsTheSameCharge) {
  MockWorld world;
  EXPECT_EQ(world.charge("p", "pm_ok", 1000).reply, GatewayReply::kConfirmed);
  EXPECT_EQ(world.charge("p", "pm_ok", 1001).reply, GatewayReply::kRefused);
  EXPECT_EQ(world.charge("p", "pm_decline", 1000).reply, GatewayReply::kRefused);
  EXPECT_EQ(world.charge("p", "pm_ok", 1000).reply, GatewayReply::kConfirmed);
}

TEST(MockGatewayServer, Undo_TakesBackOnceAndForGood) {
  MockWorld world;
  for (const char* id : {"voided", "refunded"}) {
    const auto kind = id == std::string("voided") ? core::CompensationKind::kVoidCharge
                                                  : core::CompensationKind::kRefundCharge;
    EXPECT_EQ(world.charge(id, "pm_ok").reply, GatewayReply::kConfirmed);
    EXPECT_EQ(world.undo(id, kind).reply, UndoReply::kDone);
    EXPECT_EQ(world.undo(id, kind).reply, UndoReply::kDone);
    EXPECT_EQ(world.charge(id, "pm_ok").reply, GatewayReply::kDeclined);
    EXPECT_EQ(world.inquire(id).reply, InquiryReply::kDeclined);
  }
  EXPECT_EQ(world.undo("early").detail, "unknown key");
  EXPECT_EQ(world.charge("early", "pm_ok").reply, GatewayReply::kDeclined);
  (void)world.charge("stuck", "pm_manual.pm_void_fail");
  EXPECT_EQ(world.undo("stuck").reply, UndoReply::kFailed);
  EXPECT_EQ(world.undo("stuck", core::CompensationKind::kRefundCharge).reply, UndoReply::kFailed);
}

TEST(MockGatewayServer, Refunds_NeverExceedTheCharge) {
  MockWorld world;
  (void)world.charge("p", "pm_ok");
  EXPECT_EQ(world.refund("r1", "p", 600).reply, RefundReply::kConfirmed);
  EXPECT_EQ(world.refund("r1", "p", 600).reply, RefundReply::kConfirmed);
  EXPECT_EQ(world.refund("r2", "p", 401).reply, RefundReply::kDeclined);
  EXPECT_EQ(world.refund("r2", "p", 400).reply, RefundReply::kConfirmed);
  EXPECT_EQ(world.refund("r3", "p", 1).reply, RefundReply::kDeclined);
  EXPECT_EQ(world.refund("r4", "nobody", 1).reply, RefundReply::kFailed);
  (void)world.charge("stuck", "pm_void_fail");
  EXPECT_EQ(world.refund("r5", "stuck", 1).reply, RefundReply::kFailed);
}

TEST(MockGatewayServer, MalformedRequests_AreRefused) {
  MockWorld world;
  const std::string good = R"({"amount":"1.00","currency":"USD","payment_method":"pm_ok"})";
  EXPECT_EQ(world.raw->post("/charges", "", good).status, 400);
  EXPECT_EQ(world.raw->post("/charges", "a/b", good).status, 400);
  for (const char* body :
       {"", "{", "[]", "{}", R"({"amount":"1.001","currency":"USD","payment_method":"pm_ok"})",
        R"({"amount":1,"currency":"USD","payment_method":"pm_ok"})",
        R"({"amount":"0","currency":"USD","payment_method":"pm_ok"})",
        R"({"amount":"1","currency":"XXX","payment_method":"pm_ok"})",
        R"({"amount":"1","currency":"USD"})"}) {
    EXPECT_EQ(world.raw->post("/charges", "p", body).status, 400) << body;
  }
  EXPECT_EQ(world.raw->post("/charges", "p", std::string(100'000, ' ')).status, 413);
  EXPECT_EQ(world.raw->get("/charges/p").status, 404);
  EXPECT_EQ(world.raw->get("/elsewhere").status, 404);
  EXPECT_EQ(world.raw->post("/charges/p/refund", "", good).status, 400);
  EXPECT_EQ(world.raw->post("/charges", "p", good).status, 200);
  EXPECT_EQ(world.raw->post("/charges/p/refund", "r", R"({"amount":"1","currency":"EUR"})").status,
            422);
}

TEST(MockGatewayServer, Callback_IsSignedByEverySecret) {
  Receiver receiver;
  MockGatewayCommand with = command();
  with.callback_url = receiver.url();
  with.secrets = {kSecret, kOther};
  MockWorld world(with);
  EXPECT_EQ(world.charge("pay.1", "pm_async").reply, GatewayReply::kAccepted);
  const auto seen = receiver.wait_for(1);
  ASSERT_EQ(seen.size(), 1U);
  EXPECT_TRUE(good(seen[0], kSecret));
  EXPECT_TRUE(good(seen[0], kOther));
  EXPECT_EQ(seen[0].body,
            R"({"payment_id":"pay.1","gateway_reference":"mock_pay.1","outcome":"confirmed"})");
  EXPECT_EQ(world.inquire("pay.1").reply, InquiryReply::kConfirmed);
  EXPECT_EQ(world.charge("pay.1", "pm_async").reply, GatewayReply::kConfirmed);
}

TEST(MockGatewayServer, Callback_IsRepeatedUntilItIsTaken) {
  Receiver receiver(1);
  MockGatewayCommand with = command();
  with.callback_url = receiver.url();
  with.secrets = {kSecret};
  MockWorld world(with);
  (void)world.charge("p", "pm_async");
  const auto seen = receiver.wait_for(2);
  ASSERT_EQ(seen.size(), 2U);
  EXPECT_EQ(seen[0].head.id, seen[1].head.id);
  EXPECT_EQ(seen[0].body, seen[1].body);
  EXPECT_TRUE(good(seen[1], kSecret));
}

TEST(MockGatewayServer, Journal_GivesBackTheBookAndTheCallbacksThatAreOwed) {
  const testing_support::TempDir dir;
  MockGatewayCommand with = command();
  with.journal = dir / "journal";
  with.callback_delay_ms = 3'600'000;
  Receiver receiver;
  with.callback_url = receiver.url();
  {
    MockWorld world(with);
    (void)world.charge("taken", "pm_timeout");
    (void)world.charge("voided", "pm_ok");
    (void)world.undo("voided");
    (void)world.charge("flaky", "pm_flaky_1");
    (void)world.charge("owed", "pm_async");
    (void)world.charge("stuck", "pm_void_fail");
  }
  with.callback_delay_ms = 0;
  MockWorld world(with);
  EXPECT_EQ(world.inquire("taken").reply, InquiryReply::kConfirmed);
  EXPECT_EQ(world.charge("voided", "pm_ok").reply, GatewayReply::kDeclined);
  EXPECT_EQ(world.charge("flaky", "pm_flaky_1").reply, GatewayReply::kConfirmed);
  EXPECT_EQ(world.undo("stuck").reply, UndoReply::kFailed);
  const auto seen = receiver.wait_for(1);
  ASSERT_EQ(seen.size(), 1U);
  EXPECT_NE(seen[0].body.find(R"("payment_id":"owed")"), std::string::npos);
}

TEST(MockGatewayServer, Hang_EndsWithTheServer) {
  MockGatewayCommand with = command();
  with.hang = true;
  auto world = std::make_unique<MockWorld>(with);
  std::thread client([&gateway = *world->gateway] {
    EXPECT_EQ(gateway
                  .charge({.payment_id = "p",
                           .attempt = 1,
                           .not_before = {},
                           .amount = {1000, *Currency::find("USD")},
                           .payment_method = "pm_timeout"})
                  .reply,
              GatewayReply::kNoAnswer);
  });
  while (world->inquire("p").reply != InquiryReply::kConfirmed) {
    std::this_thread::yield();
  }
  world->gateway->stop();
  client.join();
  const auto begun = std::chrono::steady_clock::now();
  world.reset();
  EXPECT_LT(std::chrono::steady_clock::now() - begun, std::chrono::seconds(30));
}

TEST(MockGatewayServer, UnacceptableOptions_AreRefused) {
  const auto refused = [](auto change) {
    MockGatewayCommand with = command();
    change(with);
    return !MockGatewayServer::open(with).has_value();
  };
  EXPECT_TRUE(refused([](auto& with) { with.listen = "nowhere"; }));
  EXPECT_TRUE(refused([](auto& with) { with.secrets = {"whsec_short"}; }));
  EXPECT_TRUE(refused([](auto& with) { with.callback_url = "callbacks"; }));
  EXPECT_TRUE(refused([](auto& with) { with.journal = "/nowhere/journal"; }));
  EXPECT_FALSE(refused([](auto& /*with*/) {}));
  MockWorld world;
  MockGatewayCommand same = command();
  same.listen = world.url.substr(7);
  const auto second = MockGatewayServer::open(same);
  ASSERT_TRUE(second);
  EXPECT_EQ((*second)->bind().error().code, Errc::kInUse);
}

}  // namespace
}  // namespace payonce::app
