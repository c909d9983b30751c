// adapters/address_guard.h: keeps calls to configured URLs off the inside of the network.
//
// A name is resolved once, every address that it has is judged, and the caller then connects to
// these addresses only: a name server that answers differently the next time gains nothing.
// Threads: all functions may be called from any thread; resolve() blocks as long as the system's
// resolver does, which is resolv.conf's to limit.
#pragma once

#include <sys/socket.h>

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace payonce::adapters {

class IpAddress {
 public:
  // Nothing unless it is an IPv4 or IPv6 socket address.
  [[nodiscard]] static std::optional<IpAddress> from(const sockaddr* address, std::size_t size);
  // "192.0.2.1" or "2001:db8::1", without brackets or zone.
  [[nodiscard]] static std::optional<IpAddress> parse(const std::string& text);

  [[nodiscard]] bool v4() const { return v4_; }
  // Network order; 4 of them count for IPv4.
  [[nodiscard]] const std::array<std::uint8_t, 16>& bytes() const { return bytes_; }
  [[nodiscard]] std::string text() const;
  bool operator==(const IpAddress&) const = default;

 private:
  bool v4_ = true;
  std::array<std::uint8_t, 16> bytes_{};
};

// What the registries of special-purpose addresses (RFC 6890 and its updates) say of an address.
// An IPv6 address that stands for an IPv4 one (mapped, NAT64, 6to4) is what that one is.
enum class AddressKind : std::uint8_t {
  kPublic,
  kUnspecified,    // 0.0.0.0/8, ::
  kLoopback,       // 127/8, ::1
  kPrivate,        // RFC 1918, fc00::/7, local NAT64
  kLinkLocal,      // 169.254/16, fe80::/10
  kShared,         // 100.64/10, carrier-grade NAT
  kMulticast,      // 224/4, ff00::/8
  kBroadcast,      // 255.255.255.255
  kDocumentation,  // 192.0.2/24 and the like
  kBenchmark,      // 198.18/15
  kReserved,       // everything else that is not global unicast
};
[[nodiscard]] AddressKind kind_of(const IpAddress& address);
[[nodiscard]] std::string_view name(AddressKind kind);

// The addresses of a host name, or of an address written as one.
using Resolver = std::function<Result<std::vector<IpAddress>>(const std::string& host)>;
[[nodiscard]] Result<std::vector<IpAddress>> resolve(const std::string& host);

// The addresses of `host` that a call may use, never empty. An error if there are none, or if any
// of them is not public, unless `allow_private`.
[[nodiscard]] Result<std::vector<IpAddress>> guarded_addresses(const Resolver& resolver,
                                                               const std::string& host,
                                                               bool allow_private);

}  // namespace payonce::adapters
