// http/problem.h: errors as clients see them: RFC 9457 problem details with a stable code.
//
// The table in problem.cc is the one list of codes with their status and title; docs/errors.md
// explains each of them, and a test holds the two together.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace payonce::http {

enum class Code : unsigned char {
  kMalformedJson,
  kInvalidIdempotencyKey,
  kIdempotencyKeyRequired,
  kMalformedRequest,
  kInvalidSignature,
  kNotFound,
  kMethodNotAllowed,
  kRequestTimeout,
  kAccountExists,
  kPaymentExists,
  kPaymentClosed,
  kPaymentNotRefundable,
  kCompensationNotFailed,
  kWorkflowClosed,
  kTaskNotExhausted,
  kIdempotencyInFlight,
  kInsufficientFunds,
  kPayloadTooLarge,
  kUriTooLong,
  kUnsupportedMediaType,
  kRangeNotSatisfiable,
  kUnknownField,
  kMissingField,
  kInvalidType,
  kInvalidAmount,
  kInvalidCurrency,
  kInvalidId,
  kInvalidMetadata,
  kInvalidPaymentMethod,
  kTooLong,
  kInvalidLimit,
  kInvalidCursor,
  kInvalidStatus,
  kInvalidTime,
  kUnknownParameter,
  kIdempotencyKeyReused,
  kRefundTooLarge,
  kInvalidOutcome,
  kAccountNotFound,  // as the refusal of a payment; an unknown account in a path is 404
  kAccountClosed,
  kCurrencyMismatch,
  kLimitExceeded,
  kOverloaded,
  kStorageFull,
  kNotReady,
  kInternalError,
};

struct CodeInfo {
  Code code;
  int status;
  std::string_view name;   // the stable `code` of the answer
  std::string_view title;  // the same for each occurrence
};
[[nodiscard]] const CodeInfo& info(Code code);
[[nodiscard]] std::span<const CodeInfo> all_codes();

struct FieldError {
  std::string detail;
  std::string pointer;  // JSON Pointer as a URI fragment: "#/amount"; or "?limit" for a parameter
};

struct Problem {
  Code code = Code::kInternalError;
  std::string detail;
  std::vector<FieldError> errors;
  std::string payment_id;  // of a payment that was recorded as refused; empty otherwise
  int status = 0;          // instead of the code's own, when not 0
};

// A problem with nothing but its words.
[[nodiscard]] Problem simple_problem(Code code, std::string detail);

// `text` with everything percent-encoded that may not stand in a URI (RFC 3986).
[[nodiscard]] std::string uri_text(std::string_view text);

// The body of an application/problem+json answer. `instance` is the request's path.
[[nodiscard]] std::string render(const Problem& problem, std::string_view instance);

}  // namespace payonce::http
