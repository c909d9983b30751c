#include "http/fiber.h"

#include <memory>
#include <utility>

#include <boost/context/protected_fixedsize_stack.hpp>

#include "base/assert.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>
#endif
#if defined(__SANITIZE_THREAD__)
#include <sanitizer/tsan_interface.h>
#endif

namespace payonce::http {
namespace {

// What the sanitizers must hear before and after a switch of stacks; nothing without them.
#if defined(__SANITIZE_ADDRESS__)
void leave(void** saved, const void* stack, std::size_t bytes) {
  __sanitizer_start_switch_fiber(saved, stack, bytes);
}
void arrive(void* saved, const void** from, std::size_t* bytes) {
  __sanitizer_finish_switch_fiber(saved, from, bytes);
}
#else
void leave(void** /*saved*/, const void* /*stack*/, std::size_t /*bytes*/) {}
void arrive(void* /*saved*/, const void** /*from*/, std::size_t* /*bytes*/) {}
#endif

#if defined(__SANITIZE_THREAD__)
void* make_state() { return __tsan_create_fiber(0); }
void end_state(void* state) { __tsan_destroy_fiber(state); }
void* current_state() { return __tsan_get_current_fiber(); }
void switch_state(void* state) { __tsan_switch_to_fiber(state, 0); }
#else
void* make_state() { return nullptr; }
void end_state(void* /*state*/) {}
void* current_state() { return nullptr; }
void switch_state(void* /*state*/) {}
#endif

}  // namespace

// Boost's stack, whose place is remembered.
class Fiber::Stack {
 public:
  Stack(Fiber& fiber, std::size_t bytes) : fiber_(&fiber), stacks_(bytes) {}

  boost::context::stack_context allocate() {
    const boost::context::stack_context made = stacks_.allocate();
    fiber_->stack_end_ = static_cast<const char*>(made.sp) - made.size;
    fiber_->stack_bytes_ = made.size;
    // Boost's constructor goes there right away, and back: the constructor of Fiber says so.
    leave(&fiber_->made_by_, fiber_->stack_end_, fiber_->stack_bytes_);
    return made;
  }
  void deallocate(boost::context::stack_context& stack) noexcept { stacks_.deallocate(stack); }

 private:
  Fiber* fiber_;
  boost::context::protected_fixedsize_stack stacks_;
};

Fiber::Fiber(std::size_t stack_bytes)
    : thread_state_(make_state()),
      inside_(std::allocator_arg, Stack(*this, stack_bytes),
              [this](boost::context::fiber&& outside) { return run(std::move(outside)); }) {
  // There and back again: else this thread would be taken to be on the fiber's stack from now on.
  arrive(nullptr, &outside_stack_, &outside_bytes_);
  leave(nullptr, outside_stack_, outside_bytes_);
  arrive(made_by_, nullptr, nullptr);
}

Fiber::~Fiber() {
  PAYONCE_ASSERT(idle());
  over_ = true;
  resume();
  end_state(thread_state_);
}

void Fiber::resume() {
  void* saved = nullptr;
  outside_state_ = current_state();
  leave(&saved, stack_end_, stack_bytes_);
  switch_state(thread_state_);
  inside_ = std::move(inside_).resume();
  if (over_) {
    switch_state(outside_state_);  // not by the fiber itself: its last frames have yet to end there
  }
  arrive(saved, nullptr, nullptr);
}

void Fiber::yield() {
  void* saved = nullptr;
  leave(&saved, outside_stack_, outside_bytes_);
  switch_state(outside_state_);
  outside_ = std::move(outside_).resume();
  arrive(saved, &outside_stack_, &outside_bytes_);
}

boost::context::fiber Fiber::run(boost::context::fiber&& outside) {
  arrive(nullptr, &outside_stack_, &outside_bytes_);
  outside_ = std::move(outside);
  while (!over_) {
    body_();
    body_ = nullptr;
    yield();
  }
  leave(nullptr, outside_stack_, outside_bytes_);  // for good
  return std::move(outside_);
}

}  // namespace payonce::http
