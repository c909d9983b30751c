// engine/parker.h: how whoever waits for the engine goes to sleep, and is woken.
//
// A thread has a parker of its own. A fiber of the HTTP server has one too, so that waiting in it
// costs a stack and not a thread (http/loop.h). The engine knows no difference: it parks the
// current one, and unparks the one that it remembered.
//
// A parker holds at most one permit: unpark() leaves it, park() takes it, and sleeps while there is
// none. park() may also return without reason, so every wait is a loop around the condition that
// it waits for; and whoever unparks makes the condition true before. Threads: unpark() from any,
// all else from the owner. Lifetime: a thread's parker is never freed, since a permit may come
// after the thread that it was meant for has gone on; a fiber's outlives the engine.
#pragma once

#include <chrono>

namespace payonce::engine {

// Work that a waiter leaves to its thread, to be done once for all waiters of that thread.
class Chore {
 public:
  Chore() = default;
  virtual ~Chore() = default;
  Chore(const Chore&) = delete;
  Chore& operator=(const Chore&) = delete;
  // Does one round. True: there is more, and nobody else is at it.
  virtual bool work() = 0;
};

class Parker {
 public:
  using Clock = std::chrono::steady_clock;

  Parker() = default;
  virtual ~Parker() = default;
  Parker(const Parker&) = delete;
  Parker& operator=(const Parker&) = delete;

  // The one of the calling fiber or, outside of fibers, of the calling thread.
  [[nodiscard]] static Parker& current();

  virtual void park() = 0;
  virtual void park_until(Clock::time_point deadline) = 0;
  virtual void unpark() = 0;
  // Whether nobody is left who wants what this one waits for. Becoming so unparks it.
  [[nodiscard]] virtual bool deserted() const { return false; }
  // Has `chore` done by this thread once everything else that it has at hand is done. False: this
  // thread has no such moment, and the caller has to do it.
  [[nodiscard]] virtual bool put_off(Chore& chore) = 0;

  // Around a wait that may be long: whoever bounds how many work at once leaves this one out.
  class LongWait {
   public:
    explicit LongWait(Parker& waiter) : waiter_(&waiter) { waiter_->begin_long_wait(); }
    ~LongWait() { waiter_->end_long_wait(); }
    LongWait(const LongWait&) = delete;
    LongWait& operator=(const LongWait&) = delete;

   private:
    Parker* waiter_;
  };

 protected:
  virtual void begin_long_wait() {}
  virtual void end_long_wait() {}
  // Makes `parker` the calling thread's current one; null: the thread's own.
  static void set_current(Parker* parker);
};

}  // namespace payonce::engine
