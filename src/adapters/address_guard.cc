#include "adapters/address_guard.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <span>

namespace payonce::adapters {
namespace {

struct Range {
  std::array<std::uint8_t, 16> prefix;
  unsigned bits;
  AddressKind kind;
};

// The first match counts.
constexpr std::array kRanges4{
    Range{{0}, 8, AddressKind::kUnspecified},
    Range{{10}, 8, AddressKind::kPrivate},
    Range{{100, 64}, 10, AddressKind::kShared},
    Range{{127}, 8, AddressKind::kLoopback},
    Range{{169, 254}, 16, AddressKind::kLinkLocal},
    Range{{172, 16}, 12, AddressKind::kPrivate},
    Range{{192, 0, 0}, 24, AddressKind::kReserved},  // IETF protocol assignments
    Range{{192, 0, 2}, 24, AddressKind::kDocumentation},
    Range{{192, 88, 99}, 24, AddressKind::kReserved},  // 6to4 relays, given up
    Range{{192, 168}, 16, AddressKind::kPrivate},
    Range{{198, 18}, 15, AddressKind::kBenchmark},
    Range{{198, 51, 100}, 24, AddressKind::kDocumentation},
    Range{{203, 0, 113}, 24, AddressKind::kDocumentation},
    Range{{224}, 4, AddressKind::kMulticast},
    Range{{255, 255, 255, 255}, 32, AddressKind::kBroadcast},
    Range{{240}, 4, AddressKind::kReserved},
};

constexpr std::array kRanges6{
    Range{{}, 128, AddressKind::kUnspecified},
    Range{{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}, 128, AddressKind::kLoopback},
    Range{{0x00, 0x64, 0xff, 0x9b, 0x00, 0x01}, 48, AddressKind::kPrivate},  // local NAT64
    Range{{0xfc}, 7, AddressKind::kPrivate},
    Range{{0xfe, 0x80}, 10, AddressKind::kLinkLocal},
    Range{{0xff}, 8, AddressKind::kMulticast},
    Range{{0x20, 0x01, 0x0d, 0xb8}, 32, AddressKind::kDocumentation},
    Range{{0x20, 0x01, 0x00, 0x02, 0x00, 0x00}, 48, AddressKind::kBenchmark},
    Range{{0x20, 0x01}, 23, AddressKind::kReserved},  // protocols' own, Teredo among them
    Range{{0x3f, 0xff}, 20, AddressKind::kDocumentation},
    Range{{0x20}, 3, AddressKind::kPublic},  // all that is global unicast today
    Range{{}, 0, AddressKind::kReserved},
};

// IPv6 prefixes that are followed by an IPv4 address.
struct Embedding {
  std::array<std::uint8_t, 12> prefix;
  std::size_t size;  // bytes of it
};
constexpr std::array kEmbeddings{
    Embedding{{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}, 12},        // mapped
    Embedding{{0x00, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0}, 12},  // NAT64
    Embedding{{0x20, 0x02}, 2},                                       // 6to4
};

bool in_range(const std::array<std::uint8_t, 16>& bytes, const Range& range) {
  const std::size_t whole = range.bits / 8;
  if (!std::equal(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(whole),
                  range.prefix.begin())) {
    return false;
  }
  const unsigned rest = range.bits % 8;
  return rest == 0 || (bytes[whole] >> (8 - rest)) == (range.prefix[whole] >> (8 - rest));
}

AddressKind look_up(const std::array<std::uint8_t, 16>& bytes, std::span<const Range> ranges) {
  const auto found =
      std::ranges::find_if(ranges, [&](const Range& range) { return in_range(bytes, range); });
  return found == ranges.end() ? AddressKind::kPublic : found->kind;
}

}  // namespace

std::optional<IpAddress> IpAddress::from(const sockaddr* address, std::size_t size) {
  IpAddress result;
  if (address->sa_family == AF_INET && size >= sizeof(sockaddr_in)) {
    sockaddr_in in{};
    std::memcpy(&in, address, sizeof in);
    std::memcpy(result.bytes_.data(), &in.sin_addr, sizeof in.sin_addr);
    return result;
  }
  if (address->sa_family == AF_INET6 && size >= sizeof(sockaddr_in6)) {
    sockaddr_in6 in{};
    std::memcpy(&in, address, sizeof in);
    result.v4_ = false;
    std::memcpy(result.bytes_.data(), &in.sin6_addr, sizeof in.sin6_addr);
    return result;
  }
  return std::nullopt;
}

std::optional<IpAddress> IpAddress::parse(const std::string& text) {
  IpAddress result;
  if (::inet_pton(AF_INET, text.c_str(), result.bytes_.data()) == 1) {
    return result;
  }
  result.v4_ = false;
  if (::inet_pton(AF_INET6, text.c_str(), result.bytes_.data()) == 1) {
    return result;
  }
  return std::nullopt;
}

std::string IpAddress::text() const {
  std::array<char, INET6_ADDRSTRLEN> text{};
  ::inet_ntop(v4_ ? AF_INET : AF_INET6, bytes_.data(), text.data(), text.size());
  return text.data();
}

AddressKind kind_of(const IpAddress& address) {
  const auto& bytes = address.bytes();
  if (address.v4()) {
    return look_up(bytes, kRanges4);
  }
  for (const Embedding& embedding : kEmbeddings) {
    const auto size = static_cast<std::ptrdiff_t>(embedding.size);
    if (std::equal(bytes.begin(), bytes.begin() + size, embedding.prefix.begin())) {
      std::array<std::uint8_t, 16> inner{};
      std::copy_n(bytes.begin() + size, 4, inner.begin());
      return look_up(inner, kRanges4);
    }
  }
  return look_up(bytes, kRanges6);
}

std::string_view name(AddressKind kind) {
  switch (kind) {
    case AddressKind::kPublic:
      return "public";
    case AddressKind::kUnspecified:
      return "unspecified";
    case AddressKind::kLoopback:
      return "loopback";
    case AddressKind::kPrivate:
      return "private";
    case AddressKind::kLinkLocal:
      return "link-local";
    case AddressKind::kShared:
      return "shared by a carrier";
    case AddressKind::kMulticast:
      return "multicast";
    case AddressKind::kBroadcast:
      return "broadcast";
    case AddressKind::kDocumentation:
      return "for documentation";
    case AddressKind::kBenchmark:
      return "for benchmarks";
    case AddressKind::kReserved:
      return "reserved";
  }
  return "";
}

Result<std::vector<IpAddress>> resolve(const std::string& host) {
  if (const auto literal = IpAddress::parse(host)) {
    return std::vector{*literal};
  }
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* list = nullptr;
  const int error = ::getaddrinfo(host.c_str(), nullptr, &hints, &list);
  if (error != 0) {
    return fail(Errc::kIo, "cannot resolve " + host + ": " + ::gai_strerror(error));
  }
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owner(list, &::freeaddrinfo);
  std::vector<IpAddress> addresses;
  for (const addrinfo* entry = list; entry != nullptr; entry = entry->ai_next) {
    const auto address = IpAddress::from(entry->ai_addr, entry->ai_addrlen);
    if (address && std::ranges::find(addresses, *address) == addresses.end()) {
      addresses.push_back(*address);
    }
  }
  return addresses;
}

Result<std::vector<IpAddress>> guarded_addresses(const Resolver& resolver, const std::string& host,
                                                 bool allow_private) {
  auto addresses = resolver(host);
  if (!addresses) {
    return addresses;
  }
  if (addresses->empty()) {
    return fail(Errc::kNotFound, host + " has no address");
  }
  for (const IpAddress& address : *addresses) {
    const AddressKind kind = kind_of(address);
    if (!allow_private && kind != AddressKind::kPublic) {
      return fail(Errc::kInvalid, "refused: " + host + " is at " + address.text() + ", which is " +
                                      std::string(name(kind)));
    }
  }
  return addresses;
}

}  // namespace payonce::adapters
