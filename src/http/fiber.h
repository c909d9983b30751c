// http/fiber.h: a stack of its own for code that stops in the middle and goes on later, on the same
// thread.
//
// Boost.Context switches the stacks; what is added here is use again and again, and what the
// sanitizers must be told. Threads: one, always the same, but for its end. Lifetime: ended by its
// owner while it is idle, which is when its body has returned. Handlers of exceptions must not
// yield: which exception is being handled is known to the thread, not to the fiber.
#pragma once

#include <cstddef>
#include <functional>
#include <utility>

#include <boost/context/fiber.hpp>

namespace payonce::http {

// Deep enough for the deepest JSON that is taken (json_value.h) many times over. Sanitizers make
// every frame several times as large.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr std::size_t kFiberStackBytes = std::size_t{2} * 1024 * 1024;
#else
inline constexpr std::size_t kFiberStackBytes = std::size_t{256} * 1024;
#endif

class Fiber {
 public:
  // The stack is reserved whole, and takes memory as far down as it has been used; below it lies a
  // page that must not be touched, so an overflow ends the process.
  explicit Fiber(std::size_t stack_bytes);
  ~Fiber();
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;

  // Gives an idle fiber what to run at the next resume(). The body must not throw.
  void assign(std::function<void()> body) { body_ = std::move(body); }
  [[nodiscard]] bool idle() const { return body_ == nullptr; }
  void resume();  // from outside: runs it until it yields, or its body has returned
  void yield();   // from inside: back to who resumed it

 private:
  class Stack;
  boost::context::fiber run(boost::context::fiber&& outside);

  std::function<void()> body_;
  bool over_ = false;
  const void* stack_end_ = nullptr;  // its lowest address
  std::size_t stack_bytes_ = 0;
  // For the sanitizers: both sides of a switch.
  const void* outside_stack_ = nullptr;
  std::size_t outside_bytes_ = 0;
  void* made_by_ = nullptr;
  void* thread_state_ = nullptr;
  void* outside_state_ = nullptr;
  boost::context::fiber inside_;   // valid while it is not running
  boost::context::fiber outside_;  // valid while it is running
};

}  // namespace payonce::http
