// http/digest.h: the hashes that name an Idempotency-Key and its payload. SHA-256 by OpenSSL.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>

namespace payonce::http {

// 32 raw bytes of SHA-256 over the parts, each preceded by its length, so that no two lists of
// parts meet in one text.
[[nodiscard]] std::string sha256_of(std::initializer_list<std::string_view> parts);

}  // namespace payonce::http
