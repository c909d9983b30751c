// The rules of single keys, by section, where the rules of their kind do not say it all.
#include "unit/config/fixture.h"

namespace payonce::config {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::HasSubstr;

using LoadSections = ConfigTest;

TEST_F(LoadSections, Gateway_IsReadWhole) {
  const Gateway gateway = options_of({.file = write(R"(
[gateway]
kind = "http"
url = "https://gateway.example/v1"
api_key = "k"
ca_file = "/etc/ca.pem"
connect_timeout = "1s"
timeout = "2s"
refused_errors = ["a", "b"]
inquiry_initial_interval = "3s"
inquiry_maximum_interval = "4s"
callback_secrets = []
callback_tolerance = "5s"
callback_timeout = "6s"
callback_delay = "7ms"
)")})
                              .gateway;
  EXPECT_EQ(gateway.kind, GatewayKind::kHttp);
  EXPECT_EQ(gateway.url, "https://gateway.example/v1");
  EXPECT_EQ(gateway.api_key, "k");
  EXPECT_EQ(gateway.ca_file, "/etc/ca.pem");
  EXPECT_EQ(gateway.connect_timeout, seconds{1});
  EXPECT_EQ(gateway.timeout, seconds{2});
  EXPECT_THAT(gateway.refused_errors, ElementsAre("a", "b"));
  EXPECT_EQ(gateway.inquiry_initial_interval, seconds{3});
  EXPECT_EQ(gateway.inquiry_maximum_interval, seconds{4});
  EXPECT_EQ(gateway.callback_tolerance, seconds{5});
  EXPECT_EQ(gateway.callback_timeout, seconds{6});
  EXPECT_EQ(gateway.callback_delay, milliseconds{7});
}

TEST_F(LoadSections, Gateway_DefaultsToTheMockAndRefusesMistakesOfOurs) {
  const Gateway gateway;
  EXPECT_EQ(gateway.kind, GatewayKind::kMock);
  EXPECT_THAT(gateway.refused_errors, ElementsAre("invalid_request", "authentication_failed"));
  EXPECT_EQ(gateway.connect_timeout, seconds{3});
  EXPECT_EQ(gateway.timeout, seconds{15});
  EXPECT_EQ(gateway.callback_tolerance, seconds{300});
  EXPECT_EQ(gateway.callback_timeout, minutes{5});
  EXPECT_EQ(gateway.callback_delay, milliseconds{500});
}

TEST_F(LoadSections, Urls_AreHttpOrHttpsWithAHost) {
  for (const char* key : {"gateway.url", "fraud.url", "notify.webhook.url"}) {
    const auto errors = [&](const std::string& url) {
      return errors_in("notify.webhook.secret = \"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\"\n" +
                       std::string(key) + " = \"" + url + "\"\n");
    };
    for (const char* good : {"", "http://a", "https://a.example:8443/b?c#d", "http://[::1]:80/"}) {
      EXPECT_EQ(errors(good), "") << key << " " << good;
    }
    for (const char* bad : {"a.example", "ftp://a", "HTTPS//a", "http:/a", "http://", "https:///a",
                            "https://:80", "http://?a", "http://a b", " http://a", "://a"}) {
      EXPECT_THAT(errors(bad), HasSubstr("write an http:// or https:// URL")) << key << " " << bad;
    }
  }
}

TEST_F(LoadSections, CallbackTolerance_IsInWholeSeconds) {
  EXPECT_THAT(errors_in("gateway.callback_tolerance = \"1500ms\""), HasSubstr("in steps of 1s"));
  EXPECT_THAT(errors_in("gateway.callback_tolerance = \"0s\""), HasSubstr("not in range"));
}

TEST_F(LoadSections, LongTimeouts_ReachFromTenMillisecondsToAWeek) {
  for (const std::string key : {"gateway.callback_timeout", "fraud.timeout"}) {
    EXPECT_EQ(errors_in(key + " = \"10ms\""), "");
    EXPECT_EQ(errors_in(key + " = \"7d\""), "");
    EXPECT_THAT(errors_in(key + " = \"9ms\""), HasSubstr("not in range"));
    EXPECT_THAT(errors_in(key + " = \"169h\""), HasSubstr("not in range"));
  }
}

TEST_F(LoadSections, Fraud_IsReadWhole) {
  Fraud expected;
  expected.mode = FraudMode::kHttp;
  expected.delay = seconds{1};
  expected.slow_delay = seconds{2};
  expected.verdict = FraudVerdict::kReject;
  expected.timeout = seconds{3};
  expected.parent_close = FraudClose::kAbandon;
  expected.url = "http://127.0.0.1:1/check";
  expected.request_timeout = seconds{4};
  expected.calls_max = 5;
  expected.queue_max = 6;
  expected.retry.maximum_attempts = 7;
  EXPECT_EQ(options_of({.file = write(R"(
[fraud]
mode = "http"
delay = "1s"
slow_delay = "2s"
verdict = "reject"
timeout = "3s"
parent_close = "abandon"
url = "http://127.0.0.1:1/check"
request_timeout = "4s"
calls_max = 5
queue_max = 6
retry = { maximum_attempts = 7 }
)")})
                .fraud,
            expected);
}

TEST_F(LoadSections, Fraud_DefaultsToApprovingAtOnce) {
  const Fraud fraud;
  EXPECT_EQ(fraud.mode, FraudMode::kAutomatic);
  EXPECT_EQ(fraud.delay, milliseconds{0});
  EXPECT_EQ(fraud.slow_delay, seconds{30});
  EXPECT_EQ(fraud.verdict, FraudVerdict::kApprove);
  EXPECT_EQ(fraud.timeout, minutes{10});
  EXPECT_EQ(fraud.parent_close, FraudClose::kTerminate);
  EXPECT_EQ(fraud.retry.maximum_attempts, 10U);
}

TEST_F(LoadSections, Notify_DefaultsToTheLogAlone) {
  const Notify notify;
  EXPECT_TRUE(notify.log);
  EXPECT_TRUE(notify.webhook.url.empty());
  EXPECT_TRUE(notify.smtp.host.empty());
}

TEST_F(LoadSections, NotifyKind_IsNoKeyAnyMore) {
  EXPECT_THAT(errors_in("notify.kind = \"log\""), HasSubstr("unknown key \"notify.kind\""));
}

TEST_F(LoadSections, Webhook_IsReadWhole) {
  Webhook expected;
  expected.url = "https://a.example/hook";
  expected.secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
  expected.ca_file = "ca.pem";
  expected.timeout = seconds{1};
  expected.schedule = {milliseconds{1}, hours{168}};
  expected.allow_private = true;
  EXPECT_EQ(options_of({.file = write(R"(
[notify.webhook]
url = "https://a.example/hook"
secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
ca_file = "ca.pem"
timeout = "1s"
schedule = [
  "1ms",  # at once
  "7d",
]
allow_private = true
)")})
                .notify.webhook,
            expected);
}

TEST_F(LoadSections, Schedule_DefaultsToNineWaitsOfUpToADay) {
  EXPECT_THAT(Webhook{}.schedule,
              ElementsAre(seconds{5}, minutes{5}, minutes{30}, hours{2}, hours{5}, hours{10},
                          hours{14}, hours{20}, hours{24}));
}

TEST_F(LoadSections, ScheduleWithAMistake_NamesFileLineAndElement) {
  EXPECT_EQ(errors_in("\n[notify.webhook]\nschedule = [\"5s\", \"0s\"]\n"),
            "config.toml:3: notify.webhook.schedule: element 2: 0ms is not in range "
            "(list of up to 50 durations, each 1ms to 168h)\n");
  EXPECT_THAT(errors_in("notify.webhook.schedule = [\"8d\"]"), HasSubstr("element 1: 192h is not"));
  EXPECT_THAT(errors_in("notify.webhook.schedule = [\"5s\", \"5\"]"),
              HasSubstr("element 2: \"5\" does not fit"));
  EXPECT_EQ(errors_in("notify.webhook.schedule = [5]\n"),
            "config.toml:1: notify.webhook.schedule: element 1: expected a string "
            "(list of up to 50 durations, each 1ms to 168h); found the integer 5\n");
  EXPECT_THAT(errors_in("notify.webhook.schedule = [[\"5s\"]]"), HasSubstr("found an array"));
  EXPECT_THAT(errors_in("notify.webhook.schedule = [{}]"), HasSubstr("found a table"));
}

TEST_F(LoadSections, TextInThePlaceOfAList_IsAWrongTypeInAFile) {
  EXPECT_EQ(errors_in("notify.webhook.schedule = \"5s\"\n"),
            "config.toml:1: notify.webhook.schedule: expected an array of strings "
            "(list of up to 50 durations, each 1ms to 168h); found the string \"5s\"\n");
  EXPECT_THAT(errors_in("[[gateway.refused_errors]]\n"),
              HasSubstr("element 1: expected a string (list of up to 100 error codes); "
                        "found a table"));
}

TEST_F(LoadSections, ListsHaveAMostAndMayBeEmpty) {
  const auto schedule = [](int waits) {
    std::string text = "notify.webhook.schedule = [";
    for (int i = 0; i < waits; ++i) text += "\"1s\",";
    return text + "]\n";
  };
  EXPECT_TRUE(options_of({.file = write(schedule(0))}).notify.webhook.schedule.empty());
  EXPECT_EQ(options_of({.file = write(schedule(50))}).notify.webhook.schedule.size(), 50U);
  EXPECT_EQ(errors_in(schedule(51)),
            "config.toml:1: notify.webhook.schedule: it has 51 elements "
            "(list of up to 50 durations, each 1ms to 168h)\n");
}

TEST_F(LoadSections, RefusedErrors_AreNeverEmptyTexts) {
  EXPECT_THAT(errors_in("gateway.refused_errors = [\"a\", \"\"]"),
              HasSubstr("element 2: \"\" does not fit: it must not be empty"));
  EXPECT_THAT(errors_in("gateway.refused_errors = [\"a\\n\"]"), HasSubstr("control character"));
}

TEST_F(LoadSections, Smtp_IsReadWhole) {
  Smtp expected;
  expected.host = "mail.example";
  expected.port = 465;
  expected.from = "pay@a.example";
  expected.to = "{user_id}@a.example";
  expected.username = "u";
  expected.password = "p";
  expected.tls = SmtpTls::kTls;
  expected.ca_file = "ca.pem";
  expected.timeout = seconds{1};
  EXPECT_EQ(options_of({.file = write(R"(
[notify.smtp]
host = "mail.example"
port = 465
from = "pay@a.example"
to = "{user_id}@a.example"
username = "u"
password = "p"
tls = "tls"
ca_file = "ca.pem"
timeout = "1s"
)")})
                .notify.smtp,
            expected);
}

TEST_F(LoadSections, Smtp_NeedsAPortAndAReceiver) {
  EXPECT_THAT(errors_in("notify.smtp.port = 0"), HasSubstr("not in range"));
  EXPECT_THAT(errors_in("notify.smtp.port = 65536"), HasSubstr("not in range"));
  EXPECT_THAT(errors_in("notify.smtp.to = \"\""), HasSubstr("must not be empty"));
  EXPECT_EQ(options_of({.sets = {"notify.smtp.tls=starttls"}}).notify.smtp.tls, SmtpTls::kStarttls);
}

TEST_F(LoadSections, Saga_IsReadWhole) {
  Saga expected;
  expected.payment_version = 2;
  expected.fraud_gate_amount = "0.5";
  expected.compensation.maximum_attempts = 3;
  EXPECT_EQ(options_of({.file = write(R"(
[saga.payment]
version = 2
fraud_gate_amount = "0.5"
[saga.payment.compensation]
maximum_attempts = 3
)")})
                .saga,
            expected);
}

TEST_F(LoadSections, FraudGateAmount_IsADecimalInMajorUnits) {
  const auto errors = [&](const std::string& amount) {
    return errors_in("saga.payment.fraud_gate_amount = \"" + amount + "\"\n");
  };
  EXPECT_EQ(Saga{}.fraud_gate_amount, "1000");
  for (const char* good : {"0", "7", "1000", "0.5", "10.00", "1234567890.123"}) {
    EXPECT_EQ(errors(good), "") << good;
  }
  for (const char* bad :
       {"", ".", "1.", ".5", "01", "00", "-1", "+1", "1,5", "1e3", " 1", "1 ", "1.2.3", "USD"}) {
    EXPECT_THAT(errors(bad), HasSubstr("write a decimal in major units")) << bad;
  }
  EXPECT_THAT(errors_in("saga.payment.fraud_gate_amount = 1000"), HasSubstr("expected a string"));
}

}  // namespace
}  // namespace payonce::config
