// base/hex.h: bytes as lower-case hexadecimal digits.
#pragma once

#include <string>
#include <string_view>

namespace payonce {

[[nodiscard]] std::string to_hex(std::string_view bytes);

}  // namespace payonce
