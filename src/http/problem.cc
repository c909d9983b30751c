#include "http/problem.h"

#include <array>
#include <utility>

#include "base/assert.h"
#include "http/json_writer.h"

namespace payonce::http {
namespace {

// In the order of the enum, which a static_assert below holds.
constexpr CodeInfo kCodes[] = {
    {Code::kMalformedJson, 400, "malformed_json", "The body is not well-formed JSON"},
    {Code::kInvalidIdempotencyKey, 400, "invalid_idempotency_key",
     "The Idempotency-Key is not valid"},
    {Code::kIdempotencyKeyRequired, 400, "idempotency_key_required", "Idempotency-Key is missing"},
    {Code::kMalformedRequest, 400, "malformed_request", "The request is not well-formed HTTP"},
    {Code::kInvalidSignature, 401, "invalid_signature", "The webhook signature is not valid"},
    {Code::kNotFound, 404, "not_found", "There is no such resource"},
    {Code::kMethodNotAllowed, 405, "method_not_allowed", "The resource has no such method"},
    {Code::kRequestTimeout, 408, "request_timeout", "The request did not come in time"},
    {Code::kAccountExists, 409, "account_exists", "An account with this id exists"},
    {Code::kPaymentExists, 409, "payment_exists", "Another payment with this id exists"},
    {Code::kPaymentClosed, 409, "payment_closed", "The end of the payment is decided"},
    {Code::kPaymentNotRefundable, 409, "payment_not_refundable",
     "Only a payment that succeeded can be refunded"},
    {Code::kCompensationNotFailed, 409, "compensation_not_failed",
     "The payment has no compensation that failed"},
    {Code::kWorkflowClosed, 409, "workflow_closed", "The workflow has ended"},
    {Code::kTaskNotExhausted, 409, "task_not_exhausted", "The task still has attempts left"},
    {Code::kIdempotencyInFlight, 409, "idempotency_in_flight",
     "A request is outstanding for this Idempotency-Key"},
    {Code::kInsufficientFunds, 402, "insufficient_funds", "The account has too little available"},
    {Code::kPayloadTooLarge, 413, "payload_too_large", "The body is too large"},
    {Code::kUriTooLong, 414, "uri_too_long", "The request target is too long"},
    {Code::kUnsupportedMediaType, 415, "unsupported_media_type",
     "The body must be application/json"},
    {Code::kRangeNotSatisfiable, 416, "range_not_satisfiable", "The range cannot be served"},
    {Code::kUnknownField, 422, "unknown_field", "The request has a field that is not known"},
    {Code::kMissingField, 422, "missing_field", "The request lacks a field"},
    {Code::kInvalidType, 422, "invalid_type", "A field has the wrong type"},
    {Code::kInvalidAmount, 422, "invalid_amount", "The amount is not valid"},
    {Code::kInvalidCurrency, 422, "invalid_currency", "The currency is not valid"},
    {Code::kInvalidId, 422, "invalid_id", "The id is not valid"},
    {Code::kInvalidMetadata, 422, "invalid_metadata", "The metadata is not valid"},
    {Code::kInvalidPaymentMethod, 422, "invalid_payment_method", "The payment method is not valid"},
    {Code::kTooLong, 422, "too_long", "A text is too long"},
    {Code::kInvalidLimit, 422, "invalid_limit", "The limit is not valid"},
    {Code::kInvalidCursor, 422, "invalid_cursor", "The cursor is not valid"},
    {Code::kInvalidStatus, 422, "invalid_status", "There is no such status"},
    {Code::kInvalidTime, 422, "invalid_time", "The time is not valid"},
    {Code::kUnknownParameter, 422, "unknown_parameter",
     "The query has a parameter that is not known"},
    {Code::kIdempotencyKeyReused, 422, "idempotency_key_reused", "Idempotency-Key is already used"},
    {Code::kRefundTooLarge, 422, "refund_too_large", "The refund is more than is left to refund"},
    {Code::kInvalidOutcome, 422, "invalid_outcome", "There is no such outcome"},
    {Code::kAccountNotFound, 422, "account_not_found", "There is no such account"},
    {Code::kAccountClosed, 422, "account_closed", "The account is closed"},
    {Code::kCurrencyMismatch, 422, "currency_mismatch", "The account has another currency"},
    {Code::kLimitExceeded, 422, "limit_exceeded", "A limit is exceeded"},
    {Code::kOverloaded, 503, "overloaded", "The server has more work than it can take"},
    {Code::kStorageFull, 503, "storage_full", "The server has too little disk space"},
    {Code::kNotReady, 503, "not_ready", "The server is starting or stopping"},
    {Code::kInternalError, 500, "internal_error", "The server made a mistake"},
};

constexpr bool in_order() {
  for (std::size_t i = 0; i < std::size(kCodes); ++i) {
    if (static_cast<std::size_t>(kCodes[i].code) != i) {
      return false;
    }
  }
  return true;
}
static_assert(in_order());

}  // namespace

Problem simple_problem(Code code, std::string detail) {
  return Problem{.code = code, .detail = std::move(detail), .errors = {}, .payment_id = {}};
}

std::string uri_text(std::string_view text) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    if (c > ' ' && c < '\x7f' && c != '"' && c != '<' && c != '>' && c != '\\') {
      out += c;
    } else {
      const auto byte = static_cast<unsigned char>(c);
      out += '%';
      out += kHex[byte >> 4];
      out += kHex[byte & 0xfU];
    }
  }
  return out;
}

const CodeInfo& info(Code code) {
  const auto at = static_cast<std::size_t>(code);
  PAYONCE_ASSERT(at < std::size(kCodes));
  return kCodes[at];
}

std::span<const CodeInfo> all_codes() { return kCodes; }

std::string render(const Problem& problem, std::string_view instance) {
  const CodeInfo& about = info(problem.code);
  JsonWriter json;
  json.begin_object();
  json.member("type", std::string("urn:payonce:error:").append(about.name));
  json.member("title", about.title);
  json.member("status", std::int64_t{problem.status != 0 ? problem.status : about.status});
  json.member("detail", problem.detail.empty() ? about.title : std::string_view(problem.detail));
  json.member("instance", uri_text(instance));
  json.member("code", about.name);
  if (!problem.payment_id.empty()) {
    json.member("payment_id", problem.payment_id);
  }
  if (!problem.errors.empty()) {
    json.key("errors");
    json.begin_array();
    for (const FieldError& error : problem.errors) {
      json.begin_object();
      json.member("detail", error.detail);
      json.member("pointer", error.pointer);
      json.end_object();
    }
    json.end_array();
  }
  json.end_object();
  return json.take();
}

}  // namespace payonce::http
