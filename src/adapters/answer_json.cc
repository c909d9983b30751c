#include "adapters/answer_json.h"

#include <rapidjson/document.h>
#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>
#include <simdjson.h>

#include <algorithm>

namespace payonce::adapters {
namespace {

// These texts end up in events.
constexpr std::size_t kTextMax = 500;

// Cut at the border of a character.
std::string_view shortened(std::string_view text) {
  std::size_t end = std::min(text.size(), kTextMax);
  while (end > 0 && end < text.size() && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80U) {
    --end;
  }
  return text.substr(0, end);
}

}  // namespace

AnswerJson read_answer(std::string_view body) {
  AnswerJson answer;
  rapidjson::Document document;
  // Iterative: the depth of what somebody else sends must not use up our stack.
  document.Parse<rapidjson::kParseIterativeFlag | rapidjson::kParseValidateEncodingFlag>(
      body.data(), body.size());
  if (document.HasParseError() || !document.IsObject()) {
    return answer;
  }
  const auto read = [&](const char* name, std::string& to) {
    const auto found = document.FindMember(name);
    if (found == document.MemberEnd() || !found->value.IsString()) {
      return;
    }
    const std::string_view text(found->value.GetString(), found->value.GetStringLength());
    // The second half of a surrogate pair alone is let through, and is no text that we may send on.
    if (simdjson::validate_utf8(text.data(), text.size())) {
      to = shortened(text);
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
