// tests/support/notifications.h: a message to send, and sockets that fail.
#pragma once

#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdint>
#include <string>
#include <vector>

#include "base/time.h"
#include "core/outcome.h"

namespace payonce::testing_support {

inline core::SendNotification notification(core::NotifyChannel channel, std::uint32_t attempt = 1) {
  return {.payment_id = "pay_1",
          .channel = channel,
          .attempt = attempt,
          .not_before = {},
          .user_id = "user-1",
          .amount = {1050, *Currency::find("USD")},
          .status = core::PaymentStatus::kSuccess,
          .failure = core::FailureCode::kNone,
          .ended_at = *parse_rfc3339("2026-11-21T09:30:00.5Z"),
          .payment_method = "pm_ok"};
}

// A socket on 127.0.0.1 that takes connections and never says a word.
class SilentListener {
 public:
  SilentListener() : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ::bind(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address);
    ::listen(fd_, 8);
    socklen_t size = sizeof address;
    ::getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
  }
  ~SilentListener() {
    for (const int caller : callers_) {
      ::close(caller);
    }
    ::close(fd_);
  }
  SilentListener(const SilentListener&) = delete;
  SilentListener& operator=(const SilentListener&) = delete;

  [[nodiscard]] std::uint16_t port() const { return port_; }

  // Waits until `count` connections have been made in all: true unless that takes half a minute.
  [[nodiscard]] bool called(std::size_t count) {
    while (callers_.size() < count) {
      pollfd waiting{.fd = fd_, .events = POLLIN, .revents = 0};
      if (::poll(&waiting, 1, 30'000) <= 0) {
        return false;
      }
      callers_.push_back(::accept4(fd_, nullptr, nullptr, SOCK_CLOEXEC));
    }
    return true;
  }

 private:
  int fd_;
  std::vector<int> callers_;
  std::uint16_t port_ = 0;
};

// A port on 127.0.0.1 where nobody listens: free a moment ago.
inline std::uint16_t closed_port() { return SilentListener().port(); }

}  // namespace payonce::testing_support
