#include "http/problem.h"

#include <gtest/gtest.h>

#include <fstream>
#include <set>
#include <sstream>
#include <string>

#include "http/exchange.h"
#include "http/json_value.h"

namespace payonce::http {
namespace {

std::string errors_page() {
  std::ifstream file(std::string(PAYONCE_SOURCE_DIR) + "/docs/errors.md");
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

TEST(Problem, EveryCode_HasASectionInTheDocumentationWithItsStatus) {
  const std::string page = errors_page();
  for (const CodeInfo& about : all_codes()) {
    const std::string head = "## " + std::string(about.name) + "\n\n**" +
                             std::to_string(about.status) + "** — " + std::string(about.title) +
                             ".";
    EXPECT_NE(page.find(head), std::string::npos) << head;
  }
}

TEST(Problem, EveryCode_HasANameOfItsOwn) {
  std::set<std::string_view> names;
  for (const CodeInfo& about : all_codes()) {
    EXPECT_TRUE(names.insert(about.name).second) << about.name;
  }
}

TEST(Problem, Body_HasTheMembersOfRfc9457AndTheCode) {
  const Problem problem{.code = Code::kInvalidAmount,
                        .detail = "amount is \"odd\"",
                        .errors = {{"amount is odd", "#/amount"}},
                        .payment_id = {}};
  const auto body = parse_json(render(problem, "/v1/payments"));
  ASSERT_TRUE(body);
  EXPECT_EQ(body->find("type")->text, "urn:payonce:error:invalid_amount");
  EXPECT_EQ(body->find("status")->text, "422");
  EXPECT_EQ(body->find("detail")->text, "amount is \"odd\"");
  EXPECT_EQ(body->find("instance")->text, "/v1/payments");
  EXPECT_EQ(body->find("code")->text, "invalid_amount");
  EXPECT_EQ(body->find("errors")->items.at(0).find("pointer")->text, "#/amount");
  EXPECT_EQ(body->find("payment_id"), nullptr);
}

TEST(Problem, ServerThatTurnsAway_SaysWhenToComeBack) {
  EXPECT_TRUE(problem_reply(Code::kOverloaded, {}, "/").retry_after_s);
  EXPECT_TRUE(problem_reply(Code::kStorageFull, {}, "/").retry_after_s);
  EXPECT_TRUE(problem_reply(Code::kNotReady, {}, "/").retry_after_s);
  EXPECT_FALSE(problem_reply(Code::kInvalidId, {}, "/").retry_after_s);
}

}  // namespace
}  // namespace payonce::http
