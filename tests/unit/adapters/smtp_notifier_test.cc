#include "adapters/smtp_notifier.h"

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "adapters/notification.h"
#include "base/time.h"
#include "support/helper_process.h"
#include "support/notifications.h"
#include "support/temp_dir.h"

namespace payonce::adapters {
namespace {

using testing_support::notification;

SmtpNotifier::Options options(int port) {
  return {.host = "127.0.0.1",
          .port = static_cast<std::uint32_t>(port),
          .from = "payments@shop.test",
          .to = "{user_id}@mail.test",
          .username = {},
          .password = {},
          .tls = config::SmtpTls::kNone,
          .timeout = std::chrono::seconds(20),
          .ca_file = {},
          .honour_mock_methods = true};
}

core::SendNotification letter(std::uint32_t attempt = 1) {
  return notification(core::NotifyChannel::kSmtp, attempt);
}

// A mail server as another process.
class MailServer {
 public:
  explicit MailServer(std::vector<std::string> arguments = {}) : process_(with(arguments)) {
    const auto started = process_.next();
    EXPECT_TRUE(started.IsObject()) << "python3-aiosmtpd is needed: scripts/deps.sh test";
    if (started.IsObject()) {
      port = started["port"].GetInt();
      certificate = started["certificate"].IsString() ? started["certificate"].GetString() : "";
    }
  }
  [[nodiscard]] rapidjson::Document next_mail() { return process_.next(); }

  int port = 0;
  std::string certificate;

 private:
  static std::vector<std::string> with(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "mail_server.py");
    return arguments;
  }
  testing_support::HelperProcess process_;
};

core::RecordNotification send(const SmtpNotifier::Options& options,
                              const core::SendNotification& what = letter()) {
  auto notifier = SmtpNotifier::make(options);
  EXPECT_TRUE(notifier) << notifier.error().message;
  return notifier ? (*notifier)->send(what) : core::RecordNotification{};
}

TEST(SmtpNotifier, Mail_ArrivesAsItShould) {
  MailServer server;
  const auto answer = send(options(server.port), letter(2));
  EXPECT_EQ(answer.reply, core::NotifyReply::kDelivered) << answer.error;
  EXPECT_EQ(answer.payment_id, "pay_1");
  EXPECT_EQ(answer.channel, core::NotifyChannel::kSmtp);
  EXPECT_EQ(answer.attempt, 2U);
  const auto mail = server.next_mail();
  ASSERT_TRUE(mail.IsObject());
  EXPECT_EQ(std::string(mail["sender"].GetString()), "payments@shop.test");
  ASSERT_EQ(mail["recipients"].Size(), 1U);
  EXPECT_EQ(std::string(mail["recipients"][0].GetString()), "user-1@mail.test");
  EXPECT_EQ(std::string(mail["mail"].GetString()),
            "Date: Sat, 21 Nov 2026 09:30:00 +0000\r\n"
            "From: payments@shop.test\r\n"
            "To: user-1@mail.test\r\n"
            "Subject: Payment pay_1: success\r\n"
            "Message-ID: <" +
                notification_id(letter()) +
                "@shop.test>\r\n"
                "MIME-Version: 1.0\r\n"
                "Content-Type: text/plain; charset=utf-8\r\n"
                "Content-Transfer-Encoding: 7bit\r\n"
                "Auto-Submitted: auto-generated\r\n"
                "\r\n"
                "Payment: pay_1\r\n"
                "User: user-1\r\n"
                "Amount: 10.50 USD\r\n"
                "Status: success\r\n"
                "Time: 2026-11-21T09:30:00.500000Z\r\n");
}

TEST(SmtpNotifier, TwoAttempts_AreTheSameMail) {
  MailServer server;
  auto failed = letter(1);
  failed.status = core::PaymentStatus::kFail;
  failed.failure = core::FailureCode::kInsufficientFunds;
  EXPECT_EQ(send(options(server.port), failed).reply, core::NotifyReply::kDelivered);
  failed.attempt = 2;
  EXPECT_EQ(send(options(server.port), failed).reply, core::NotifyReply::kDelivered);
  const auto first = server.next_mail();
  const auto second = server.next_mail();
  ASSERT_TRUE(first.IsObject() && second.IsObject());
  EXPECT_EQ(std::string(first["mail"].GetString()), second["mail"].GetString());
  EXPECT_TRUE(std::string(first["mail"].GetString()).contains("Failure: insufficient_funds\r\n"));
}

TEST(SmtpNotifier, HostileText_CannotAddHeadersOrCommands) {
  MailServer server;
  auto hostile = letter();
  hostile.payment_id = "pay\r\nBcc: all@mail.test\r\n\r\n.\r\nQUIT\xc3\xa9";
  EXPECT_EQ(send(options(server.port), hostile).reply, core::NotifyReply::kDelivered);
  const auto mail = server.next_mail();
  ASSERT_TRUE(mail.IsObject());
  const std::string text = mail["mail"].GetString();
  EXPECT_TRUE(text.contains("Subject: Payment pay??Bcc: all@mail.test????.??QUIT??: success\r\n"))
      << text;
  EXPECT_EQ(mail["recipients"].Size(), 1U);
  for (const char* user : {"a\r\nRCPT TO:<b@mail.test>", "a b", "a>", "<a", "a@b", "", "a\"b",
                           "a\\", "\xc3\xa9", "a\n"}) {
    hostile = letter();
    hostile.user_id = user;
    const auto answer = send(options(server.port), hostile);
    EXPECT_EQ(answer.reply, core::NotifyReply::kGone) << user;
    EXPECT_EQ(answer.error, "no mail address can hold the user's id");
  }
}

TEST(SmtpNotifier, ALocalPartThatNeedsQuotes_GetsThem) {
  MailServer server;
  auto what = letter();
  what.user_id = "shop:user.";
  EXPECT_EQ(send(options(server.port), what).reply, core::NotifyReply::kDelivered);
  const auto mail = server.next_mail();
  ASSERT_TRUE(mail.IsObject());
  EXPECT_EQ(std::string(mail["recipients"][0].GetString()), "\"shop:user.\"@mail.test");
}

TEST(SmtpNotifier, LastingRefusal_IsGone) {
  for (const char* command : {"--mail", "--rcpt", "--data"}) {
    const MailServer server({command, "550 5.1.1 no such user"});
    const auto answer = send(options(server.port));
    EXPECT_EQ(answer.reply, core::NotifyReply::kGone) << command << ": " << answer.error;
    EXPECT_TRUE(answer.error.contains("550 5.1.1 no such user")) << answer.error;
  }
}

TEST(SmtpNotifier, PassingRefusal_Failed) {
  for (const char* command : {"--mail", "--rcpt", "--data"}) {
    const MailServer server({command, "451 4.3.0 try later"});
    const auto answer = send(options(server.port));
    EXPECT_EQ(answer.reply, core::NotifyReply::kFailed) << command;
    EXPECT_TRUE(answer.error.contains("451 4.3.0 try later")) << answer.error;
  }
}

TEST(SmtpNotifier, Login_WithTheRightPasswordOnly) {
  MailServer server({"--login", "shop:open-sesame"});
  auto good = options(server.port);
  good.username = "shop";
  good.password = "open-sesame";
  const auto answer = send(good);
  EXPECT_EQ(answer.reply, core::NotifyReply::kDelivered) << answer.error;
  const auto mail = server.next_mail();
  ASSERT_TRUE(mail.IsObject());
  EXPECT_TRUE(mail["authenticated"].GetBool());
  good.password = "close-sesame";
  const auto refused = send(good);
  EXPECT_EQ(refused.reply, core::NotifyReply::kFailed);  // may be mended, unlike the mail
  EXPECT_FALSE(refused.error.empty());
  EXPECT_FALSE(refused.error.contains("sesame")) << refused.error;
}

TEST(SmtpNotifier, Password_IsNotInTheErrorEvenIfTheServerSaysIt) {
  const MailServer server(
      {"--login", "shop:open-sesame", "--rcpt", "451 so your password is open-sesame"});
  auto with = options(server.port);
  with.username = "shop";
  with.password = "open-sesame";
  const auto answer = send(with);
  EXPECT_TRUE(answer.error.contains("so your password is ***")) << answer.error;
  EXPECT_FALSE(answer.error.contains("sesame")) << answer.error;
}

TEST(SmtpNotifier, Tls_OnlyWithACertificateThatIsVouchedFor) {
  for (const auto& [name, tls] : {std::pair{"starttls", config::SmtpTls::kStarttls},
                                  std::pair{"tls", config::SmtpTls::kTls}}) {
    const testing_support::TempDir folder;
    MailServer server({"--tls", name, "--folder", folder.path(), "--login", "shop:open-sesame"});
    auto secure = options(server.port);
    secure.host = "localhost";
    secure.tls = tls;
    secure.username = "shop";
    secure.password = "open-sesame";
    const auto unknown = send(secure);
    EXPECT_EQ(unknown.reply, core::NotifyReply::kFailed) << name;
    EXPECT_TRUE(unknown.error.contains("certificate")) << unknown.error;
    secure.ca_file = server.certificate;
    const auto answer = send(secure);
    EXPECT_EQ(answer.reply, core::NotifyReply::kDelivered) << name << ": " << answer.error;
    const auto mail = server.next_mail();
    ASSERT_TRUE(mail.IsObject());
    EXPECT_TRUE(mail["encrypted"].GetBool());
    EXPECT_TRUE(mail["authenticated"].GetBool());
  }
}

TEST(SmtpNotifier, AServerWithoutStarttls_GetsNothing) {
  const MailServer server;
  auto secure = options(server.port);
  secure.tls = config::SmtpTls::kStarttls;
  const auto answer = send(secure);
  EXPECT_EQ(answer.reply, core::NotifyReply::kFailed);
  EXPECT_TRUE(answer.error.contains("STARTTLS")) << answer.error;
}

TEST(SmtpNotifier, NobodyListens_Fails) {
  const auto answer = send(options(testing_support::closed_port()));
  EXPECT_EQ(answer.reply, core::NotifyReply::kFailed);
  EXPECT_FALSE(answer.error.empty());
}

TEST(SmtpNotifier, NoAnswer_EndsWithTheTimeoutOrTheStop) {
  testing_support::SilentListener silent;
  auto hasty = options(silent.port());
  hasty.timeout = std::chrono::milliseconds(150);
  const auto start = std::chrono::steady_clock::now();
  const auto answer = send(hasty);
  EXPECT_EQ(answer.reply, core::NotifyReply::kFailed);
  EXPECT_TRUE(answer.error.contains("timed out")) << answer.error;
  hasty.timeout = std::chrono::minutes(10);
  const auto notifier = *SmtpNotifier::make(hasty);
  core::RecordNotification stopped;
  std::thread worker([&] { stopped = notifier->send(letter()); });
  EXPECT_TRUE(silent.called(2));
  notifier->stop();
  worker.join();
  EXPECT_EQ(stopped.reply, core::NotifyReply::kFailed);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(20));
}

TEST(SmtpNotifier, MockFailure_MakesNoCall) {
  auto what = letter();
  what.payment_method = "pm_notify_fail";
  const auto answer = send(options(testing_support::closed_port()), what);
  EXPECT_EQ(answer.reply, core::NotifyReply::kFailed);
  EXPECT_EQ(answer.error, "mock: pm_notify_fail");
}

TEST(SmtpNotifier, Options_AreChecked) {
  const auto refused = [](auto change) {
    auto changed = options(25);
    change(changed);
    const auto made = SmtpNotifier::make(changed);
    return made ? std::string("taken") : made.error().message.substr(0, 5);
  };
  for (const char* host : {"", "a b", "a/b", "user@host", "host\r\n", "[::1]", "http://host"}) {
    EXPECT_EQ(refused([&](auto& o) { o.host = host; }), "host:") << host;
  }
  for (const char* host : {"::1", "mail.test", "127.0.0.1"}) {
    EXPECT_EQ(refused([&](auto& o) { o.host = host; }), "taken") << host;
  }
  EXPECT_EQ(refused([](auto& o) { o.port = 0; }), "port:");
  EXPECT_EQ(refused([](auto& o) { o.port = 65'536; }), "port:");
  for (const char* from :
       {"", "payments", "a@", "@b", "a@b@c", "a b@c", "A <a@b>", "a@b\r\nX: y"}) {
    EXPECT_EQ(refused([&](auto& o) { o.from = from; }), "from:") << from;
  }
  EXPECT_EQ(refused([](auto& o) { o.to = "{user_id}"; }), "taken");
  EXPECT_EQ(refused([](auto& o) { o.to = "all@shop.test"; }), "taken");
  EXPECT_EQ(refused([](auto& o) { o.to = "{user_id}@"; }), "to: h");
  EXPECT_EQ(refused([](auto& o) { o.to = ""; }), "to: h");
}

TEST(MailDate, IsThatOfRfc5322) {
  EXPECT_EQ(mail_date(*parse_rfc3339("1994-11-06T08:49:37.999999Z")),
            "Sun, 6 Nov 1994 08:49:37 +0000");
  EXPECT_EQ(mail_date(Timestamp{}), "Thu, 1 Jan 1970 00:00:00 +0000");
  EXPECT_EQ(mail_date(Timestamp{-1}), "Wed, 31 Dec 1969 23:59:59 +0000");
  EXPECT_EQ(mail_date(Timestamp{INT64_MIN}), "Sat, 1 Jan 0000 00:00:00 +0000");
}

}  // namespace
}  // namespace payonce::adapters
