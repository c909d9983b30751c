#include "adapters/smtp_notifier.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstring>
#include <vector>

#include "adapters/curl_call.h"
#include "adapters/notification.h"
#include "base/money.h"
#include "base/time.h"

namespace payonce::adapters {
namespace {

constexpr std::string_view kUserId = "{user_id}";
constexpr std::size_t kAddressMax = 254;  // RFC 5321 section 4.5.3.1.3, without the brackets
constexpr std::size_t kFieldMax = 200;    // of text in a line, which may have 998 characters
constexpr std::size_t kReplyMax = 4096;   // of a server's line

bool alphanumeric(char c) {
  return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

bool dot_atom(std::string_view text) {
  constexpr std::string_view kOthers = "!#$%&'*+-/=?^_`{|}~.";
  return !text.empty() && !text.starts_with('.') && !text.ends_with('.') && !text.contains("..") &&
         std::ranges::all_of(text, [&](char c) { return alphanumeric(c) || kOthers.contains(c); });
}

// A name, or an address in brackets.
bool mail_domain(std::string_view text) {
  if (text.starts_with('[') && text.ends_with(']')) {
    text = text.substr(1, text.size() - 2);
    return !text.empty() && std::ranges::all_of(text, [](char c) {
      return alphanumeric(c) || c == '.' || c == ':';
    });
  }
  return dot_atom(text) && std::ranges::all_of(text, [](char c) {
           return alphanumeric(c) || c == '.' || c == '-' || c == '_';
         });
}

Result<std::string> url_of(const SmtpNotifier::Options& options) {
  const bool good = !options.host.empty() && std::ranges::all_of(options.host, [](char c) {
    return alphanumeric(c) || c == '.' || c == '-' || c == '_' || c == ':';
  });
  if (!good) {
    return fail(Errc::kInvalid, "host: has to be a name or an address");
  }
  if (options.port == 0 || options.port > 65'535) {
    return fail(Errc::kInvalid, "port: has to be 1 to 65535");
  }
  const std::string scheme = options.tls == config::SmtpTls::kTls ? "smtps://" : "smtp://";
  const std::string host = options.host.contains(':') ? "[" + options.host + "]" : options.host;
  return scheme + host + ":" + std::to_string(options.port);
}

std::string replaced(std::string text, std::string_view from, std::string_view to) {
  for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size()) {
    text.replace(at, from.size(), to);
  }
  return text;
}

// What is left of the mail; curl takes it in pieces.
struct Upload {
  std::string_view rest;
};

std::size_t read_mail(char* buffer, std::size_t size, std::size_t count, void* upload) {
  auto& rest = static_cast<Upload*>(upload)->rest;
  const std::size_t taken = std::min(size * count, rest.size());
  std::memcpy(buffer, rest.data(), taken);
  rest.remove_prefix(taken);
  return taken;
}

// The server's lines come as headers; the last 4xx or 5xx is kept.
std::size_t keep_refusal(const char* data, std::size_t size, std::size_t count, void* refusal) {
  std::string_view line(data, size * count);
  while (line.ends_with('\n') || line.ends_with('\r')) {
    line.remove_suffix(1);
  }
  if (line.starts_with('4') || line.starts_with('5')) {
    static_cast<std::string*>(refusal)->assign(line.substr(0, kReplyMax));
  }
  return size * count;
}

std::size_t drop(const char* /*data*/, std::size_t size, std::size_t count, void* /*unused*/) {
  return size * count;
}

}  // namespace

std::optional<std::string> mail_address(std::string_view text) {
  const std::size_t at = text.find('@');
  const std::string_view local = text.substr(0, at);
  const std::string_view domain =
      at == std::string_view::npos ? std::string_view{} : text.substr(at + 1);
  const bool good = std::ranges::all_of(local, [](char c) {
    return c > ' ' && c <= '~' && c != '<' && c != '>' && c != '"' && c != '\\';
  });
  if (!good || local.empty() || text.size() > kAddressMax ||
      (at != std::string_view::npos && !mail_domain(domain))) {
    return std::nullopt;
  }
  std::string address = dot_atom(local) ? std::string(local) : '"' + std::string(local) + '"';
  if (at != std::string_view::npos) {
    address.append(1, '@').append(domain);
  }
  return address;
}

std::string mail_date(Timestamp at) {
  const auto in_range = std::clamp(at, kTimestampMin, kTimestampMax);
  const std::chrono::sys_time<std::chrono::microseconds> time{
      std::chrono::microseconds{in_range.us}};
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(std::chrono::floor<std::chrono::seconds>(time - day));
  constexpr std::array kDays{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  constexpr std::array kMonths{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                               "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), "%s, %u %s %04d %02d:%02d:%02d +0000",
                kDays.at(std::chrono::weekday(day).c_encoding()), static_cast<unsigned>(date.day()),
                kMonths.at(static_cast<unsigned>(date.month()) - 1), static_cast<int>(date.year()),
                static_cast<int>(clock.hours().count()), static_cast<int>(clock.minutes().count()),
                static_cast<int>(clock.seconds().count()));
  return text.data();
}

Result<std::unique_ptr<SmtpNotifier>> SmtpNotifier::make(Options options) {
  auto url = url_of(options);
  if (!url) {
    return std::unexpected(url.error());
  }
  auto from = mail_address(options.from);
  if (!from || !from->contains('@')) {
    return fail(Errc::kInvalid, "from: has to be a mail address such as payments@example.com");
  }
  if (!mail_address(replaced(options.to, kUserId, "u"))) {
    return fail(Errc::kInvalid, "to: has to be a mail address, {user_id} in it for the user's id");
  }
  options.from = *std::move(from);
  return std::unique_ptr<SmtpNotifier>(new SmtpNotifier(std::move(options), *std::move(url)));
}

SmtpNotifier::SmtpNotifier(Options options, std::string url)
    : options_(std::move(options)),
      url_(std::move(url)),
      domain_(options_.from.substr(options_.from.rfind('@') + 1)) {}

core::RecordNotification SmtpNotifier::send(const core::SendNotification& message) {
  if (auto failure = mock_failure(message, options_.honour_mock_methods)) {
    return *std::move(failure);
  }
  const auto to = mail_address(replaced(options_.to, kUserId, message.user_id));
  if (!to) {
    return answer_to(message, core::NotifyReply::kGone, "no mail address can hold the user's id");
  }
  const Delivery delivery = deliver(*to, mail_for(message, *to));
  if (delivery.taken) {
    return answer_to(message, core::NotifyReply::kDelivered);
  }
  return answer_to(message,
                   delivery.refused ? core::NotifyReply::kGone : core::NotifyReply::kFailed,
                   delivery.error);
}

std::string SmtpNotifier::mail_for(const core::SendNotification& message,
                                   const std::string& to) const {
  const auto plain = [](std::string_view text) { return one_line(text, kFieldMax); };
  const std::string id = plain(message.payment_id);
  const std::string status(core::name(message.status));
  std::string mail;
  const auto line = [&](std::string_view name, std::string_view value) {
    mail.append(name).append(": ").append(value).append("\r\n");
  };
  line("Date", mail_date(message.ended_at));
  line("From", options_.from);
  line("To", to);
  line("Subject", "Payment " + id + ": " + status);
  line("Message-ID", "<" + notification_id(message) + "@" + domain_ + ">");
  line("MIME-Version", "1.0");
  line("Content-Type", "text/plain; charset=utf-8");
  line("Content-Transfer-Encoding", "7bit");
  line("Auto-Submitted", "auto-generated");
  mail += "\r\n";
  line("Payment", id);
  line("User", plain(message.user_id));
  line("Amount", format_amount(message.amount.minor, message.amount.currency) + " " +
                     std::string(message.amount.currency.code()));
  line("Status", status);
  if (message.failure != core::FailureCode::kNone) {
    line("Failure", core::name(message.failure));
  }
  line("Time", format_rfc3339(message.ended_at));
  return mail;
}

SmtpNotifier::Delivery SmtpNotifier::deliver(const std::string& to, const std::string& mail) {
  // These outlive the call, which says goodbye to the server when it goes.
  const std::string sender = "<" + options_.from + ">";
  Upload upload{mail};
  std::string refusal;
  CurlCall call("smtp,smtps", url_,
                {.timeout = options_.timeout, .ca_file = options_.ca_file, .stop = &stopping_});
  const bool starttls = options_.tls == config::SmtpTls::kStarttls;
  call.set(CURLOPT_USE_SSL, static_cast<long>(starttls ? CURLUSESSL_ALL : CURLUSESSL_NONE));
  if (!options_.username.empty()) {
    call.set(CURLOPT_USERNAME, options_.username.c_str());
    call.set(CURLOPT_PASSWORD, options_.password.c_str());
  }
  call.set(CURLOPT_MAIL_FROM, sender.c_str());
  call.set_list(CURLOPT_MAIL_RCPT, std::vector{"<" + to + ">"});
  call.set(CURLOPT_UPLOAD, 1L);
  call.set(CURLOPT_INFILESIZE_LARGE, static_cast<curl_off_t>(mail.size()));
  call.set(CURLOPT_READFUNCTION, &read_mail);
  call.set(CURLOPT_READDATA, static_cast<void*>(&upload));
  call.set(CURLOPT_HEADERFUNCTION, &keep_refusal);
  call.set(CURLOPT_HEADERDATA, static_cast<void*>(&refusal));
  call.set(CURLOPT_WRITEFUNCTION, &drop);
  const CURLcode code = call.perform();
  if (code == CURLE_OK) {
    return {.taken = true, .refused = false, .error = {}};
  }
  // curl says so when MAIL, RCPT or DATA was refused, and when the mail was after it was sent; a
  // refused login or greeting is something else, and may be mended.
  const bool of_the_mail =
      code == CURLE_SEND_ERROR || (code == CURLE_WEIRD_SERVER_REPLY && upload.rest.empty());
  const long status = call.status();
  std::string error = call.error(code);
  if (of_the_mail && status >= 400 && status <= 599) {
    error += ", server: " + refusal;
  }
  return {.taken = false,
          .refused = of_the_mail && status >= 500 && status <= 599,
          .error = without_password(std::move(error))};
}

std::string SmtpNotifier::without_password(std::string text) const {
  return options_.password.empty() ? text : replaced(std::move(text), options_.password, "***");
}

}  // namespace payonce::adapters
