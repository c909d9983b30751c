#include "app/descriptors.h"

#include <sys/resource.h>

#include <algorithm>

namespace payonce::app {
namespace {

// Both stores, event loops, the listening socket, and calls to gateways and notification targets.
constexpr rlim_t kForOthers = 256;

}  // namespace

std::size_t make_room_for_connections(std::size_t connections) {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) {
    return connections;
  }
  const rlim_t wanted = static_cast<rlim_t>(connections) + kForOthers;
  if (limit.rlim_cur < wanted) {
    const rlim_t before = limit.rlim_cur;
    limit.rlim_cur = std::min(wanted, limit.rlim_max);
    if (::setrlimit(RLIMIT_NOFILE, &limit) != 0) {
      limit.rlim_cur = before;
    }
  }
  const rlim_t spare = limit.rlim_cur > kForOthers ? limit.rlim_cur - kForOthers : 1;
  return std::min(connections, static_cast<std::size_t>(spare));
}

}  // namespace payonce::app
