// What the tests of the engine share.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <future>
#include <string>
#include <utility>

#include "support/engine_world.h"

namespace payonce::engine {

using testing_support::EngineWorld;

// Runs the function in a thread of its own.
template <class Function>
auto start_thread(Function&& function) {
  return std::async(std::launch::async, std::forward<Function>(function));
}

template <class T>
bool ready(const std::future<T>& future) {
  return future.wait_for(std::chrono::seconds(0)) == std::future_status::ready;
}

// The body that KindRenderer makes of an outcome.
inline std::string kind(core::OutcomeKind outcome) {
  return "kind " + std::to_string(static_cast<int>(outcome));
}

class EngineTest : public testing::Test {
 protected:
  EngineTest() { world.start(); }

  // Makes "alice" with 10.00, durably, then closes the log's gate.
  void alice_and_closed_gate() {
    ASSERT_EQ(world.execute(EngineWorld::open_account("alice", 1000)), Verdict::kDone);
    world.log.close();
    appends_before = world.log.appends().size();
  }
  // Blocks until so many appends have begun since the gate was closed.
  void wait_for_appends(std::size_t count) { world.log.wait_for_appends(appends_before + count); }
  std::future<Verdict> execute_in_thread(core::Command command) {
    return start_thread([this, command] { return world.execute(command); });
  }

  EngineWorld world;
  std::size_t appends_before = 0;
};

}  // namespace payonce::engine
