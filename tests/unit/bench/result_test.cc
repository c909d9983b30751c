#include "bench/result.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace payonce::bench {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

StepResult good() {
  StepResult step;
  step.rate = 100;
  step.requests = 10;
  step.duration_ns = kNsPerS;
  step.measured.add(Outcome::kOk, 10);
  step.audit = {.done = true, .accepted = 10, .taken = 10, .balanced = true};
  return step;
}

TEST(Faults, ARightRunHasNone) { EXPECT_THAT(find_faults(good()), IsEmpty()); }

TEST(Faults, OrderlyRefusalsAreNone) {
  StepResult step = good();
  step.measured.add(Outcome::kShed, 1000);
  EXPECT_THAT(find_faults(step), IsEmpty());
}

TEST(Faults, EveryOtherOutcomeIsOne_AlsoInTheWarmup) {
  for (const Outcome outcome :
       {Outcome::kWrong, Outcome::kSocketError, Outcome::kTimeout, Outcome::kNotSent}) {
    StepResult step = good();
    step.warmup.add(outcome, 7);
    EXPECT_THAT(find_faults(step), ElementsAre(HasSubstr("7 requests")));
  }
}

TEST(Faults, AWrongAnswerIsShown) {
  StepResult step = good();
  step.measured.add(Outcome::kWrong, 1);
  step.first_wrong = "404 nothing";
  EXPECT_THAT(find_faults(step), ElementsAre(HasSubstr("404 nothing")));
}

TEST(Faults, ARunWithoutARightAnswer) {
  StepResult step = good();
  step.measured = Counts{};
  step.measured.add(Outcome::kShed, 10);
  step.audit.accepted = 0;
  step.audit.taken = 0;
  EXPECT_THAT(find_faults(step), ElementsAre("no request was answered rightly"));
}

TEST(Faults, MoneyThatIsMissingOrTooMuch) {
  for (const std::int64_t taken : {9, 11}) {
    StepResult step = good();
    step.audit.taken = taken;
    EXPECT_THAT(find_faults(step), ElementsAre(HasSubstr("10 should have been"))) << taken;
  }
}

TEST(Faults, UnansweredPaymentsMayBeTakenOrNot) {
  for (const std::int64_t taken : {10, 11, 12}) {
    StepResult step = good();
    step.audit.uncertain = 2;
    step.audit.taken = taken;
    EXPECT_THAT(find_faults(step), IsEmpty()) << taken;
  }
  StepResult step = good();
  step.audit.uncertain = 2;
  step.audit.taken = 13;
  EXPECT_THAT(find_faults(step), ElementsAre(HasSubstr("10 to 12 should have been")));
}

TEST(Faults, OpenPaymentsAndAnUnbalancedLedger) {
  StepResult step = good();
  step.audit.held = 3;
  step.audit.open = 3;
  step.audit.balanced = false;
  EXPECT_THAT(find_faults(step),
              ElementsAre(HasSubstr("3 payments still hold money"), HasSubstr("balanced")));
}

TEST(Faults, APaymentThatIsStillOpen) {
  StepResult step = good();
  step.audit.open = 1;  // and has its money back already
  EXPECT_THAT(find_faults(step), ElementsAre(HasSubstr("1 are open")));
}

TEST(Faults, ABatchHasToBeAcceptedAsAWhole) {
  StepResult step = good();
  step.rate = 0;
  step.requests = 11;
  EXPECT_THAT(find_faults(step), ElementsAre("10 of 11 payments were accepted"));
}

TEST(AchievedRate, IsOverTheTimeThatItTook) {
  StepResult step = good();
  EXPECT_DOUBLE_EQ(achieved_rate(step), 10);
  step.answering_ns = 2 * kNsPerS;
  EXPECT_DOUBLE_EQ(achieved_rate(step), 5);
  step.answering_ns = kNsPerS / 2;
  EXPECT_DOUBLE_EQ(achieved_rate(step), 10);
}

}  // namespace
}  // namespace payonce::bench
