#include "base/assert.h"

#include <cstdio>
#include <cstdlib>

namespace payonce {

void assertion_failed(const char* condition, const char* file, int line) {
  std::fprintf(stderr, "payonce: bug: assertion '%s' failed at %s:%d\n", condition, file, line);
  std::abort();
}

}  // namespace payonce
