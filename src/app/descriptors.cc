#include "app/descriptors.h"

#include <sys/resource.h>

#include <algorithm>

namespace payonce::app {
namespace {

// Both stores, event loops, the listening socket, calls to notification targets, connections that
// are being closed, and names that are being looked up.
constexpr rlim_t kForOthers = 256;

// `part` as much smaller as `most` is than `all`.
std::size_t share(std::size_t part, std::size_t all, std::size_t most) {
  return all <= most ? part : std::max<std::size_t>(part * most / all, part > 0 ? 1 : 0);
}

}  // namespace

Descriptors fit(const Descriptors& wanted, std::size_t room) {
  const std::size_t calls = wanted.gateway_calls + wanted.fraud_calls;
  const std::size_t spare = room - std::min(room, wanted.connections);
  const std::size_t calls_most = std::max(spare, room / 2);
  Descriptors fitting{.connections = wanted.connections,
                      .gateway_calls = share(wanted.gateway_calls, calls, calls_most),
                      .fraud_calls = share(wanted.fraud_calls, calls, calls_most)};
  const std::size_t taken = fitting.gateway_calls + fitting.fraud_calls;
  const std::size_t left = std::max<std::size_t>(room - std::min(room, taken), 1);
  fitting.connections = std::min(wanted.connections, left);
  return fitting;
}

Descriptors make_room_for(const Descriptors& wanted) {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) {
    return wanted;
  }
  const rlim_t all = wanted.connections + wanted.gateway_calls + wanted.fraud_calls + kForOthers;
  if (limit.rlim_cur < all) {
    const rlim_t before = limit.rlim_cur;
    limit.rlim_cur = std::min(all, limit.rlim_max);
    if (::setrlimit(RLIMIT_NOFILE, &limit) != 0) {
      limit.rlim_cur = before;
    }
  }
  return fit(wanted, limit.rlim_cur > kForOthers
                         ? static_cast<std::size_t>(limit.rlim_cur - kForOthers)
                         : 1);
}

}  // namespace payonce::app
