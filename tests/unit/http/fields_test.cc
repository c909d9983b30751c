#include "http/fields.h"

#include <gtest/gtest.h>

#include <string>

namespace payonce::http {
namespace {

Value body(std::string_view text) { return parse_json(text).value(); }
Currency usd() { return *Currency::find("USD"); }

std::string code_of(Fields& fields) {
  const auto problem = fields.problem();
  return problem ? std::string(info(problem->code).name) : "";
}

TEST(Fields, UnknownField_IsRefusedByName) {
  const Value value = body(R"({"id":"a","amuont":1,"x/y~z":2})");
  Fields fields(value);
  EXPECT_EQ(fields.id("id", Need::kOptional), "a");
  const auto problem = fields.problem();
  ASSERT_TRUE(problem);
  EXPECT_EQ(problem->code, Code::kUnknownField);
  ASSERT_EQ(problem->errors.size(), 2U);
  EXPECT_EQ(problem->errors[0].pointer, "#/amuont");
  EXPECT_EQ(problem->errors[1].pointer, "#/x~1y~0z");
}

TEST(Fields, BodyThatIsNoObject_IsRefused) {
  for (const char* text : {"[]", "1", "\"a\"", "null", "true"}) {
    const Value value = body(text);
    Fields fields(value);
    EXPECT_EQ(fields.id("id", Need::kRequired), "");
    EXPECT_EQ(code_of(fields), "invalid_type") << text;
  }
}

TEST(Fields, RequiredField_AbsentOrNull_IsMissing) {
  for (const char* text : {"{}", R"({"user_id":null})"}) {
    const Value value = body(text);
    Fields fields(value);
    EXPECT_EQ(fields.id("user_id", Need::kRequired), "");
    EXPECT_EQ(code_of(fields), "missing_field") << text;
  }
}

TEST(Fields, Amount_IsReadFromNumberAndString) {
  const Value value = body(R"({"a":10.5,"b":"10.50"})");
  Fields fields(value);
  EXPECT_EQ(fields.amount("a", Need::kRequired, usd()), 1050);
  EXPECT_EQ(fields.amount("b", Need::kRequired, usd()), 1050);
  EXPECT_FALSE(fields.problem());
}

TEST(Fields, Amount_OfAnyOtherForm_IsInvalid) {
  for (const char* amount :
       {"0", "0.00", "-1", "1e2", "10.001", "99999999999999999999", "\"\"", "\" 1\"", "\"NaN\"",
        "null", "true", "[]", "{}", "\"1,5\"", "\"01\""}) {
    const Value value = body(std::string(R"({"amount":)") + amount + "}");
    Fields fields(value);
    EXPECT_EQ(fields.amount("amount", Need::kRequired, usd()), 0) << amount;
    EXPECT_EQ(code_of(fields), "invalid_amount") << amount;
  }
}

TEST(Fields, Metadata_IsKeptCanonicalAndBounded) {
  const Value value = body(R"({"metadata":{"b":1,"a":"x"}})");
  Fields fields(value);
  EXPECT_EQ(fields.metadata("metadata", 100), R"({"a":"x","b":1})");
  EXPECT_FALSE(fields.problem());
  Fields tight(value);
  EXPECT_EQ(tight.metadata("metadata", 14), "");
  EXPECT_EQ(code_of(tight), "invalid_metadata");
}

TEST(Fields, Currency_UnknownOrWithoutMinorUnit_IsInvalid) {
  for (const char* code : {"\"ZZZ\"", "\"usd\"", "\"XAU\"", "\"\"", "5"}) {
    const Value value = body(std::string(R"({"currency":)") + code + "}");
    Fields fields(value);
    EXPECT_EQ(fields.currency("currency", usd()), usd());
    EXPECT_EQ(code_of(fields), "invalid_currency") << code;
  }
}

TEST(Fields, AllFaultsOfTheFirstKind_AreToldAtOnce) {
  const Value value = body(R"({"id":"a b","user_id":"","x":1})");
  Fields fields(value);
  EXPECT_EQ(fields.id("id", Need::kOptional), "");
  EXPECT_EQ(fields.id("user_id", Need::kRequired), "");
  const auto problem = fields.problem();
  ASSERT_TRUE(problem);
  EXPECT_EQ(problem->code, Code::kInvalidId);
  EXPECT_EQ(problem->errors.size(), 2U);
}

}  // namespace
}  // namespace payonce::http
