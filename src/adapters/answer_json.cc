#include "adapters/answer_json.h"

#include <rapidjson/document.h>
#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

namespace payonce::adapters {

AnswerJson read_answer(std::string_view body) {
  AnswerJson answer;
  rapidjson::Document document;
  // Iterative: the depth of what somebody else sends must not use up our stack.
  document.Parse<rapidjson::kParseIterativeFlag>(body.data(), body.size());
  if (document.HasParseError() || !document.IsObject()) {
    return answer;
  }
  const auto read = [&](const char* name, std::string& to) {
    const auto found = document.FindMember(name);
    if (found != document.MemberEnd() && found->value.IsString()) {
      to.assign(found->value.GetString(), found->value.GetStringLength());
    }
  };
  read("status", answer.status);
  read("reference", answer.reference);
  read("reason", answer.reason);
  read("code", answer.code);
  read("result", answer.result);
  return answer;
}

std::string json_object(
    std::initializer_list<std::pair<std::string_view, std::string_view>> members) {
  rapidjson::StringBuffer buffer;
  rapidjson::Writer<rapidjson::StringBuffer> json(buffer);
  json.StartObject();
  for (const auto& [name, value] : members) {
    json.Key(name.data(), static_cast<rapidjson::SizeType>(name.size()));
    json.String(value.data(), static_cast<rapidjson::SizeType>(value.size()));
  }
  json.EndObject();
  return {buffer.GetString(), buffer.GetSize()};
}

}  // namespace payonce::adapters
