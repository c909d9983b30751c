#include "base/assert.h"

#include <gtest/gtest.h>

namespace payonce {
namespace {

TEST(Assert, TrueCondition_DoesNothingAndIsEvaluatedOnce) {
  int calls = 0;
  PAYONCE_ASSERT(++calls == 1);
  EXPECT_EQ(calls, 1);
}

TEST(AssertDeathTest, FalseCondition_NamesItselfAndAborts) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(PAYONCE_ASSERT(1 + 1 == 3), "payonce: bug: assertion '1 \\+ 1 == 3' failed at .*:");
}

}  // namespace
}  // namespace payonce
