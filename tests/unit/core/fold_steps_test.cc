// What the fold makes of a single event, before the next one of the same commit says it again.
#include <gtest/gtest.h>

#include <memory>

#include "unit/core/saga_fixture.h"

namespace payonce::core {
namespace {

class FoldStepsTest : public SagaFixture {
 protected:
  // The payment as the fold has it right after its first event of this type.
  template <class Last>
  const Payment& payment_right_after() {
    partly_ = std::make_unique<testing_support::Folded>();
    for (const Record& record : world.log) {
      EXPECT_TRUE(fold(partly_->rows, record));
      if (std::holds_alternative<Last>(record.event)) {
        return *partly_->rows.payments.find("pay_1");
      }
    }
    ADD_FAILURE() << "no such event";
    return payment();
  }

 private:
  std::unique_ptr<testing_support::Folded> partly_;
};

TEST_F(FoldStepsTest, PaymentCreated_IsThePaymentsFirstChange) {
  start();
  EXPECT_EQ(payment_right_after<PaymentCreated>().updated_at, kStart);
}

TEST_F(FoldStepsTest, ChargeThatIsDeclined_LeadsToTheCompensation) {
  start();
  world.gateway("pay_1", 1, GatewayReply::kDeclined);
  EXPECT_EQ(payment_right_after<GatewayDeclined>().step, PaymentStep::kCompensate);
}

TEST_F(FoldStepsTest, ChargeThatIsGivenUp_LeadsToTheCompensation) {
  start();
  world.gateway("pay_1", 1, GatewayReply::kRefused);
  EXPECT_EQ(payment_right_after<GatewayExhausted>().step, PaymentStep::kCompensate);
}

}  // namespace
}  // namespace payonce::core
