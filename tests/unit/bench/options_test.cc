#include "bench/options.h"

#include <gtest/gtest.h>

namespace payonce::bench {
namespace {

TEST(BenchUrl, IsAnAddressWithOrWithoutItsScheme) {
  for (const char* text : {"http://127.0.0.1:8080", "http://127.0.0.1:8080/", "127.0.0.1:8080",
                           "http://localhost:8080"}) {
    const auto url = parse_url(text);
    ASSERT_TRUE(url) << text;
    EXPECT_EQ(url->host, "127.0.0.1");
    EXPECT_EQ(url->port, 8080);
  }
  EXPECT_EQ(parse_url("http://[::1]:1").value().host, "::1");
}

TEST(BenchUrl, AnythingElse_IsRefused) {
  for (const char* text :
       {"", "http://", "https://127.0.0.1:1", "http://127.0.0.1", "http://127.0.0.1:0",
        "http://127.0.0.1:1/v1", "http://example.com:80"}) {
    EXPECT_FALSE(parse_url(text)) << text;
  }
}

TEST(BenchRates, AreWholeNumbersWithCommasBetween) {
  EXPECT_EQ(parse_rates("1").value(), (std::vector<std::uint64_t>{1}));
  EXPECT_EQ(parse_rates("1000,2000,5000").value(), (std::vector<std::uint64_t>{1000, 2000, 5000}));
  for (const char* text : {"", ",", "1,", "0", "-1", "1.5", "x", "1 000", "1000001",
                           "99999999999999999999", "7,8,7"}) {
    EXPECT_FALSE(parse_rates(text)) << text;
  }
}

TEST(BenchScenario, EveryNameIsFoundAgain) {
  for (const Scenario scenario :
       {Scenario::kAccept, Scenario::kComplete, Scenario::kDuplicates, Scenario::kMixed,
        Scenario::kHotAccount, Scenario::kHotKey, Scenario::kBatch}) {
    EXPECT_EQ(find_scenario(name(scenario)), scenario);
    EXPECT_NE(scenario_names().find(name(scenario)), std::string::npos);
  }
  EXPECT_FALSE(find_scenario("nonsense"));
}

}  // namespace
}  // namespace payonce::bench
