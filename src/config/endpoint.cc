#include "config/endpoint.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <charconv>
#include <optional>

namespace payonce::config {
namespace {

constexpr std::string_view kForm = "write it as 127.0.0.1:8080 or [::1]:8080";

bool is_ipv4(const std::string& host) {
  in_addr address{};
  return inet_pton(AF_INET, host.c_str(), &address) == 1;
}

bool is_ipv6(const std::string& host) {
  in6_addr address{};
  return inet_pton(AF_INET6, host.c_str(), &address) == 1;
}

std::unexpected<std::string> refuse(std::string why) { return std::unexpected(std::move(why)); }

std::optional<std::uint16_t> parse_port(std::string_view text) {
  // from_chars refuses signs and spaces for unsigned types, and reports what overflows 65535.
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return port;
}

std::expected<std::string, std::string> parse_host(std::string_view text) {
  if (text.starts_with('[')) {
    std::string host(text.substr(1, text.size() - 2));
    if (!is_ipv6(host)) return refuse("what is in brackets is not an IPv6 address");
    return host;
  }
  std::string host(text);
  if (host == "localhost") return "127.0.0.1";
  if (host.empty() || host == "*") {
    // An omitted address means "every interface" to some servers. Exposure must be asked for.
    return refuse("it names no address; for every interface write 0.0.0.0 or [::] explicitly");
  }
  if (!is_ipv4(host)) {
    return refuse("it is not an IPv4 address, an IPv6 address in brackets or localhost");
  }
  return host;
}

}  // namespace

std::expected<Endpoint, std::string> parse_endpoint(std::string_view text) {
  // inet_pton reads up to the first NUL; what follows one would silently be dropped.
  if (text.find('\0') != text.npos) return refuse("it contains a NUL character");
  const std::size_t colon = text.rfind(':');
  const std::size_t bracket = text.rfind(']');
  const bool port_missing = bracket != text.npos && colon != text.npos && colon < bracket;
  if (colon == text.npos || port_missing) return refuse("it has no port; " + std::string(kForm));

  const std::string_view host_text = text.substr(0, colon);
  const bool bracketed = host_text.starts_with('[') && host_text.ends_with(']');
  if (!bracketed && host_text.find_first_of(":[]") != host_text.npos) {
    return refuse("an IPv6 address needs brackets; " + std::string(kForm));
  }
  auto host = parse_host(host_text);
  if (!host) return refuse(std::move(host.error()));
  const auto port = parse_port(text.substr(colon + 1));
  if (!port) return refuse("its port is not a number from 0 to 65535");
  return Endpoint{std::move(*host), *port};
}

std::string to_string(const Endpoint& endpoint) {
  const bool bracket = endpoint.host.find(':') != std::string::npos;
  const std::string host = bracket ? "[" + endpoint.host + "]" : endpoint.host;
  return host + ":" + std::to_string(endpoint.port);
}

bool is_loopback(const Endpoint& endpoint) {
  in_addr v4{};
  if (inet_pton(AF_INET, endpoint.host.c_str(), &v4) == 1) return ntohl(v4.s_addr) >> 24 == 127;
  in6_addr v6{};
  if (inet_pton(AF_INET6, endpoint.host.c_str(), &v6) != 1) return false;
  // ::ffff:127.x.y.z is the loopback network of IPv4 seen through an IPv6 socket: bytes 12 to 15.
  if (IN6_IS_ADDR_V4MAPPED(&v6)) return v6.s6_addr[12] == 127;
  return IN6_IS_ADDR_LOOPBACK(&v6);
}

}  // namespace payonce::config
