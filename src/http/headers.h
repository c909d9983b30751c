// http/headers.h: the request headers that mean something here. Pure functions.
#pragma once

#include <chrono>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"

namespace payonce::http {

inline constexpr std::size_t kIdempotencyKeyMax = 255;

// The key of an Idempotency-Key header: a structured-field string ("k", RFC 8941 section 3.3.3) or
// bare, as Stripe-style clients send it; both forms of one key are the same key. 1 to 255 visible
// ASCII characters; kInvalid otherwise.
[[nodiscard]] Result<std::string> parse_idempotency_key(std::string_view header);

// The seconds of a `wait` preference in Prefer headers (RFC 7240 section 4.3); the first one
// counts, and one that is not a number is ignored, as the standard wants.
[[nodiscard]] std::optional<std::chrono::seconds> parse_wait(
    std::span<const std::string_view> prefer_headers);

[[nodiscard]] bool equal_ignoring_case(std::string_view a, std::string_view b);  // ASCII

// Whether a comma-separated list, such as that of Connection, names `token`; case does not matter.
[[nodiscard]] bool lists_token(std::string_view list, std::string_view token);

// application/json, with or without parameters.
[[nodiscard]] bool is_json(std::string_view content_type);

// An X-Request-Id that may be kept: 1 to 128 characters of [A-Za-z0-9._:-].
[[nodiscard]] bool valid_request_id(std::string_view text);

}  // namespace payonce::http
