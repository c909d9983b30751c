#include "app/descriptors.h"

#include <gtest/gtest.h>

namespace payonce::app {
namespace {

constexpr Descriptors kWanted{.connections = 10'000, .gateway_calls = 1'000, .fraud_calls = 500};

TEST(Descriptors, WhatFits_IsLeftAsItIs) {
  EXPECT_EQ(fit(kWanted, 11'500), kWanted);
  EXPECT_EQ(fit(kWanted, 1'000'000), kWanted);
  EXPECT_EQ(fit({.connections = 5}, 5), Descriptors{.connections = 5});
}

TEST(Descriptors, Clients_GiveWayFirst) {
  EXPECT_EQ(fit(kWanted, 11'499).connections, 9'999U);
  EXPECT_EQ(fit(kWanted, 11'499).gateway_calls, 1'000U);
  EXPECT_EQ(fit(kWanted, 3'000),
            (Descriptors{.connections = 1'500, .gateway_calls = 1'000, .fraud_calls = 500}));
}

TEST(Descriptors, CallsTakeNoMoreThanHalf_EachKindByItsShare) {
  EXPECT_EQ(fit(kWanted, 600),
            (Descriptors{.connections = 300, .gateway_calls = 200, .fraud_calls = 100}));
  // Unless clients leave more to them.
  EXPECT_EQ(fit({.connections = 100, .gateway_calls = 1'000, .fraud_calls = 500}, 700),
            (Descriptors{.connections = 100, .gateway_calls = 400, .fraud_calls = 200}));
}

TEST(Descriptors, OneOfEachThatIsWanted_IsLeft) {
  EXPECT_EQ(fit(kWanted, 1), (Descriptors{.connections = 1, .gateway_calls = 1, .fraud_calls = 1}));
  EXPECT_EQ(fit({.connections = 9, .gateway_calls = 7}, 0),
            (Descriptors{.connections = 1, .gateway_calls = 1, .fraud_calls = 0}));
}

}  // namespace
}  // namespace payonce::app
