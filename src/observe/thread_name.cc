#include "observe/thread_name.h"

#include <pthread.h>

#include <algorithm>
#include <cstddef>

namespace payonce::observe {
namespace {

constexpr std::size_t kLengthMax = 15;  // pthread_setname_np(3)

}  // namespace

void name_thread(std::string name) {
  name.resize(std::min(name.size(), kLengthMax));
  pthread_setname_np(pthread_self(), name.c_str());
}

}  // namespace payonce::observe
