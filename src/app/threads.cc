#include "app/threads.h"

#include <exception>
#include <latch>
#include <string>
#include <thread>
#include <vector>

namespace payonce::app {

Result<void> try_threads(std::size_t count) {
  std::latch all_tried(1);
  std::vector<std::jthread> threads;
  threads.reserve(count);
  Result<void> result;
  try {
    while (threads.size() < count) {
      threads.emplace_back([&all_tried] { all_tried.wait(); });
    }
  } catch (const std::exception& error) {  // those that wait must not wait for ever
    result = fail(Errc::kFull, "the system allows " + std::to_string(threads.size()) + " of " +
                                   std::to_string(count) + " threads: " + error.what());
  }
  all_tried.count_down();
  return result;
}

}  // namespace payonce::app
