#include "adapters/mock_gateway.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "support/temp_dir.h"

namespace payonce::adapters {
namespace {

core::CallGateway call(std::string id, std::string method, std::uint32_t attempt = 1) {
  return {.payment_id = std::move(id),
          .attempt = attempt,
          .not_before = {},
          .amount = {1050, *Currency::find("USD")},
          .payment_method = std::move(method)};
}

core::GatewayReply reply_to(MockGateway& gateway, const std::string& method,
                            std::uint32_t attempt = 1) {
  return gateway.charge(call("p", method, attempt)).reply;
}

std::vector<std::string> lines_of(const std::string& path) {
  std::ifstream file(path);
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);) {
    lines.push_back(line);
  }
  return lines;
}

TEST(MockGateway, PaymentMethod_PicksTheBehaviour) {
  MockGateway gateway({});
  EXPECT_EQ(reply_to(gateway, "pm_ok"), core::GatewayReply::kConfirmed);
  EXPECT_EQ(reply_to(gateway, "anything"), core::GatewayReply::kConfirmed);
  EXPECT_EQ(reply_to(gateway, "pm_decline"), core::GatewayReply::kDeclined);
  EXPECT_EQ(reply_to(gateway, "pm_down", 99), core::GatewayReply::kTemporaryFailure);
}

TEST(MockGateway, Flaky_FailsNTimesThenConfirms) {
  MockGateway gateway({});
  EXPECT_EQ(reply_to(gateway, "pm_flaky_2", 1), core::GatewayReply::kTemporaryFailure);
  EXPECT_EQ(reply_to(gateway, "pm_flaky_2", 2), core::GatewayReply::kTemporaryFailure);
  EXPECT_EQ(reply_to(gateway, "pm_flaky_2", 3), core::GatewayReply::kConfirmed);
  EXPECT_EQ(reply_to(gateway, "pm_flaky_", 1), core::GatewayReply::kConfirmed);
  EXPECT_EQ(reply_to(gateway, "pm_flaky_x", 1), core::GatewayReply::kConfirmed);
}

TEST(MockGateway, FailureRate_HoldsOverManyCallsAndIsTheSameForTheSameCall) {
  MockGateway gateway({.latency = {}, .failure_rate = 0.25, .journal = {}});
  int failures = 0;
  for (int i = 0; i < 4000; ++i) {
    const auto one = call("p" + std::to_string(i), "pm_ok");
    const auto reply = gateway.charge(one).reply;
    EXPECT_EQ(gateway.charge(one).reply, reply);
    failures += reply == core::GatewayReply::kTemporaryFailure ? 1 : 0;
  }
  EXPECT_GT(failures, 850);
  EXPECT_LT(failures, 1150);
}

TEST(MockGateway, Journal_TakesAKeyOnceAcrossARestart) {
  const testing_support::TempDir dir;
  const std::string path = dir.path() + "/journal";
  {
    MockGateway gateway({.latency = {}, .failure_rate = 0, .journal = path});
    ASSERT_TRUE(gateway.open());
    EXPECT_EQ(gateway.charge(call("a", "pm_ok")).reply, core::GatewayReply::kConfirmed);
    EXPECT_EQ(gateway.charge(call("b", "pm_decline")).reply, core::GatewayReply::kDeclined);
  }
  MockGateway again({.latency = {}, .failure_rate = 0, .journal = path});
  ASSERT_TRUE(again.open());
  EXPECT_EQ(again.charge(call("a", "pm_ok", 2)).reply, core::GatewayReply::kConfirmed);
  const auto lines = lines_of(path);
  ASSERT_EQ(lines.size(), 3U);
  EXPECT_EQ(
      lines[0],
      R"({"key":"a","amount":"10.50","currency":"USD","attempt":1,"outcome":"confirmed","repeat":false})");
  EXPECT_NE(lines[1].find(R"("outcome":"declined","repeat":false)"), std::string::npos);
  EXPECT_NE(lines[2].find(R"("attempt":2,"outcome":"confirmed","repeat":true)"), std::string::npos);
}

TEST(MockGateway, DamagedOrUnwritableJournal_IsRefused) {
  const testing_support::TempDir dir;
  const std::string path = dir.path() + "/journal";
  std::ofstream(path) << "{\"key\":\"a\"\n";
  MockGateway damaged({.latency = {}, .failure_rate = 0, .journal = path});
  EXPECT_EQ(damaged.open().error().code, Errc::kCorrupt);
  MockGateway unwritable({.latency = {}, .failure_rate = 0, .journal = path + "/below-a-file"});
  EXPECT_EQ(unwritable.open().error().code, Errc::kIo);
}

}  // namespace
}  // namespace payonce::adapters
