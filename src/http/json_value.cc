#include "http/json_value.h"

#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>
#include <simdjson.h>

#include <algorithm>
#include <utility>

#include "base/digits.h"

namespace payonce::http {
namespace {

namespace ondemand = simdjson::ondemand;

// Above this many members duplicates are looked for by sorting instead of pairwise.
constexpr std::size_t kPairwiseMax = 16;

constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";

// RFC 8259 section 6: the parser hands out the token, we check that it is a number.
bool valid_number(std::string_view text) {
  std::size_t pos = 0;
  const auto digits = [&] {
    const std::size_t start = pos;
    while (pos < text.size() && is_digit(text[pos])) {
      ++pos;
    }
    return pos - start;
  };
  if (pos < text.size() && text[pos] == '-') {
    ++pos;
  }
  const std::size_t whole = pos;
  const std::size_t count = digits();
  if (count == 0 || (count > 1 && text[whole] == '0')) {
    return false;
  }
  if (pos < text.size() && text[pos] == '.') {
    ++pos;
    if (digits() == 0) {
      return false;
    }
  }
  if (pos < text.size() && (text[pos] == 'e' || text[pos] == 'E')) {
    ++pos;
    if (pos < text.size() && (text[pos] == '+' || text[pos] == '-')) {
      ++pos;
    }
    if (digits() == 0) {
      return false;
    }
  }
  return pos == text.size();
}

std::string_view trimmed(std::string_view token) {
  while (!token.empty() && (token.back() == ' ' || token.back() == '\t' || token.back() == '\n' ||
                            token.back() == '\r')) {
    token.remove_suffix(1);
  }
  return token;
}

bool has_duplicates(const std::vector<Member>& members) {
  if (members.size() <= kPairwiseMax) {
    for (std::size_t i = 1; i < members.size(); ++i) {
      for (std::size_t j = 0; j < i; ++j) {
        if (members[i].key == members[j].key) {
          return true;
        }
      }
    }
    return false;
  }
  std::vector<std::string_view> keys;
  keys.reserve(members.size());
  for (const Member& member : members) {
    keys.emplace_back(member.key);
  }
  std::ranges::sort(keys);
  return std::ranges::adjacent_find(keys) != keys.end();
}

// Builds the tree. Every function returns simdjson's code, or records our own complaint and
// returns TAPE_ERROR.
class Builder {
 public:
  [[nodiscard]] const std::string& complaint() const { return complaint_; }

  // T is ondemand::value or ondemand::document: they share the interface, not a base.
  template <class T>
  simdjson::error_code build(T& from, Value& to, int depth) {
    ondemand::json_type type{};
    if (auto error = from.type().get(type)) {
      return error;
    }
    switch (type) {
      case ondemand::json_type::object:
        return depth >= kDepthMax ? complain("nesting is too deep") : object(from, to, depth);
      case ondemand::json_type::array:
        return depth >= kDepthMax ? complain("nesting is too deep") : array(from, to, depth);
      case ondemand::json_type::string: {
        to.kind = Value::Kind::kString;
        std::string_view text;
        auto error = from.get_string().get(text);
        to.text = text;
        return error;
      }
      case ondemand::json_type::number:
        return number(from, to);
      case ondemand::json_type::boolean:
        to.kind = Value::Kind::kBool;
        return from.get_bool().get(to.boolean);
      case ondemand::json_type::null: {
        bool null = false;
        auto error = from.is_null().get(null);
        return error != simdjson::SUCCESS || null ? error : complain("a value is malformed");
      }
    }
    return complain("a value is malformed");
  }

 private:
  simdjson::error_code complain(std::string text) {
    complaint_ = std::move(text);
    return simdjson::TAPE_ERROR;
  }

  template <class T>
  simdjson::error_code number(T& from, Value& to) {
    to.kind = Value::Kind::kNumber;
    std::string_view token;
    if (auto error = raw_token(from, token)) {
      return error;
    }
    token = trimmed(token);
    if (!valid_number(token)) {
      return complain("a number is malformed");
    }
    to.text = token;
    return simdjson::SUCCESS;
  }

  static simdjson::error_code raw_token(ondemand::value& from, std::string_view& token) {
    token = from.raw_json_token();
    return simdjson::SUCCESS;
  }
  static simdjson::error_code raw_token(ondemand::document& from, std::string_view& token) {
    return from.raw_json_token().get(token);
  }

  template <class T>
  simdjson::error_code object(T& from, Value& to, int depth) {
    to.kind = Value::Kind::kObject;
    ondemand::object fields;
    if (auto error = from.get_object().get(fields)) {
      return error;
    }
    for (auto next : fields) {
      ondemand::field field;
      std::string_view key;
      if (auto error = std::move(next).get(field)) {
        return error;
      }
      if (auto error = field.unescaped_key(false).get(key)) {
        return error;
      }
      Member& member = to.members.emplace_back(Member{std::string(key), {}});
      ondemand::value value = field.value();
      if (auto error = build(value, member.value, depth + 1)) {
        return error;
      }
    }
    return has_duplicates(to.members) ? complain("an object has the same key twice")
                                      : simdjson::SUCCESS;
  }

  template <class T>
  simdjson::error_code array(T& from, Value& to, int depth) {
    to.kind = Value::Kind::kArray;
    ondemand::array elements;
    if (auto error = from.get_array().get(elements)) {
      return error;
    }
    for (auto next : elements) {
      ondemand::value value;
      if (auto error = next.get(value)) {
        return error;
      }
      if (auto error = build(value, to.items.emplace_back(), depth + 1)) {
        return error;
      }
    }
    return simdjson::SUCCESS;
  }

  std::string complaint_;
};

void append_escaped(std::string& out, std::string_view text) {
  thread_local rapidjson::StringBuffer buffer;
  buffer.Clear();
  rapidjson::Writer<rapidjson::StringBuffer> json(buffer);
  json.String(text.data(), static_cast<rapidjson::SizeType>(text.size()));
  out.append(buffer.GetString(), buffer.GetSize());
}

}  // namespace

const Value* Value::find(std::string_view key) const {
  const auto at = std::ranges::find(members, key, &Member::key);
  return at == members.end() ? nullptr : &at->value;
}

Result<Value> parse_json(std::string_view text) {
  thread_local ondemand::parser parser;
  // Behind a value that is the whole document the parser takes only a little white space.
  text = trimmed(text);
  // simdjson reads up to SIMDJSON_PADDING bytes behind the text, so it gets a copy with room.
  thread_local std::string padded;
  padded.reserve(text.size() + simdjson::SIMDJSON_PADDING);
  padded.assign(text);
  Value value;
  Builder builder;
  ondemand::document document;
  auto error =
      parser.iterate(simdjson::padded_string_view(padded.data(), padded.size(), padded.capacity()))
          .get(document);
  if (error == simdjson::SUCCESS) {
    error = builder.build(document, value, 0);
  }
  // A number that is the whole document is looked at without being consumed, so the parser does not
  // know that it is at the end; then the token itself has to be the rest of the text, behind the
  // byte order mark that the parser passes over as RFC 8259 section 8.1 lets it.
  text.remove_prefix(text.starts_with(kByteOrderMark) ? kByteOrderMark.size() : 0);
  const bool whole_number = value.kind == Value::Kind::kNumber && text.ends_with(value.text) &&
                            text.find_first_not_of(" \t\r\n") + value.text.size() == text.size();
  if (error == simdjson::SUCCESS && !whole_number && !document.at_end()) {
    return fail(Errc::kInvalid, "there is more text behind the JSON value");
  }
  if (error != simdjson::SUCCESS) {
    return fail(Errc::kInvalid,
                builder.complaint().empty() ? simdjson::error_message(error) : builder.complaint());
  }
  return value;
}

void append_canonical(std::string& out, const Value& value) {
  switch (value.kind) {
    case Value::Kind::kNull:
      out += "null";
      return;
    case Value::Kind::kBool:
      out += value.boolean ? "true" : "false";
      return;
    case Value::Kind::kNumber:
      out += value.text;
      return;
    case Value::Kind::kString:
      append_escaped(out, value.text);
      return;
    case Value::Kind::kArray: {
      out += '[';
      for (std::size_t i = 0; i < value.items.size(); ++i) {
        out += i == 0 ? "" : ",";
        append_canonical(out, value.items[i]);
      }
      out += ']';
      return;
    }
    case Value::Kind::kObject: {
      std::vector<const Member*> sorted;
      sorted.reserve(value.members.size());
      for (const Member& member : value.members) {
        sorted.push_back(&member);
      }
      std::ranges::sort(sorted, {}, [](const Member* m) -> const std::string& { return m->key; });
      out += '{';
      for (std::size_t i = 0; i < sorted.size(); ++i) {
        out += i == 0 ? "" : ",";
        append_escaped(out, sorted[i]->key);
        out += ':';
        append_canonical(out, sorted[i]->value);
      }
      out += '}';
      return;
    }
  }
}

}  // namespace payonce::http
