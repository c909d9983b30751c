#include "adapters/http_fraud.h"

#include <gtest/gtest.h>
#include <httplib.h>
#include <rapidjson/document.h>

#include <memory>
#include <string>
#include <thread>

#include "support/blocking.h"

namespace payonce::adapters {
namespace {

using core::FraudReply;
using std::chrono::milliseconds;

core::CheckFraud task() {
  return {.fraud_id = "fraud-check-pay-1",
          .attempt = 3,
          .not_before = {},
          .payment_id = "pay-1",
          .user_id = "alice",
          .amount = {1'234, *Currency::find("KWD")},
          .payment_method = "pm_card"};
}

// Answers every POST in the same way; the last request can be looked at when the call is over.
class FakeService {
 public:
  FakeService(int status, std::string body) {
    server_.Post(".*", [this, status, body = std::move(body)](const httplib::Request& request,
                                                              httplib::Response& response) {
      asked = request;
      response.status = status;
      response.set_content(body, "application/json");
    });
    port_ = server_.bind_to_any_port("127.0.0.1");
    thread_ = std::thread([this] { server_.listen_after_bind(); });
    server_.wait_until_ready();
  }
  ~FakeService() { stop(); }
  FakeService(const FakeService&) = delete;
  FakeService& operator=(const FakeService&) = delete;

  [[nodiscard]] std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }
  void stop() {
    if (thread_.joinable()) {
      server_.stop();
      thread_.join();
    }
  }

  httplib::Request asked;  // after stop()

 private:
  httplib::Server server_;
  int port_ = 0;
  std::thread thread_;
};

core::RecordFraudReply check_at(const std::string& url) {
  const auto fraud = HttpFraud::make({.url = url, .timeout = milliseconds(20'000)}).value();
  return testing_support::check_and_wait(*fraud, task());
}

core::RecordFraudReply check_with(int status, const std::string& body) {
  FakeService service(status, body);
  return check_at(service.url());
}

TEST(HttpFraud, Check_SaysWhatTheContractSays) {
  FakeService service(200, R"({"result":"approved"})");
  const auto reply = check_at(service.url() + "/fraud/check");
  service.stop();
  EXPECT_EQ(reply.reply, FraudReply::kApproved);
  EXPECT_EQ(reply.fraud_id, "fraud-check-pay-1");
  EXPECT_EQ(reply.attempt, 3U);
  EXPECT_EQ(service.asked.path, "/fraud/check");
  EXPECT_EQ(service.asked.get_header_value("Idempotency-Key"), "fraud-check-pay-1");
  EXPECT_EQ(service.asked.get_header_value("Content-Type"), "application/json");
  EXPECT_FALSE(service.asked.has_header("Authorization"));
  EXPECT_EQ(service.asked.body,
            R"({"id":"fraud-check-pay-1","payment_id":"pay-1","user_id":"alice",)"
            R"("amount":"1.234","currency":"KWD","payment_method":"pm_card"})");
}

TEST(HttpFraud, Verdicts_ComeWith200AndNothingElse) {
  const struct {
    int status;
    const char* body;
    FraudReply reply;
  } rows[] = {
      {200, R"({"result":"approved"})", FraudReply::kApproved},
      {200, R"({"result":"rejected","reason":"velocity"})", FraudReply::kRejected},
      {200, R"({"result":"perhaps"})", FraudReply::kFailed},
      {200, R"({"status":"approved"})", FraudReply::kFailed},
      {200, "<html>approved</html>", FraudReply::kFailed},
      {200, "", FraudReply::kFailed},
      {201, R"({"result":"approved"})", FraudReply::kFailed},
      {202, R"({"result":"approved"})", FraudReply::kFailed},
      {301, R"({"result":"approved"})", FraudReply::kFailed},
      {400, R"({"result":"rejected"})", FraudReply::kFailed},
      {500, R"({"result":"rejected"})", FraudReply::kFailed},
  };
  for (const auto& row : rows) {
    const auto reply = check_with(row.status, row.body);
    EXPECT_EQ(reply.reply, row.reply) << row.status << " " << row.body;
    EXPECT_EQ(reply.reply == FraudReply::kFailed && reply.detail.empty(), false) << row.body;
  }
  EXPECT_EQ(check_with(200, R"({"result":"rejected","reason":"velocity"})").detail, "velocity");
}

TEST(HttpFraud, ServiceThatIsNotThere_IsAFailure) {
  std::string url;
  {
    const FakeService gone(200, R"({"result":"approved"})");
    url = gone.url();
  }
  const auto reply = check_at(url);
  EXPECT_EQ(reply.reply, FraudReply::kFailed);
  EXPECT_FALSE(reply.detail.empty());
}

TEST(HttpFraud, AfterStop_NothingIsAsked) {
  FakeService service(200, R"({"result":"approved"})");
  const auto fraud =
      HttpFraud::make({.url = service.url(), .timeout = milliseconds(20'000)}).value();
  fraud->stop();
  EXPECT_EQ(testing_support::check_and_wait(*fraud, task()).reply, FraudReply::kFailed);
  service.stop();
  EXPECT_TRUE(service.asked.path.empty());
}

TEST(HttpFraud, UnacceptableUrl_IsRefused) {
  const auto made = HttpFraud::make({.url = "fraud", .timeout = milliseconds(1)});
  ASSERT_FALSE(made);
  EXPECT_TRUE(made.error().message.starts_with("fraud.url: "));
}

}  // namespace
}  // namespace payonce::adapters
