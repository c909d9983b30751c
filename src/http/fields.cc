#include "http/fields.h"

#include <algorithm>
#include <utility>

#include "base/ids.h"

namespace payonce::http {
namespace {

constexpr std::size_t kPaymentMethodMax = 64;

// RFC 6901: '~' and '/' are escaped in a pointer. Other bytes stay as they are.
std::string pointer_to(std::string_view name) {
  std::string pointer = "#/";
  for (const char c : name) {
    if (c == '~') {
      pointer += "~0";
    } else if (c == '/') {
      pointer += "~1";
    } else {
      pointer += c;
    }
  }
  return pointer;
}

}  // namespace

Fields::Fields(const Value& body) : body_(&body) {
  if (body.kind != Value::Kind::kObject) {
    faults_.emplace_back(Code::kInvalidType, FieldError{"the body must be a JSON object", "#"});
  }
}

const Value* Fields::take(std::string_view name, Need need) {
  asked_.push_back(name);
  const Value* value = body_->find(name);
  if (value == nullptr || value->kind == Value::Kind::kNull) {
    if (need == Need::kRequired && body_->kind == Value::Kind::kObject) {
      complain(Code::kMissingField, name, std::string(name) + " is required");
    }
    return nullptr;
  }
  return value;
}

void Fields::complain(Code code, std::string_view name, std::string detail) {
  faults_.emplace_back(code, FieldError{std::move(detail), pointer_to(name)});
}

std::string Fields::text(std::string_view name, Need need, std::size_t length_max) {
  const Value* value = take(name, need);
  if (value == nullptr) {
    return {};
  }
  if (value->kind != Value::Kind::kString) {
    complain(Code::kInvalidType, name, std::string(name) + " must be a string");
    return {};
  }
  if (value->text.size() > length_max) {
    complain(Code::kTooLong, name,
             std::string(name) + " is longer than " + std::to_string(length_max) + " bytes");
    return {};
  }
  return value->text;
}

std::string Fields::id(std::string_view name, Need need) {
  const Value* value = take(name, need);
  if (value == nullptr) {
    return {};
  }
  if (value->kind != Value::Kind::kString) {
    complain(Code::kInvalidType, name, std::string(name) + " must be a string");
    return {};
  }
  if (!valid_id(value->text)) {
    complain(Code::kInvalidId, name,
             std::string(name) + " must be 1 to 128 characters of A-Z a-z 0-9 . _ : -");
    return {};
  }
  return value->text;
}

std::string Fields::amount_text(std::string_view name, Need need) {
  asked_.push_back(name);
  const Value* value = body_->find(name);
  if (value == nullptr) {
    if (need == Need::kRequired && body_->kind == Value::Kind::kObject) {
      complain(Code::kMissingField, name, std::string(name) + " is required");
    }
    return {};
  }
  if (value->kind != Value::Kind::kNumber && value->kind != Value::Kind::kString) {
    complain(Code::kInvalidAmount, name,
             std::string(name) + " must be a decimal, as a number or a string");
    return {};
  }
  return value->text.empty() ? " " : value->text;  // "" is not absent: it is no decimal
}

std::int64_t Fields::amount(std::string_view name, Need need, Currency currency, Zero zero) {
  const std::string digits = amount_text(name, need);
  if (digits.empty()) {
    return 0;
  }
  const ParsedAmount parsed = parse_amount(digits, currency, zero);
  if (parsed.error) {
    complain(Code::kInvalidAmount, name,
             std::string(name).append(" ").append(describe(*parsed.error)));
    return 0;
  }
  return parsed.minor;
}

Currency Fields::currency(std::string_view name, Currency fallback) {
  const Value* value = take(name, Need::kOptional);
  if (value == nullptr) {
    return fallback;
  }
  const auto found =
      value->kind == Value::Kind::kString ? Currency::find(value->text) : std::nullopt;
  if (!found) {
    complain(Code::kInvalidCurrency, name,
             std::string(name) + " must be the ISO 4217 code of a currency with minor units");
    return fallback;
  }
  return *found;
}

std::optional<bool> Fields::flag(std::string_view name) {
  const Value* value = take(name, Need::kRequired);
  if (value == nullptr) {
    return std::nullopt;
  }
  if (value->kind != Value::Kind::kBool) {
    complain(Code::kInvalidType, name, std::string(name) + " must be true or false");
    return std::nullopt;
  }
  return value->boolean;
}

std::string Fields::payment_method(std::string_view name, Need need) {
  const Value* value = take(name, need);
  if (value == nullptr) {
    return {};
  }
  if (value->kind != Value::Kind::kString) {
    complain(Code::kInvalidType, name, std::string(name) + " must be a string");
    return {};
  }
  if (!valid_id(value->text) || value->text.size() > kPaymentMethodMax) {
    complain(Code::kInvalidPaymentMethod, name,
             std::string(name) + " must be 1 to 64 characters of A-Z a-z 0-9 . _ : -");
    return {};
  }
  return value->text;
}

std::string Fields::metadata(std::string_view name, std::size_t bytes_max) {
  const Value* value = take(name, Need::kOptional);
  if (value == nullptr) {
    return {};
  }
  if (value->kind != Value::Kind::kObject) {
    complain(Code::kInvalidMetadata, name, std::string(name) + " must be an object");
    return {};
  }
  std::string canonical;
  append_canonical(canonical, *value);
  if (canonical.size() > bytes_max) {
    complain(Code::kInvalidMetadata, name,
             std::string(name) + " is larger than " + std::to_string(bytes_max) + " bytes");
    return {};
  }
  return canonical == "{}" ? std::string() : canonical;
}

std::optional<Problem> Fields::problem() {
  for (const Member& member : body_->members) {
    if (std::ranges::find(asked_, member.key) == asked_.end()) {
      complain(Code::kUnknownField, member.key, "there is no field " + member.key);
    }
  }
  if (faults_.empty()) {
    return std::nullopt;
  }
  // One problem is of one type: that of the first fault; others of the same type come along.
  Problem problem{.code = faults_.front().first,
                  .detail = faults_.front().second.detail,
                  .errors = {},
                  .payment_id = {}};
  for (auto& [code, error] : faults_) {
    if (code == problem.code) {
      problem.errors.push_back(std::move(error));
    }
  }
  return problem;
}

}  // namespace payonce::http
