// adapters/answer_json.h: the small JSON bodies that adapters send and read. Private to adapters
// and to the mock gateway's server.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

namespace payonce::adapters {

// The members of an answer that mean something here; empty where absent, of another type or no
// text.
struct AnswerJson {
  std::string status;
  std::string reference;
  std::string reason;
  std::string code;
  std::string result;
};

// A body that is no JSON object reads as one without members.
[[nodiscard]] AnswerJson read_answer(std::string_view body);

// {"name":"text",…}
[[nodiscard]] std::string json_object(
    std::initializer_list<std::pair<std::string_view, std::string_view>> members);

}  // namespace payonce::adapters
