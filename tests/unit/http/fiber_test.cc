#include "http/fiber.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cstddef>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace payonce::http {
namespace {

using testing::ElementsAre;

constexpr std::size_t kStackBytes = std::size_t{256} * 1024;

TEST(Fiber, ABodyRunsWhenItIsResumed) {
  Fiber fiber(kStackBytes);
  bool ran = false;
  fiber.assign([&] { ran = true; });
  EXPECT_FALSE(ran);
  fiber.resume();
  EXPECT_TRUE(ran);
}

TEST(Fiber, ItIsIdleBeforeItsBodyIsAssignedAndAfterItHasReturned) {
  Fiber fiber(kStackBytes);
  EXPECT_TRUE(fiber.idle());
  fiber.assign([&] { fiber.yield(); });
  EXPECT_FALSE(fiber.idle());
  fiber.resume();
  EXPECT_FALSE(fiber.idle());
  fiber.resume();
  EXPECT_TRUE(fiber.idle());
}

TEST(Fiber, OneThatNeverRanIsEndedToo) {
  const Fiber fiber(kStackBytes);
  EXPECT_TRUE(fiber.idle());
}

TEST(Fiber, ABodyGoesOnAfterAYieldWithItsLocalsIntact) {
  Fiber fiber(kStackBytes);
  std::vector<std::string> trace;
  fiber.assign([&] {
    std::string text = "a local that is too long to be kept inside of the string object itself";
    std::array<int, 100> numbers{};
    for (std::size_t i = 0; i < numbers.size(); ++i) {
      numbers[i] = static_cast<int>(i);
    }
    trace.emplace_back("before");
    fiber.yield();
    int sum = 0;
    for (const int number : numbers) {
      sum += number;
    }
    trace.push_back(std::to_string(sum));
    fiber.yield();
    trace.push_back(std::move(text));
  });
  fiber.resume();
  trace.emplace_back("outside");
  fiber.resume();
  fiber.resume();
  EXPECT_THAT(
      trace, ElementsAre("before", "outside", "4950",
                         "a local that is too long to be kept inside of the string object itself"));
}

TEST(Fiber, ItMayBeUsedAgainAndAgain) {
  Fiber fiber(kStackBytes);
  int sum = 0;
  for (int i = 0; i < 1000; ++i) {
    fiber.assign([&sum, &fiber, i] {
      sum += i;
      if (i % 2 == 0) {
        fiber.yield();
      }
      ++sum;
    });
    while (!fiber.idle()) {
      fiber.resume();
    }
  }
  EXPECT_EQ(sum, 499'500 + 1000);
}

TEST(Fiber, WhatABodyHeldIsGivenBackWhenItReturns) {
  Fiber fiber(kStackBytes);
  const auto held = std::make_shared<int>(1);
  fiber.assign([&fiber, held] {
    const auto local = held;
    fiber.yield();
  });
  fiber.resume();
  EXPECT_EQ(held.use_count(), 3);
  fiber.resume();
  EXPECT_EQ(held.use_count(), 1);
}

// Fills its part of the stack, so that it must be there, and be its own.
int use_stack(Fiber& fiber, int depth) {
  std::array<volatile unsigned char, 10 * 1024> locals;
  for (std::size_t i = 0; i < locals.size(); ++i) {
    locals[i] = static_cast<unsigned char>(depth);
  }
  int wrong = 0;
  if (depth == 1) {
    fiber.yield();
  } else {
    wrong = use_stack(fiber, depth - 1);
  }
  for (std::size_t i = 0; i < locals.size(); ++i) {
    wrong += locals[i] == depth ? 0 : 1;
  }
  return wrong;
}

TEST(Fiber, TheStackMayBeUsedDeeply) {
  Fiber first(kStackBytes);
  Fiber second(kStackBytes);
  int wrong = -1;
  int wrong_too = -1;
  first.assign([&] { wrong = use_stack(first, 10); });
  second.assign([&] { wrong_too = use_stack(second, 10); });
  first.resume();
  second.resume();
  first.resume();
  second.resume();
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(wrong_too, 0);
  EXPECT_TRUE(first.idle() && second.idle());
}

TEST(Fiber, AnExceptionIsCaughtWithinABody) {
  Fiber fiber(kStackBytes);
  std::string caught;
  fiber.assign([&] {
    try {
      throw std::runtime_error("inside");
    } catch (const std::exception& e) {
      caught = e.what();
    }
  });
  fiber.resume();
  EXPECT_EQ(caught, "inside");
  EXPECT_TRUE(fiber.idle());
}

TEST(Fiber, AnExceptionIsCaughtByATryBlockThatHasYielded) {
  Fiber fiber(kStackBytes);
  const auto held = std::make_shared<int>(1);
  std::string caught;
  fiber.assign([&fiber, &caught, held] {
    try {
      const auto local = held;
      fiber.yield();
      throw std::runtime_error("after a yield");
    } catch (const std::exception& e) {
      caught = e.what();
    }
    fiber.yield();
    caught += ", and one more";
  });
  fiber.resume();
  // Outside, and in other fibers, exceptions come and go meanwhile.
  EXPECT_THROW(throw std::logic_error("outside"), std::logic_error);
  Fiber other(kStackBytes);
  other.assign([&] { EXPECT_THROW(throw std::logic_error("other"), std::logic_error); });
  other.resume();
  fiber.resume();
  EXPECT_EQ(caught, "after a yield");
  fiber.resume();
  EXPECT_EQ(caught, "after a yield, and one more");
  EXPECT_EQ(held.use_count(), 1);
}

TEST(Fiber, AnExceptionUnwindsManyFramesOfAFiber) {
  Fiber fiber(kStackBytes);
  int unwound = 0;
  struct Frame {
    int& count;
    ~Frame() { ++count; }
  };
  const std::function<void(int)> dive = [&](int depth) {
    const Frame frame{unwound};
    fiber.yield();
    if (depth == 0) {
      throw std::runtime_error("at the bottom");
    }
    dive(depth - 1);
  };
  bool caught = false;
  fiber.assign([&] {
    try {
      dive(9);
    } catch (const std::runtime_error&) {
      caught = true;
    }
  });
  while (!fiber.idle()) {
    fiber.resume();
  }
  EXPECT_TRUE(caught);
  EXPECT_EQ(unwound, 10);
}

TEST(Fiber, ManyFibersGoOnInTheOrderInWhichTheyAreResumed) {
  constexpr std::size_t kFibers = 100;
  constexpr int kRounds = 10;
  std::vector<std::unique_ptr<Fiber>> fibers;
  std::vector<std::pair<int, std::size_t>> order;
  for (std::size_t i = 0; i < kFibers; ++i) {
    fibers.push_back(std::make_unique<Fiber>(kStackBytes));
    fibers[i]->assign([&order, &fiber = *fibers[i], i] {
      for (int round = 0; round < kRounds; ++round) {
        order.emplace_back(round, i);
        fiber.yield();
      }
    });
  }
  std::vector<std::pair<int, std::size_t>> expected;
  for (int round = 0; round < kRounds; ++round) {
    for (std::size_t i = 0; i < kFibers; ++i) {
      fibers[i]->resume();
      expected.emplace_back(round, i);
    }
  }
  EXPECT_EQ(order, expected);
  for (const auto& fiber : fibers) {
    EXPECT_FALSE(fiber->idle());
    fiber->resume();
    EXPECT_TRUE(fiber->idle());
  }
}

TEST(Fiber, OneFiberMayResumeAnother) {
  Fiber outer(kStackBytes);
  Fiber inner(kStackBytes);
  std::vector<std::string> trace;
  inner.assign([&] {
    trace.emplace_back("inner");
    inner.yield();
    trace.emplace_back("inner again");
  });
  outer.assign([&] {
    inner.resume();
    trace.emplace_back("outer");
    outer.yield();
    inner.resume();
    trace.emplace_back("outer again");
  });
  outer.resume();
  trace.emplace_back("outside");
  outer.resume();
  EXPECT_THAT(trace, ElementsAre("inner", "outer", "outside", "inner again", "outer again"));
  EXPECT_TRUE(inner.idle() && outer.idle());
}

}  // namespace
}  // namespace payonce::http
