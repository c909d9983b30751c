// What a gateway or a fraud check answers: any body reads as an answer, with members only where the
// body is a JSON object that has them.
//
// A body that the strict parser of requests (http/json_value.h) reads gives the same members here,
// cut to 500 bytes at the border of a character; one that is no object has none. What is written by
// json_object() reads as what was written. Text for log lines and mail headers stays on one line.
#include <algorithm>
#include <string>
#include <string_view>

#include "adapters/answer_json.h"
#include "adapters/notification.h"
#include "fuzz/fuzz.h"
#include "http/json_value.h"

namespace payonce::adapters {
namespace {

using fuzz::require;
using http::Value;

constexpr std::size_t kKeptMax = 500;

void check_member(const Value& body, std::string_view name, const std::string& seen) {
  const Value* member = body.find(name);
  const bool text = member != nullptr && member->kind == Value::Kind::kString;
  const std::string whole = text ? member->text : std::string();
  require(whole.starts_with(seen), "a member is what the body says", seen);
  require(seen.size() <= kKeptMax, "no member is longer than 500 bytes", seen);
  require(seen.size() == whole.size() || seen.size() + 4 > kKeptMax, "no member is cut shorter",
          seen);
}

void gateway_answer(std::string_view text) {
  const AnswerJson answer = read_answer(text);
  const auto body = http::parse_json(text);
  if (body) {
    check_member(*body, "status", answer.status);
    check_member(*body, "reference", answer.reference);
    check_member(*body, "reason", answer.reason);
    check_member(*body, "code", answer.code);
    check_member(*body, "result", answer.result);
  }
  const std::string written = json_object({{"status", answer.status},
                                           {"reference", answer.reference},
                                           {"reason", answer.reason},
                                           {"code", answer.code},
                                           {"result", answer.result}});
  require(http::parse_json(written).has_value(), "what is written is JSON", written);
  const AnswerJson again = read_answer(written);
  require(again.status == answer.status && again.reference == answer.reference &&
              again.reason == answer.reason && again.code == answer.code &&
              again.result == answer.result,
          "what is written reads as what was written", written);

  const std::string line = one_line(text, kKeptMax);
  require(line.size() <= kKeptMax, "a line is bounded", line);
  require(std::ranges::all_of(line, [](char c) { return c >= ' ' && c <= '~'; }),
          "a line has nothing but printable ASCII", line);
}

}  // namespace
}  // namespace payonce::adapters

PAYONCE_FUZZ_TARGET(payonce::adapters::gateway_answer)
