// observe/thread_name.h: names of threads, as `top -H`, `perf` and debuggers show them.
#pragma once

#include <string>

namespace payonce::observe {

// Names the calling thread; the kernel keeps 15 characters.
void name_thread(std::string name);

}  // namespace payonce::observe
