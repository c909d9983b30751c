#include "adapters/webhook_notifier.h"

#include <gtest/gtest.h>
#include <httplib.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <rapidjson/document.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "support/helper_process.h"
#include "support/notifications.h"
#include "support/temp_dir.h"

namespace payonce::adapters {
namespace {

using testing_support::notification;

constexpr std::int64_t kNow = 1'795'253'400;
// 32 bytes "0123456789abcdef0123456789abcdef", and 24 of "k".
constexpr const char* kSecret = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
constexpr const char* kKey = "0123456789abcdef0123456789abcdef";
constexpr const char* kOtherSecret = "whsec_a2tra2tra2tra2tra2tra2tra2tra2tr";
constexpr const char* kOtherKey = "kkkkkkkkkkkkkkkkkkkkkkkk";

// A receiver on every IPv4 address of this machine; requests are kept.
class Receiver {
 public:
  struct Seen {
    std::string method;
    std::string path;
    httplib::Headers headers;
    std::string body;
    std::string local_address;
  };
  using Answer = std::function<void(const httplib::Request&, httplib::Response&)>;

  explicit Receiver(int status) : Receiver([status](const auto&, auto& r) { r.status = status; }) {}
  explicit Receiver(Answer answer) {
    const auto handle = [this, answer = std::move(answer)](const httplib::Request& request,
                                                           httplib::Response& response) {
      {
        const std::lock_guard lock(mutex_);
        seen_.push_back(
            {request.method, request.target, request.headers, request.body, request.local_addr});
      }
      answer(request, response);
    };
    server_.Post(".*", handle);
    server_.Get(".*", handle);
    port_ = server_.bind_to_any_port("0.0.0.0");
    thread_ = std::thread([this] { server_.listen_after_bind(); });
    server_.wait_until_ready();
  }
  ~Receiver() {
    server_.stop();
    thread_.join();
  }

  [[nodiscard]] int port() const { return port_; }
  [[nodiscard]] std::string url(const std::string& host = "127.0.0.1") const {
    return "http://" + host + ":" + std::to_string(port_) + "/hook?for=payments";
  }
  [[nodiscard]] std::vector<Seen> seen() const {
    const std::lock_guard lock(mutex_);
    return seen_;
  }

 private:
  httplib::Server server_;
  std::thread thread_;
  int port_ = 0;
  mutable std::mutex mutex_;
  std::vector<Seen> seen_;
};

struct World {
  observe::Logger log{observe::Level::kError};
  std::int64_t now = kNow;

  WebhookNotifier::Options options(const std::string& url) {
    return {.url = url,
            .secrets = {*webhook::Secret::parse(kSecret)},
            .timeout = std::chrono::seconds(20),
            .allow_private = true,
            .ca_file = {},
            .honour_mock_methods = true};
  }
  std::unique_ptr<WebhookNotifier> make(WebhookNotifier::Options options,
                                        Resolver resolver = resolve) {
    auto made = WebhookNotifier::make(
        std::move(options), [this] { return now; }, log, std::move(resolver));
    EXPECT_TRUE(made) << made.error().message;
    return *std::move(made);
  }
  std::unique_ptr<WebhookNotifier> make(const std::string& url) { return make(options(url)); }
};

core::SendNotification message(std::uint32_t attempt = 1) {
  return notification(core::NotifyChannel::kWebhook, attempt);
}

std::string header(const Receiver::Seen& seen, const std::string& name) {
  const auto found = seen.headers.find(name);
  return found == seen.headers.end() ? "" : found->second;
}

// Computed here, not by the code under test.
std::string signature(const std::string& key, const Receiver::Seen& seen) {
  const std::string text =
      header(seen, "webhook-id") + "." + header(seen, "webhook-timestamp") + "." + seen.body;
  unsigned char mac[32];
  unsigned size = sizeof mac;
  HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
       reinterpret_cast<const unsigned char*>(text.data()), text.size(), mac, &size);
  unsigned char encoded[45];
  EVP_EncodeBlock(encoded, mac, 32);
  return "v1," + std::string(reinterpret_cast<const char*>(encoded));
}

std::chrono::milliseconds time_of(const std::function<void()>& f) {
  const auto start = std::chrono::steady_clock::now();
  f();
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() -
                                                               start);
}

TEST(WebhookNotifier, Request_SaysWhatTheStandardAsksFor) {
  World world;
  const Receiver receiver(204);
  const auto notifier = world.make(receiver.url());
  const auto answer = notifier->send(message(3));
  EXPECT_EQ(answer.reply, core::NotifyReply::kDelivered);
  EXPECT_EQ(answer.payment_id, "pay_1");
  EXPECT_EQ(answer.channel, core::NotifyChannel::kWebhook);
  EXPECT_EQ(answer.attempt, 3U);
  EXPECT_EQ(answer.error, "");
  ASSERT_EQ(receiver.seen().size(), 1U);
  const auto seen = receiver.seen().front();
  EXPECT_EQ(seen.method, "POST");
  EXPECT_EQ(seen.path, "/hook?for=payments");
  EXPECT_EQ(header(seen, "Content-Type"), "application/json");
  EXPECT_EQ(header(seen, "webhook-timestamp"), std::to_string(kNow));
  EXPECT_EQ(header(seen, "webhook-signature"), signature(kKey, seen));
  EXPECT_EQ(seen.body,
            R"({"type":"payment.success","timestamp":"2026-11-21T09:30:00.500000Z","data":{)"
            R"("payment_id":"pay_1","user_id":"user-1","amount":"10.50","currency":"USD",)"
            R"("status":"success","failure":null}})");
}

TEST(WebhookNotifier, Failure_IsNamedInTheBody) {
  World world;
  const Receiver receiver(200);
  auto failed = message();
  failed.status = core::PaymentStatus::kFail;
  failed.failure = core::FailureCode::kGatewayDeclined;
  EXPECT_EQ(world.make(receiver.url())->send(failed).reply, core::NotifyReply::kDelivered);
  rapidjson::Document body;
  body.Parse(receiver.seen().at(0).body);
  EXPECT_EQ(std::string(body["type"].GetString()), "payment.fail");
  EXPECT_EQ(body["data"]["failure"].GetString(), core::name(core::FailureCode::kGatewayDeclined));
}

TEST(WebhookNotifier, TwoAttempts_SameIdAndBodyOtherTimestamp) {
  World world;
  const Receiver receiver(500);
  const auto notifier = world.make(receiver.url());
  EXPECT_EQ(notifier->send(message(1)).error, "status 500");
  world.now += 300;
  EXPECT_EQ(notifier->send(message(2)).reply, core::NotifyReply::kFailed);
  const auto seen = receiver.seen();
  ASSERT_EQ(seen.size(), 2U);
  const std::string id = header(seen[0], "webhook-id");
  EXPECT_TRUE(id.starts_with("msg_") && !id.contains('.')) << id;
  EXPECT_EQ(header(seen[1], "webhook-id"), id);
  EXPECT_EQ(seen[1].body, seen[0].body);
  EXPECT_EQ(header(seen[0], "webhook-timestamp"), std::to_string(kNow));
  EXPECT_EQ(header(seen[1], "webhook-timestamp"), std::to_string(kNow + 300));
  EXPECT_EQ(header(seen[1], "webhook-signature"), signature(kKey, seen[1]));
}

TEST(WebhookNotifier, TwoSecrets_TwoSignatures) {
  World world;
  const Receiver receiver(200);
  auto options = world.options(receiver.url());
  options.secrets.push_back(*webhook::Secret::parse(kOtherSecret));
  EXPECT_EQ(world.make(options)->send(message()).reply, core::NotifyReply::kDelivered);
  const auto seen = receiver.seen().at(0);
  EXPECT_EQ(header(seen, "webhook-signature"),
            signature(kKey, seen) + " " + signature(kOtherKey, seen));
}

TEST(WebhookNotifier, Status_DecidesAndIsNamed) {
  World world;
  for (const int status : {200, 201, 202, 204, 299}) {
    const Receiver receiver(status);
    EXPECT_EQ(world.make(receiver.url())->send(message()).reply, core::NotifyReply::kDelivered)
        << status;
  }
  for (const int status : {400, 401, 404, 429, 500, 502, 503, 504}) {
    const Receiver receiver(status);
    const auto answer = world.make(receiver.url())->send(message());
    EXPECT_EQ(answer.reply, core::NotifyReply::kFailed) << status;
    EXPECT_EQ(answer.error, "status " + std::to_string(status));
  }
}

TEST(WebhookNotifier, Redirect_IsNotFollowed) {
  World world;
  const Receiver elsewhere(200);
  for (const int status : {301, 302, 303, 307, 308}) {
    const Receiver receiver([&](const httplib::Request&, httplib::Response& response) {
      response.set_redirect(elsewhere.url(), status);
    });
    const auto answer = world.make(receiver.url())->send(message());
    EXPECT_EQ(answer.reply, core::NotifyReply::kFailed);
    EXPECT_EQ(answer.error, "status " + std::to_string(status) + ", redirects are not followed");
    EXPECT_EQ(receiver.seen().size(), 1U);
  }
  EXPECT_TRUE(elsewhere.seen().empty());
}

TEST(WebhookNotifier, Gone_EndsAllCallsAndIsLoggedOnce) {
  testing::internal::CaptureStderr();
  std::vector<core::RecordNotification> answers;
  std::size_t calls = 0;
  {
    World world;
    world.log.set_level(observe::Level::kWarn);
    const Receiver receiver(410);
    const auto notifier = world.make(receiver.url());
    for (std::uint32_t attempt = 1; attempt <= 3; ++attempt) {
      answers.push_back(notifier->send(message(attempt)));
    }
    calls = receiver.seen().size();
  }
  const std::string logged = testing::internal::GetCapturedStderr();
  EXPECT_EQ(calls, 1U);
  EXPECT_EQ(answers[0].error, "status 410");
  EXPECT_EQ(answers[1].error, "endpoint disabled by 410");
  for (const auto& answer : answers) {
    EXPECT_EQ(answer.reply, core::NotifyReply::kGone);
  }
  EXPECT_EQ(answers[2].attempt, 3U);
  EXPECT_EQ(std::ranges::count(logged, '\n'), 1) << logged;
  EXPECT_TRUE(logged.contains(R"("event":"webhook_disabled")")) << logged;
}

TEST(WebhookNotifier, RetryAfter_IsInTheError) {
  World world;
  const Receiver receiver([](const httplib::Request&, httplib::Response& response) {
    response.status = 503;
    response.set_header("Retry-After", "30");
  });
  EXPECT_EQ(world.make(receiver.url())->send(message()).error, "status 503, retry after 30 s");
}

TEST(WebhookNotifier, LongAnswer_IsCutOffAndItsStatusCounts) {
  World world;
  for (const int status : {200, 500}) {
    // Chunks without an end: only a client that stops reading gets away.
    const Receiver receiver([status](const httplib::Request&, httplib::Response& response) {
      response.status = status;
      response.set_chunked_content_provider("text/plain", [](std::size_t, httplib::DataSink& sink) {
        const std::string piece(1024, 'x');
        return sink.write(piece.data(), piece.size());
      });
    });
    const auto answer = world.make(receiver.url())->send(message());
    EXPECT_EQ(answer.reply,
              status == 200 ? core::NotifyReply::kDelivered : core::NotifyReply::kFailed)
        << answer.error;
  }
}

TEST(WebhookNotifier, NoAnswer_EndsWithTheTimeout) {
  World world;
  testing_support::SilentListener silent;
  auto options = world.options("http://127.0.0.1:" + std::to_string(silent.port()) + "/");
  options.timeout = std::chrono::milliseconds(150);
  const auto notifier = world.make(options);
  core::RecordNotification answer;
  EXPECT_LT(time_of([&] { answer = notifier->send(message()); }), std::chrono::seconds(10));
  EXPECT_EQ(answer.reply, core::NotifyReply::kFailed);
  EXPECT_TRUE(answer.error.contains("timed out")) << answer.error;
}

TEST(WebhookNotifier, Stop_EndsACallThatWaits) {
  World world;
  testing_support::SilentListener silent;
  auto options = world.options("http://127.0.0.1:" + std::to_string(silent.port()) + "/");
  options.timeout = std::chrono::minutes(10);
  const auto notifier = world.make(options);
  core::RecordNotification answer;
  std::thread worker([&] { answer = notifier->send(message()); });
  EXPECT_TRUE(silent.called(1));
  notifier->stop();
  worker.join();
  EXPECT_EQ(answer.reply, core::NotifyReply::kFailed);
}

TEST(WebhookNotifier, NobodyListens_Fails) {
  World world;
  const auto answer =
      world.make("http://127.0.0.1:" + std::to_string(testing_support::closed_port()) + "/")
          ->send(message());
  EXPECT_EQ(answer.reply, core::NotifyReply::kFailed);
  EXPECT_FALSE(answer.error.empty());
}

TEST(WebhookNotifier, PrivateAddresses_AreRefusedHoweverTheyAreWritten) {
  World world;
  const Receiver receiver(200);
  for (const char* host :
       {"127.0.0.1", "localhost", "0x7f.1", "2130706433", "017700000001", "0.0.0.0", "[::1]",
        "[::ffff:127.0.0.1]", "[64:ff9b::7f00:1]", "10.0.0.1", "169.254.169.254", "LOCALHOST"}) {
    auto options = world.options(receiver.url(host));
    options.allow_private = false;
    const auto answer = world.make(options)->send(message());
    EXPECT_EQ(answer.reply, core::NotifyReply::kFailed) << host;
    EXPECT_TRUE(answer.error.starts_with("refused: ")) << host << ": " << answer.error;
  }
  EXPECT_TRUE(receiver.seen().empty());
}

TEST(WebhookNotifier, AName_IsResolvedOnceAndOnlyItsAddressesAreCalled) {
  World world;
  const Receiver receiver(200);
  for (const char* host : {"localhost", "hook.test", "LOCALHOST", "localhost.", "127.0.0.9"}) {
    int resolved = 0;
    const auto notifier = world.make(
        world.options(receiver.url(host)),
        [&](const std::string&) -> Result<std::vector<IpAddress>> {
          ++resolved;  // a second look would find another machine
          return std::vector{*IpAddress::parse(resolved == 1 ? "127.0.0.9" : "127.0.0.10")};
        });
    const auto answer = notifier->send(message());
    EXPECT_EQ(resolved, 1) << host;
    EXPECT_EQ(answer.reply, core::NotifyReply::kDelivered) << host << ": " << answer.error;
    EXPECT_EQ(receiver.seen().back().local_address, "127.0.0.9") << host;
  }
}

TEST(WebhookNotifier, AnAddressThatWasNotJudged_IsNotCalled) {
  World world;
  const Receiver receiver(200);
  // The guard is told another address than the one in the URL.
  const auto notifier = world.make(world.options(receiver.url()),
                                   [](const std::string&) -> Result<std::vector<IpAddress>> {
                                     return std::vector{*IpAddress::parse("127.0.0.9")};
                                   });
  EXPECT_EQ(notifier->send(message()).reply, core::NotifyReply::kFailed);
  EXPECT_TRUE(receiver.seen().empty());
}

TEST(WebhookNotifier, Url_HasToBeHttpWithoutAUser) {
  observe::Logger log(observe::Level::kError);
  const auto make = [&](const std::string& url) {
    World world;
    return WebhookNotifier::make(
        world.options(url), [] { return kNow; }, log);
  };
  for (const char* url :
       {"", "hook.test", "hook.test/path", "ftp://hook.test/", "file:///etc/passwd",
        "smtp://hook.test", "http://", "http:///", "http://user@hook.test/",
        "http://user:xyzzy@hook.test/", "http://@hook.test/", "http://:@hook.test", "http://ho st/",
        "http://hook.test:0/", "http://hook.test:99999/", "http://[::1", "http://[fe80::1%25lo]/",
        "http://hook.test\r\nX: y/"}) {
    EXPECT_FALSE(make(url)) << url;
  }
  EXPECT_FALSE(make("http://user:xyzzy@hook.test/").error().message.contains("xyzzy"));
  for (const char* url : {"http://hook.test", "https://hook.test/a@b?c=@d", "http://127.0.0.1:1/",
                          "HTTPS://hook.test:8443/#part", "http://[::1]:80/"}) {
    EXPECT_TRUE(make(url)) << url;
  }
  World world;
  auto options = world.options("http://hook.test");
  options.secrets.clear();
  EXPECT_FALSE(WebhookNotifier::make(
      options, [] { return kNow; }, log));
}

TEST(WebhookNotifier, MockFailure_MakesNoCall) {
  World world;
  const Receiver receiver(200);
  auto options = world.options(receiver.url());
  auto asked = message();
  asked.payment_method = "pm_notify_fail";
  EXPECT_EQ(world.make(options)->send(asked).error, "mock: pm_notify_fail");
  EXPECT_TRUE(receiver.seen().empty());
  options.honour_mock_methods = false;
  EXPECT_EQ(world.make(options)->send(asked).reply, core::NotifyReply::kDelivered);
}

TEST(WebhookNotifier, ProxiesOfTheEnvironment_AreNotUsed) {
  World world;
  const Receiver receiver(200);
  const std::string nowhere = "http://127.0.0.1:" + std::to_string(testing_support::closed_port());
  for (const char* name : {"http_proxy", "ALL_PROXY"}) {
    ::setenv(name, nowhere.c_str(), 1);
  }
  const auto answer = world.make(receiver.url())->send(message());
  for (const char* name : {"http_proxy", "ALL_PROXY"}) {
    ::unsetenv(name);
  }
  EXPECT_EQ(answer.reply, core::NotifyReply::kDelivered) << answer.error;
}

TEST(WebhookNotifier, ManyThreads_ShareOneNotifier) {
  World world;
  const Receiver receiver(200);
  const auto notifier = world.make(receiver.url("localhost"));
  std::atomic<int> delivered{0};
  std::vector<std::thread> workers;
  for (int i = 0; i < 4; ++i) {
    workers.emplace_back([&] {
      for (std::uint32_t attempt = 1; attempt <= 5; ++attempt) {
        delivered += notifier->send(message(attempt)).reply == core::NotifyReply::kDelivered;
      }
    });
  }
  for (std::thread& worker : workers) {
    worker.join();
  }
  EXPECT_EQ(delivered, 20);
}

TEST(WebhookNotifier, Https_OnlyWithACertificateThatIsVouchedFor) {
  World world;
  const testing_support::TempDir folder;
  testing_support::HelperProcess server({"https_server.py", folder.path()});
  const auto started = server.next();
  ASSERT_TRUE(started.IsObject())
      << "openssl and Debian's python3 are needed: scripts/deps.sh test";
  const std::string port = std::to_string(started["port"].GetInt());
  auto options = world.options("https://localhost:" + port + "/hook");
  const auto unknown = world.make(options)->send(message());
  EXPECT_EQ(unknown.reply, core::NotifyReply::kFailed);
  EXPECT_TRUE(unknown.error.contains("certificate")) << unknown.error;
  options.ca_file = started["certificate"].GetString();
  const auto answer = world.make(options)->send(message());
  EXPECT_EQ(answer.reply, core::NotifyReply::kDelivered) << answer.error;
  const auto body = server.next();
  ASSERT_TRUE(body.IsObject());
  EXPECT_TRUE(std::string(body["body"].GetString()).contains("payment.success"));
  // The name has to be the certificate's, wherever it leads.
  options.url = "https://hook.test:" + port + "/hook";
  const auto other = world.make(options, [](const std::string&) { return resolve("127.0.0.1"); });
  EXPECT_EQ(other->send(message()).reply, core::NotifyReply::kFailed);
}

}  // namespace
}  // namespace payonce::adapters
