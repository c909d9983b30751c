// Request bodies: whatever the bytes are, they either parse or give a problem with a stable code.
//
// - What parses is what RapidJSON reads in the same bytes, and what is refused is refused there, or
//   has a key twice or more than kDepthMax levels.
// - The canonical form parses to the same value and is its own canonical form. The same value
//   written otherwise (members in another order, white space, escapes) has the same one.
// - The fields of each POST read as a command or a problem; a command that is written as a body
//   reads as the same command.
#include <rapidjson/document.h>
#include <rapidjson/memorystream.h>
#include <rapidjson/reader.h>
#include <simdjson.h>

#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "fuzz/fuzz.h"
#include "http/fields.h"
#include "http/json_value.h"
#include "http/problem.h"

namespace payonce::http {
namespace {

using fuzz::require;

// The value that RapidJSON sees, by way of its events.
class Reference : public rapidjson::BaseReaderHandler<rapidjson::UTF8<>, Reference> {
 public:
  bool Null() { return add({}); }
  bool Bool(bool value) {
    Value bool_value;
    bool_value.kind = Value::Kind::kBool;
    bool_value.boolean = value;
    return add(std::move(bool_value));
  }
  bool RawNumber(const char* text, rapidjson::SizeType size, bool /*copy*/) {
    return add(text_value(Value::Kind::kNumber, {text, size}));
  }
  bool String(const char* text, rapidjson::SizeType size, bool /*copy*/) {
    // RapidJSON lets the second half of a surrogate pair stand alone.
    well_formed = well_formed && simdjson::validate_utf8(text, size);
    return add(text_value(Value::Kind::kString, {text, size}));
  }
  bool Key(const char* text, rapidjson::SizeType size, bool /*copy*/) {
    well_formed = well_formed && simdjson::validate_utf8(text, size);
    for (const Member& member : open_.back().members) {
      unique_keys = unique_keys && member.key != std::string_view(text, size);
    }
    open_.back().members.push_back({std::string(text, size), {}});
    return true;
  }
  bool StartObject() { return open(Value::Kind::kObject); }
  bool EndObject(rapidjson::SizeType /*count*/) { return close(); }
  bool StartArray() { return open(Value::Kind::kArray); }
  bool EndArray(rapidjson::SizeType /*count*/) { return close(); }

  Value root;
  bool well_formed = true;
  bool unique_keys = true;
  bool shallow = true;

 private:
  static Value text_value(Value::Kind kind, std::string_view text) {
    Value value;
    value.kind = kind;
    value.text = text;
    return value;
  }
  bool open(Value::Kind kind) {
    open_.emplace_back().kind = kind;
    shallow = shallow && open_.size() <= static_cast<std::size_t>(kDepthMax);
    return open_.size() < 1000;  // deep enough to know
  }
  bool close() {
    Value value = std::move(open_.back());
    open_.pop_back();
    return add(std::move(value));
  }
  bool add(Value value) {
    if (open_.empty()) {
      root = std::move(value);
    } else if (open_.back().kind == Value::Kind::kArray) {
      open_.back().items.push_back(std::move(value));
    } else {
      open_.back().members.back().value = std::move(value);
    }
    return true;
  }

  std::vector<Value> open_;
};

bool equal(const Value& a, const Value& b) {
  const auto same_member = [](const Member& x, const Member& y) {
    return x.key == y.key && equal(x.value, y.value);
  };
  return a.kind == b.kind && a.boolean == b.boolean && a.text == b.text &&
         std::ranges::equal(a.items, b.items, equal) &&
         std::ranges::equal(a.members, b.members, same_member);
}

void compare_with_reference(std::string_view text, const Result<Value>& parsed) {
  constexpr unsigned kFlags = rapidjson::kParseNumbersAsStringsFlag |
                              rapidjson::kParseValidateEncodingFlag |
                              rapidjson::kParseIterativeFlag;
  Reference reference;
  // A byte order mark at the front is passed over, as RFC 8259 section 8.1 lets a parser do.
  text.remove_prefix(text.starts_with("\xef\xbb\xbf") ? 3 : 0);
  rapidjson::MemoryStream stream(text.data(), text.size());
  rapidjson::Reader reader;
  // A zero byte is the end of the text for RapidJSON, and never part of a JSON text.
  const auto read = reader.Parse<kFlags>(stream, reference);
  if (read.Code() == rapidjson::kParseErrorNumberTooBig) {
    return;  // for a double, which we make no number into
  }
  const bool good = !read.IsError() && reference.well_formed && reference.unique_keys &&
                    reference.shallow && text.find('\0') == std::string_view::npos;
  if (parsed) {
    require(good, "only JSON is accepted", text);
    require(equal(*parsed, reference.root), "both parsers see the same value", text);
  } else {
    require(!good, "all JSON is accepted", parsed.error().message + ": " + std::string(text));
    require(!parsed.error().message.empty(), "an error says what is wrong", text);
  }
}

void append_text(std::string& out, std::string_view text) {
  constexpr std::string_view kHex = "0123456789abcdef";
  out += '"';
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x80) {
      out.append("\\u00").append(1, kHex[byte >> 4]).append(1, kHex[byte & 15U]);
    } else {
      out += c;
    }
  }
  out += '"';
}

// The value as somebody else would write it: members backwards, with white space, all of ASCII
// escaped.
void append_otherwise(std::string& out, const Value& value) {
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
      append_text(out, value.text);
      return;
    case Value::Kind::kArray:
      out += "[ ";
      for (std::size_t i = 0; i < value.items.size(); ++i) {
        out += i == 0 ? "" : " ,\n";
        append_otherwise(out, value.items[i]);
      }
      out += "\t]";
      return;
    case Value::Kind::kObject:
      out += "{\r\n";
      for (std::size_t i = value.members.size(); i > 0; --i) {
        out += i == value.members.size() ? "" : ", ";
        append_text(out, value.members[i - 1].key);
        out += " : ";
        append_otherwise(out, value.members[i - 1].value);
      }
      out += " }";
      return;
  }
}

void check_canonical(const Value& value) {
  std::string canonical;
  append_canonical(canonical, value);
  const auto again = parse_json(canonical);
  require(again.has_value(), "the canonical form is JSON", canonical);
  std::string twice;
  append_canonical(twice, *again);
  require(twice == canonical, "the canonical form is its own", canonical);

  std::string otherwise;
  append_otherwise(otherwise, value);
  const auto other = parse_json(otherwise);
  require(other.has_value(), "the same value parses however it is written", otherwise);
  std::string of_other;
  append_canonical(of_other, *other);
  require(of_other == canonical, "one value has one canonical form", otherwise);
}

// What a route reads: each field's name and its value as JSON text, in the order of reading.
using Command = std::vector<std::pair<std::string, std::string>>;

class BodyReader {
 public:
  explicit BodyReader(const Value& body) : fields_(body) {}

  void id(const char* name, Need need) { text_of(name, fields_.id(name, need)); }
  void text(const char* name, std::size_t max) {
    const std::string value = fields_.text(name, Need::kOptional, max);
    require(value.size() <= max, "no text is longer than its field", value);
    text_of(name, value);
  }
  void amount(const char* name, Need need, Currency currency, Zero zero) {
    const std::int64_t minor = fields_.amount(name, need, currency, zero);
    require(minor >= 0, "no amount is negative", name);
    if (minor > 0) {
      text_of(name, format_amount(minor, currency));
    }
  }
  void amount_text(const char* name, Need need) { text_of(name, fields_.amount_text(name, need)); }
  Currency currency() {
    const Currency found = fields_.currency("currency", *Currency::find("USD"));
    text_of("currency", std::string(found.code()));
    return found;
  }
  void method(Need need) {
    text_of("payment_method", fields_.payment_method("payment_method", need));
  }
  void flag(const char* name) {
    const auto value = fields_.flag(name);
    command.emplace_back(name, value.value_or(false) ? "true" : "false");
  }
  void metadata() {
    constexpr std::size_t kMax = 256;
    const std::string value = fields_.metadata("metadata", kMax);
    require(value.size() <= kMax, "metadata is bounded", value);
    if (!value.empty()) {
      command.emplace_back("metadata", value);
    }
  }
  std::optional<Problem> problem() { return fields_.problem(); }

  Command command;

 private:
  void text_of(const char* name, const std::string& value) {
    if (!value.empty()) {
      append_text(command.emplace_back(name, std::string()).second, value);
    }
  }

  Fields fields_;
};

// The bodies of all POSTs (src/http).
void account(BodyReader& body) {
  body.id("id", Need::kOptional);
  body.amount("opening_balance", Need::kOptional, body.currency(), Zero::kAllow);
  body.metadata();
}
void deposit(BodyReader& body) {
  body.amount_text("amount", Need::kRequired);
  body.text("reference", 255);
}
void payment(BodyReader& body) {
  body.id("id", Need::kOptional);
  body.id("user_id", Need::kRequired);
  body.amount("amount", Need::kRequired, body.currency(), Zero::kRefuse);
  body.method(Need::kRequired);
  body.text("description", 1000);
  body.metadata();
}
void original_payment(BodyReader& body) {
  body.id("account_id", Need::kOptional);
  body.id("user_id", Need::kOptional);
  body.amount("amount", Need::kRequired, *Currency::find("JPY"), Zero::kRefuse);
  body.method(Need::kOptional);
}
void callback(BodyReader& body) {
  body.id("payment_id", Need::kRequired);
  body.text("gateway_reference", 1000);
  body.text("outcome", 1000);
  body.text("reason", 1000);
}
void fraud_check(BodyReader& body) {
  body.id("order_id", Need::kRequired);
  body.flag("is_valid");
}
void cancel(BodyReader& body) { body.text("reason", 1000); }
void refund(BodyReader& body) { body.amount_text("amount", Need::kOptional); }
void nothing(BodyReader& /*body*/) {}

void check_problem(const Problem& problem) {
  const CodeInfo& about = info(problem.code);
  rapidjson::Document answer;
  answer.Parse(render(problem, "/v1/fuzz?\xff").c_str());
  require(!answer.HasParseError() && answer.IsObject(), "a problem is a JSON object");
  require(answer["code"].GetString() == about.name, "a problem has its code");
  require(answer["status"].GetInt() == about.status && about.status >= 400 && about.status < 500,
          "what is wrong with a body is the client's fault");
  require(!problem.errors.empty(), "a problem of fields names them");
  for (const FieldError& error : problem.errors) {
    require(error.pointer.starts_with('#') && !error.detail.empty(), "a field has a pointer");
  }
}

void check_body(void (*read)(BodyReader&), const Value& value) {
  BodyReader first(value);
  read(first);
  if (const auto problem = first.problem()) {
    check_problem(*problem);
    return;
  }
  std::string text = "{";
  for (const auto& [name, json] : first.command) {
    text.append(text.size() == 1 ? "" : ",").append("\"").append(name).append("\":").append(json);
  }
  text += '}';
  const auto again = parse_json(text);
  require(again.has_value(), "a command is written as JSON", text);
  BodyReader second(*again);
  read(second);
  require(!second.problem(), "a command that is written reads without a problem", text);
  require(first.command == second.command, "a command that is written reads as the same", text);
}

void request_json(std::string_view text) {
  const auto parsed = parse_json(text);
  compare_with_reference(text, parsed);
  if (!parsed) {
    return;
  }
  check_canonical(*parsed);
  constexpr std::array kBodies{account,     deposit, payment, original_payment, callback,
                               fraud_check, cancel,  refund,  nothing};
  for (const auto read : kBodies) {
    check_body(read, *parsed);
  }
}

}  // namespace
}  // namespace payonce::http

PAYONCE_FUZZ_TARGET(payonce::http::request_json)
