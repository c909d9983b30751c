#include "adapters/webhook_notifier.h"

#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>
#include <sys/socket.h>

#include <algorithm>

#include "adapters/curl_call.h"
#include "adapters/notification.h"
#include "base/money.h"
#include "base/time.h"

namespace payonce::adapters {
namespace {

constexpr std::size_t kAnswerMax = 4096;
constexpr long kGoneStatus = 410;

std::string body_of(const core::SendNotification& message) {
  rapidjson::StringBuffer buffer;
  rapidjson::Writer<rapidjson::StringBuffer> json(buffer);
  const auto text = [&](std::string_view value) {
    json.String(value.data(), static_cast<rapidjson::SizeType>(value.size()));
  };
  const auto member = [&](std::string_view key, std::string_view value) {
    text(key);
    text(value);
  };
  json.StartObject();
  member("type", notification_type(message.status));
  member("timestamp", format_rfc3339(message.ended_at));
  text("data");
  json.StartObject();
  member("payment_id", message.payment_id);
  member("user_id", message.user_id);
  member("amount", format_amount(message.amount.minor, message.amount.currency));
  member("currency", message.amount.currency.code());
  member("status", core::name(message.status));
  text("failure");
  if (message.failure == core::FailureCode::kNone) {
    json.Null();
  } else {
    text(core::name(message.failure));
  }
  json.EndObject();
  json.EndObject();
  return {buffer.GetString(), buffer.GetSize()};
}

// curl is about to connect to `to`: only to an address that was judged.
curl_socket_t open_socket(void* allowed, curlsocktype /*purpose*/, curl_sockaddr* to) {
  const auto& addresses = *static_cast<const std::vector<IpAddress>*>(allowed);
  const auto address = IpAddress::from(&to->addr, to->addrlen);
  if (!address || std::ranges::find(addresses, *address) == addresses.end()) {
    return CURL_SOCKET_BAD;
  }
  return ::socket(to->family, to->socktype | SOCK_CLOEXEC, to->protocol);
}

// Drops the answer's body; more than kAnswerMax of it ends the call.
std::size_t drop_body(const char* /*data*/, std::size_t size, std::size_t count, void* seen) {
  auto& total = *static_cast<std::size_t*>(seen);
  total += size * count;
  return total > kAnswerMax ? CURL_WRITEFUNC_ERROR : size * count;
}

struct FreeUrl {
  void operator()(CURLU* url) const { curl_url_cleanup(url); }
};

std::string part(CURLU* url, CURLUPart which, unsigned flags = 0) {
  char* text = nullptr;
  if (curl_url_get(url, which, &text, flags) != CURLUE_OK) {
    return {};
  }
  std::string result(text);
  curl_free(text);
  return result;
}

}  // namespace

Result<WebhookNotifier::Target> WebhookNotifier::parse_url(const std::string& url) {
  const std::unique_ptr<CURLU, FreeUrl> parsed(curl_url());
  const CURLUcode code = parsed == nullptr
                             ? CURLUE_OUT_OF_MEMORY
                             : curl_url_set(parsed.get(), CURLUPART_URL, url.c_str(), 0);
  if (code != CURLUE_OK) {
    return fail(Errc::kInvalid, curl_url_strerror(code));
  }
  const std::string scheme = part(parsed.get(), CURLUPART_SCHEME);
  if (scheme != "http" && scheme != "https") {
    return fail(Errc::kInvalid, "has to begin with http:// or https://");
  }
  const std::string_view authority = std::string_view(url).substr(0, url.find_first_of("/?#", 8));
  if (authority.contains('@') || !part(parsed.get(), CURLUPART_USER).empty() ||
      !part(parsed.get(), CURLUPART_PASSWORD).empty()) {
    return fail(Errc::kInvalid, "may not hold a user name or password");
  }
  if (!part(parsed.get(), CURLUPART_ZONEID).empty()) {
    return fail(Errc::kInvalid, "may not hold a zone");
  }
  Target target{.host = part(parsed.get(), CURLUPART_HOST),
                .port = part(parsed.get(), CURLUPART_PORT, CURLU_DEFAULT_PORT)};
  if (target.host.starts_with('[') && target.host.ends_with(']')) {
    target.host = target.host.substr(1, target.host.size() - 2);
  }
  if (target.host.empty() || target.port.empty() || target.port == "0") {
    return fail(Errc::kInvalid, "no host, or no port that can be called");
  }
  return target;
}

Result<std::unique_ptr<WebhookNotifier>> WebhookNotifier::make(Options options, Clock clock,
                                                               observe::Logger& log,
                                                               Resolver resolver) {
  if (options.secrets.empty()) {
    return fail(Errc::kInvalid, "at least one secret is needed to sign with");
  }
  auto target = parse_url(options.url);
  if (!target) {
    return std::unexpected(target.error());
  }
  return std::unique_ptr<WebhookNotifier>(new WebhookNotifier(
      std::move(options), *std::move(target), std::move(clock), log, std::move(resolver)));
}

WebhookNotifier::WebhookNotifier(Options options, Target target, Clock clock, observe::Logger& log,
                                 Resolver resolver)
    : options_(std::move(options)),
      target_(std::move(target)),
      clock_(std::move(clock)),
      log_(&log),
      resolver_(std::move(resolver)) {}

core::RecordNotification WebhookNotifier::send(const core::SendNotification& message) {
  if (auto failure = mock_failure(message, options_.honour_mock_methods)) {
    return *std::move(failure);
  }
  if (gone_.load(std::memory_order_relaxed)) {
    return answer_to(message, core::NotifyReply::kGone, "endpoint disabled by 410");
  }
  return judge(message, post(notification_id(message), body_of(message)));
}

std::vector<std::string> WebhookNotifier::headers(const std::string& id, const std::string& body) {
  const std::int64_t now = clock_();
  return {"Content-Type: application/json",
          "User-Agent: payonce",
          "Accept: */*",
          "Expect:",  // none: the body is small
          "webhook-id: " + id,
          "webhook-timestamp: " + std::to_string(now),
          "webhook-signature: " + webhook::sign(options_.secrets, id, now, body)};
}

WebhookNotifier::Answer WebhookNotifier::post(const std::string& id, const std::string& body) {
  const auto start = std::chrono::steady_clock::now();
  const auto addresses = guarded_addresses(resolver_, target_.host, options_.allow_private);
  if (!addresses) {
    return {.error = addresses.error().message};
  }
  // The timeout counts from the start, and curl takes 0 for none.
  const auto left = options_.timeout - std::chrono::duration_cast<std::chrono::milliseconds>(
                                           std::chrono::steady_clock::now() - start);
  if (left.count() <= 0) {
    return {.error = "timeout while resolving " + target_.host};
  }
  std::size_t answered = 0;  // bytes
  CurlCall call("http,https", options_.url,
                {.timeout = left, .ca_file = options_.ca_file, .stop = &stopping_});
  // The name is known to curl already; should it ask for another one, open_socket() refuses.
  std::string known = target_.host + ":" + target_.port + ":";
  for (const IpAddress& address : *addresses) {
    known += (known.ends_with(':') ? "" : ",") +
             (address.v4() ? address.text() : "[" + address.text() + "]");
  }
  if (!IpAddress::parse(target_.host)) {
    call.set_list(CURLOPT_RESOLVE, std::vector{known});
  }
  call.set_list(CURLOPT_HTTPHEADER, headers(id, body));
  call.set(CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  call.set(CURLOPT_POST, 1L);
  call.set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(body.size()));
  call.set(CURLOPT_POSTFIELDS, body.c_str());
  call.set(CURLOPT_OPENSOCKETFUNCTION, &open_socket);
  call.set(CURLOPT_OPENSOCKETDATA, static_cast<const void*>(&*addresses));
  call.set(CURLOPT_WRITEFUNCTION, &drop_body);
  call.set(CURLOPT_WRITEDATA, static_cast<void*>(&answered));
  const CURLcode code = call.perform();
  // A long body says nothing about the status that came before it.
  if (code != CURLE_OK && answered <= kAnswerMax) {
    return {.error = call.error(code)};
  }
  return {.status = call.status(), .retry_after_s = call.retry_after(), .error = {}};
}

core::RecordNotification WebhookNotifier::judge(const core::SendNotification& message,
                                                const Answer& answer) {
  if (answer.status == 0) {
    return answer_to(message, core::NotifyReply::kFailed,
                     answer.error.empty() ? "no answer" : answer.error);
  }
  if (answer.status >= 200 && answer.status <= 299) {
    return answer_to(message, core::NotifyReply::kDelivered);
  }
  if (answer.status == kGoneStatus) {
    if (!gone_.exchange(true)) {
      log_->warn("webhook_disabled", {{"status", answer.status}, {"host", target_.host}});
    }
    return answer_to(message, core::NotifyReply::kGone, "status 410");
  }
  std::string error = "status " + std::to_string(answer.status);
  if (answer.status >= 300 && answer.status <= 399) {
    error += ", redirects are not followed";
  }
  if (answer.retry_after_s > 0) {
    error += ", retry after " + std::to_string(answer.retry_after_s) + " s";
  }
  return answer_to(message, core::NotifyReply::kFailed, error);
}

}  // namespace payonce::adapters
