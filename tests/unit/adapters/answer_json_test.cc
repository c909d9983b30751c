// Bodies that a gateway or a fraud check answers with.
#include "adapters/answer_json.h"

#include <gtest/gtest.h>

#include <string>

namespace payonce::adapters {
namespace {

TEST(AnswerJson, MembersThatAreNoText_ReadAsAbsent) {
  const AnswerJson answer = read_answer(R"({"status":5,"reason":null,"code":{},"reference":"r"})");
  EXPECT_EQ(answer.status, "");
  EXPECT_EQ(answer.reason, "");
  EXPECT_EQ(answer.code, "");
  EXPECT_EQ(answer.reference, "r");
}

// What is read ends up in events and in our own answers, which are UTF-8.
TEST(AnswerJson, HalfASurrogatePair_IsNoText) {
  const AnswerJson answer =
      read_answer(R"({"status":"declined","reason":"a\udc00b","code":"\ud83d\ude00"})");
  EXPECT_EQ(answer.status, "declined");
  EXPECT_EQ(answer.reason, "");
  EXPECT_EQ(answer.code, "\xf0\x9f\x98\x80");
}

TEST(AnswerJson, LongText_IsCutAtTheBorderOfACharacter) {
  const std::string most(499, 'x');
  EXPECT_EQ(read_answer(R"({"reason":")" + most + "\xe2\x82\xac\"}").reason, most);
}

}  // namespace
}  // namespace payonce::adapters
