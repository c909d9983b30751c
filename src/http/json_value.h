// http/json_value.h: a request body as a small tree that keeps numbers as their text.
//
// simdjson does the parsing (structure, escapes, UTF-8); the tree exists because amounts must be
// read from the digits that were sent and because the fingerprint of a keyed request needs a
// canonical form. Limits: kDepthMax levels; the size is bounded by the server's body limit.
// Thread-safe: one parser per thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace payonce::http {

inline constexpr int kDepthMax = 32;

struct Member;

struct Value {
  enum class Kind : std::uint8_t { kNull, kBool, kNumber, kString, kArray, kObject };
  Kind kind = Kind::kNull;
  bool boolean = false;
  std::string text;             // of a string, unescaped; of a number, as it was written
  std::vector<Value> items;     // of an array
  std::vector<Member> members;  // of an object, in the order of the text, keys unique

  [[nodiscard]] const Value* find(std::string_view key) const;
};

struct Member {
  std::string key;
  Value value;
};

// Reads one JSON value that must be the whole text. The error says what is wrong in a sentence:
// malformed text, duplicate keys, trailing bytes, nesting too deep.
[[nodiscard]] Result<Value> parse_json(std::string_view text);

// Members sorted by key, no white space, one way to escape; numbers as they were written. Two
// bodies that differ only in member order and white space have the same canonical form (after RFC
// 8785, but with the digits of numbers kept, since 1.0 and 1.00 may differ in money).
void append_canonical(std::string& out, const Value& value);

}  // namespace payonce::http
