// The address and port a server listens on, read from text such as "127.0.0.1:8080".
//
// Limits: numeric addresses and the word "localhost" only. A static binary cannot load the
// resolver's plug-ins, and a name that resolves differently tomorrow has no place in a listen key.
// Threads: values without shared state; any thread may use them.
// Lifetime: owns its text.
// Errors: parse_endpoint answers with one sentence about "it", the text, which the caller shows;
// nothing throws but bad_alloc.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>

namespace payonce::config {

struct Endpoint {
  std::string host;        // numeric address, without brackets
  std::uint16_t port = 0;  // 0 asks the system for any free port

  bool operator==(const Endpoint&) const = default;
};

// Reads "1.2.3.4:80", "[::1]:80" or "localhost:80" (kept as 127.0.0.1).
[[nodiscard]] std::expected<Endpoint, std::string> parse_endpoint(std::string_view text);

// The inverse of parse_endpoint: an IPv6 address gets its brackets back.
[[nodiscard]] std::string to_string(const Endpoint& endpoint);

// Whether only this machine can reach the endpoint: 127.0.0.0/8, ::1 and ::ffff:127.0.0.0/104.
[[nodiscard]] bool is_loopback(const Endpoint& endpoint);

}  // namespace payonce::config
