// adapters/smtp_notifier.h: notifies by a mail, handed to one SMTP server.
//
// A plain text mail of a few lines. Message-ID and Date are the same on every attempt, so that a
// mail which was taken although the answer got lost can be told from a new one. A lasting refusal
// (5xx) of the sender, the recipient or the mail itself ends the attempts; anything else is tried
// again.
// Threads: send() from any number of workers. Errors: in the answer, as text that never holds the
// password.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "config/options.h"
#include "core/commands.h"
#include "core/outcome.h"

namespace payonce::adapters {

class SmtpNotifier {
 public:
  struct Options {
    std::string host;  // name or address
    std::uint32_t port = 25;
    std::string from;  // the address alone, with a domain
    std::string to;    // likewise, but the domain may be left out; {user_id} stands for the user
    std::string username;  // empty: no login
    std::string password;
    config::SmtpTls tls = config::SmtpTls::kNone;
    std::chrono::milliseconds timeout{20'000};
    std::string ca_file;               // empty: the system's certificates
    bool honour_mock_methods = false;  // see notification.h
  };

  // An error names the option that is not acceptable.
  [[nodiscard]] static Result<std::unique_ptr<SmtpNotifier>> make(Options options);

  [[nodiscard]] core::RecordNotification send(const core::SendNotification& message);

  void stop() { stopping_.store(true, std::memory_order_relaxed); }  // ends calls within a second

 private:
  struct Delivery {
    bool taken = false;
    bool refused = false;  // for good
    std::string error;
  };

  SmtpNotifier(Options options, std::string url);
  [[nodiscard]] Delivery deliver(const std::string& to, const std::string& mail);
  [[nodiscard]] std::string mail_for(const core::SendNotification& message,
                                     const std::string& to) const;
  [[nodiscard]] std::string without_password(std::string text) const;

  Options options_;
  std::string url_;
  std::string domain_;  // of the sender, for Message-ID
  std::atomic<bool> stopping_{false};
};

// A mail address as it stands in a header and in a command, its local part quoted where it has to
// be. Nothing unless it is made of printable ASCII without '<', '>', '"', '\\' or blanks, with at
// most one '@', and has a local part.
[[nodiscard]] std::optional<std::string> mail_address(std::string_view text);

// "Sat, 21 Nov 2026 09:30:00 +0000": RFC 5322 section 3.3.
[[nodiscard]] std::string mail_date(Timestamp at);

}  // namespace payonce::adapters
