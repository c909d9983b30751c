#include "engine/waiters.h"

#include <gtest/gtest.h>

#include <chrono>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/ids.h"

namespace payonce::engine {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using Registration = Waiters::Registration;

TEST(Waiters, EndAfterTheRegistration_IsSeenEvenBeforeTheWait) {
  Waiters waiters;
  Registration registration(waiters, "pay_1");
  waiters.notify("pay_1");
  EXPECT_TRUE(registration.wait(hours(1)));
}

TEST(Waiters, EndBeforeTheRegistration_IsNotSeen) {
  Waiters waiters;
  waiters.notify("pay_1");
  Registration registration(waiters, "pay_1");
  EXPECT_FALSE(registration.wait(milliseconds(0)));
}

TEST(Waiters, EndOfAnotherWorkflow_WakesNobody) {
  Waiters waiters;
  Registration registration(waiters, "pay_1");
  waiters.notify("pay_10");
  waiters.notify("pay_");
  EXPECT_FALSE(registration.wait(milliseconds(0)));
}

TEST(Waiters, WhoWaitsForTwo_IsWokenByWhicheverComesFirst) {
  Waiters waiters;
  for (const std::string& first : {std::string("pay_1"), Waiters::key_id("k")}) {
    Registration registration(waiters, std::vector<std::string>{"pay_1", Waiters::key_id("k")});
    waiters.notify(first);
    EXPECT_TRUE(registration.wait(hours(1)));
  }
  // And leaves nothing behind.
  waiters.notify("pay_1");
  waiters.notify(Waiters::key_id("k"));
}

TEST(Waiters, NameOfAKey_IsNoIdOfAWorkflow) { EXPECT_FALSE(valid_id(Waiters::key_id("pay_1"))); }

TEST(Waiters, TimeIsUp_IsNoEnd) {
  Waiters waiters;
  Registration registration(waiters, "pay_1");
  EXPECT_FALSE(registration.wait(milliseconds(1)));
}

TEST(Waiters, All_WhoWaitForOneWorkflow_AreWoken) {
  Waiters waiters;
  Registration first(waiters, "pay_1");
  Registration second(waiters, "pay_1");
  std::thread thread([&] { EXPECT_TRUE(first.wait(hours(1))); });
  waiters.notify("pay_1");
  EXPECT_TRUE(second.wait(hours(1)));
  thread.join();
}

TEST(Waiters, WhoIsGone_IsNotTouched) {
  Waiters waiters;
  std::optional<Registration> first(std::in_place, waiters, "pay_1");
  Registration second(waiters, "pay_1");
  first.reset();
  waiters.notify("pay_1");
  EXPECT_TRUE(second.wait(hours(1)));
}

TEST(Waiters, WakeAll_EndsPresentAndFutureWaits) {
  Waiters waiters;
  Registration present(waiters, "pay_1");
  std::thread thread([&] { EXPECT_FALSE(present.wait(hours(1))); });
  waiters.wake_all();
  thread.join();
  Registration future(waiters, "pay_2");
  EXPECT_FALSE(future.wait(hours(1)));
}

TEST(Waiters, EndBeforeWakeAll_IsStillAnEnd) {
  Waiters waiters;
  Registration registration(waiters, "pay_1");
  waiters.notify("pay_1");
  waiters.wake_all();
  EXPECT_TRUE(registration.wait(hours(1)));
}

}  // namespace
}  // namespace payonce::engine
