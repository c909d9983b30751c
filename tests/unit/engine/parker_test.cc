#include "engine/parker.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <latch>
#include <thread>

namespace payonce::engine {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;

// Parks until there is a permit. False: none came for a minute, which is a failure.
bool gets_permit(Parker& parker) {
  const auto deadline = Parker::Clock::now() + minutes(1);
  parker.park_until(deadline);
  return Parker::Clock::now() < deadline;
}

// Whether a permit is there already. A machine that stands still for long may hide one.
bool has_permit(Parker& parker) {
  const auto begin = Parker::Clock::now();
  parker.park_until(begin + milliseconds(20));
  return Parker::Clock::now() < begin + milliseconds(10);
}

class CountingChore final : public Chore {
 public:
  bool work() override {
    ++worked;
    return false;
  }
  int worked = 0;
};

TEST(Parker, APermitLeftBeforeParkingIsNotLost) {
  Parker& own = Parker::current();
  own.unpark();
  own.park();
  own.unpark();
  EXPECT_TRUE(gets_permit(own));
}

TEST(Parker, ParkingTakesThePermit) {
  Parker& own = Parker::current();
  own.unpark();
  own.park();
  EXPECT_FALSE(has_permit(own));
  own.unpark();
  EXPECT_TRUE(gets_permit(own));
  EXPECT_FALSE(has_permit(own));
}

TEST(Parker, PermitsDoNotAddUp) {
  Parker& own = Parker::current();
  own.unpark();
  own.unpark();
  own.unpark();
  EXPECT_TRUE(gets_permit(own));
  EXPECT_FALSE(has_permit(own));
}

TEST(Parker, ADeadlineInThePastEndsTheWaitAtOnce) {
  Parker& own = Parker::current();
  const auto begin = Parker::Clock::now();
  own.park_until(begin);
  own.park_until(begin - minutes(1));
  own.park_until(Parker::Clock::time_point{});
  EXPECT_LT(Parker::Clock::now() - begin, minutes(1));
}

TEST(Parker, APermitThatCameWithTheDeadlineIsStillGoodForOneWait) {
  Parker& own = Parker::current();
  own.park_until(Parker::Clock::now() + milliseconds(1));  // nobody unparks
  own.unpark();
  EXPECT_TRUE(gets_permit(own));
  EXPECT_FALSE(has_permit(own));
}

TEST(Parker, AnotherThreadEndsTheWait) {
  std::atomic<Parker*> waiter{nullptr};
  std::atomic<bool> told{false};
  std::latch about_to_park(1);
  std::thread thread([&] {
    waiter = &Parker::current();
    about_to_park.count_down();
    while (!told) {
      Parker::current().park();
    }
  });
  about_to_park.wait();
  told = true;
  waiter.load()->unpark();
  thread.join();
}

TEST(Parker, AnotherThreadEndsTheWaitBeforeItsDeadline) {
  std::atomic<Parker*> waiter{nullptr};
  std::latch about_to_park(1);
  std::atomic<bool> in_time{false};
  std::thread thread([&] {
    waiter = &Parker::current();
    about_to_park.count_down();
    in_time = gets_permit(Parker::current());
  });
  about_to_park.wait();
  waiter.load()->unpark();
  thread.join();
  EXPECT_TRUE(in_time);
}

// Each takes its turn only when the other one has handed it over: one lost permit, and both sleep.
TEST(Parker, NoHandOverBetweenTwoThreadsIsLost) {
  constexpr int kTurns = 2000;
  std::atomic<int> turn{0};
  std::atomic<Parker*> parkers[2] = {};
  std::latch known(2);
  const auto play = [&](int side) {
    parkers[side] = &Parker::current();
    known.arrive_and_wait();
    while (turn < kTurns) {
      if (turn % 2 == side) {
        ++turn;
        parkers[1 - side].load()->unpark();
      } else {
        Parker::current().park();
      }
    }
  };
  std::thread first(play, 0);
  std::thread second(play, 1);
  first.join();
  second.join();
  EXPECT_EQ(turn, kTurns);
}

TEST(Parker, EachThreadHasItsOwn) {
  Parker& own = Parker::current();
  EXPECT_EQ(&own, &Parker::current());
  Parker* others[2] = {};
  std::latch both(2);
  const auto look = [&](Parker*& mine) {
    mine = &Parker::current();
    both.arrive_and_wait();  // neither has ended, and left its parker to the other
    EXPECT_EQ(mine, &Parker::current());
  };
  std::thread first(look, std::ref(others[0]));
  std::thread second(look, std::ref(others[1]));
  first.join();
  second.join();
  EXPECT_NE(others[0], &own);
  EXPECT_NE(others[1], &own);
  EXPECT_NE(others[0], others[1]);
}

TEST(Parker, APermitForAThreadThatHasEndedHarmsNobody) {
  Parker* ended = nullptr;
  std::thread([&] { ended = &Parker::current(); }).join();
  ended->unpark();
  // Whoever has it next may return from park() once without reason, not more.
  bool came = false;
  bool left = true;
  std::thread([&] {
    Parker& own = Parker::current();
    own.park_until(Parker::Clock::now() + milliseconds(1));
    own.unpark();
    came = gets_permit(own);
    left = has_permit(own);
  }).join();
  EXPECT_TRUE(came);
  EXPECT_FALSE(left);
}

TEST(Parker, AThreadHasNoMomentForAChore) {
  CountingChore chore;
  EXPECT_FALSE(Parker::current().put_off(chore));
  EXPECT_EQ(chore.worked, 0);
}

}  // namespace
}  // namespace payonce::engine
