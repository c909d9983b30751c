// Amounts.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/money.h"

namespace payonce::testing_support {

inline Currency currency(std::string_view code) { return Currency::find(code).value(); }
inline Money usd(std::int64_t minor) { return Money{minor, currency("USD")}; }

}  // namespace payonce::testing_support
