#include "bench/payments.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace payonce::bench {
namespace {

Payments payments(Scenario scenario, std::uint64_t accounts = 4) {
  return {scenario, {.host = "127.0.0.1:80", .accounts = "a", .step = "s"}, accounts};
}

std::string text(Payments& work, std::uint64_t sequence) {
  std::string out;
  work.write(sequence, out);
  return out;
}

Response answer(int status, std::string body = "{}") {
  Response response;
  response.status = status;
  response.body = std::move(body);
  return response;
}

Outcome outcome(Payments& work, std::uint64_t payment, const Response& response) {
  return work.judge({.subject = payment, .kind = 0}, response).outcome;
}

TEST(Payments, Accept_EveryRequestIsAPaymentOfItsOwn) {
  Payments work = payments(Scenario::kAccept);
  EXPECT_EQ(text(work, 6),
            "POST /v1/payments HTTP/1.1\r\nHost: 127.0.0.1:80\r\n"
            "Content-Type: application/json\r\nContent-Length: 64\r\n\r\n"
            R"({"id":"s6","user_id":"a2","amount":"1","payment_method":"pm_ok"})");
  std::set<std::string> texts;
  for (std::uint64_t i = 0; i < 100; ++i) {
    texts.insert(text(work, i));
  }
  EXPECT_EQ(texts.size(), 100U);
}

TEST(Payments, Complete_AsksToWaitAndWantsSuccess) {
  Payments work = payments(Scenario::kComplete);
  EXPECT_NE(text(work, 0).find("\r\nPrefer: wait=10\r\n"), std::string::npos);
  EXPECT_EQ(outcome(work, 0, answer(201, R"({"status":"success"})")), Outcome::kOk);
  EXPECT_EQ(outcome(work, 1, answer(202, R"({"status":"pending"})")), Outcome::kWrong);
  EXPECT_EQ(outcome(work, 2, answer(201, R"({"status":"fail"})")), Outcome::kWrong);
  EXPECT_EQ(work.accepted(), 3U) << "its money may be taken whatever its end";
}

TEST(Payments, Duplicates_EveryTenthIsTheOneBeforeIt) {
  Payments work = payments(Scenario::kDuplicates);
  std::set<std::string> texts;
  for (std::uint64_t i = 0; i < 100; ++i) {
    const std::string now = text(work, i);
    EXPECT_EQ(texts.insert(now).second, i % 10 != 9) << i;
    EXPECT_NE(now.find("Idempotency-Key: \"s"), std::string::npos);
    if (i % 10 == 9) {
      EXPECT_EQ(now, text(work, i - 1));
    }
  }
  EXPECT_EQ(texts.size(), 90U);
}

TEST(Payments, Duplicates_TheSecondAnswerHasToBeTheFirst) {
  Payments work = payments(Scenario::kDuplicates);
  EXPECT_EQ(outcome(work, 8, answer(202, "one")), Outcome::kOk);
  EXPECT_EQ(outcome(work, 8, answer(202, "one")), Outcome::kOk);
  EXPECT_EQ(outcome(work, 17, answer(202, "one")), Outcome::kOk);
  EXPECT_EQ(outcome(work, 17, answer(202, "other")), Outcome::kWrong);
  EXPECT_EQ(outcome(work, 26, answer(202, "one")), Outcome::kOk);
  EXPECT_EQ(outcome(work, 26, answer(201, "one")), Outcome::kWrong);
  EXPECT_EQ(work.accepted(), 3U) << "a repetition pays nothing";
}

TEST(Payments, ANewPaymentMayNotBeAReplay) {
  Payments work = payments(Scenario::kDuplicates);
  Response response = answer(202);
  response.replayed = true;
  EXPECT_EQ(outcome(work, 0, response), Outcome::kWrong);
}

TEST(Payments, HotKey_IsOnePaymentHoweverOften) {
  Payments work = payments(Scenario::kHotKey, 1);
  EXPECT_EQ(text(work, 0), text(work, 12'345));
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(outcome(work, 0, answer(202, "same")), Outcome::kOk);
  }
  EXPECT_EQ(outcome(work, 0, answer(202, "other")), Outcome::kWrong);
  EXPECT_EQ(work.accepted(), 1U);
}

TEST(Payments, Mixed_ReadsAskAboutAPaymentThatWasAccepted) {
  Payments work = payments(Scenario::kMixed);
  std::string out;
  EXPECT_TRUE(text(work, 3).starts_with("POST /v1/payments ")) << "nothing to read about yet";
  const Ticket created = work.write(5, out);
  EXPECT_EQ(work.judge(created, answer(202)).outcome, Outcome::kOk);
  EXPECT_TRUE(text(work, 10).starts_with("POST /v1/payments "));
  EXPECT_TRUE(text(work, 11).starts_with("GET /v1/payments/s1 "));
  EXPECT_TRUE(text(work, 12).starts_with("GET /v1/payments/s1/events "));
  EXPECT_TRUE(text(work, 13).starts_with("GET /v1/accounts/a1 "));
  EXPECT_TRUE(text(work, 14).starts_with("GET /v1/payments?limit=10 "));
  out.clear();
  const Ticket read = work.write(11, out);
  EXPECT_EQ(work.judge(read, answer(200)).outcome, Outcome::kOk);
  EXPECT_EQ(work.judge(read, answer(404)).outcome, Outcome::kWrong);
  EXPECT_EQ(work.accepted(), 1U);
}

TEST(Payments, ARefusalIsOrderlyOnlyWithRetryAfter) {
  Payments work = payments(Scenario::kAccept);
  Response shed = answer(503);
  EXPECT_EQ(outcome(work, 0, shed), Outcome::kWrong);
  shed.retry_after = true;
  EXPECT_EQ(outcome(work, 0, shed), Outcome::kShed);
  EXPECT_EQ(work.accepted(), 0U);
  EXPECT_EQ(work.uncertain(), 0U);
  for (const int status : {200, 400, 402, 409, 422, 500}) {
    EXPECT_EQ(outcome(work, 0, answer(status)), Outcome::kWrong) << status;
  }
}

TEST(Payments, ALostPaymentIsUncertainUntilARepetitionIsAccepted) {
  Payments work = payments(Scenario::kDuplicates);
  work.lost({.subject = 8, .kind = 0});
  work.lost({.subject = 3, .kind = 0});
  EXPECT_EQ(work.uncertain(), 2U);
  EXPECT_EQ(outcome(work, 8, answer(202)), Outcome::kOk);
  EXPECT_EQ(work.uncertain(), 1U);
  EXPECT_EQ(work.accepted(), 1U);
}

}  // namespace
}  // namespace payonce::bench
