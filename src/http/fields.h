// http/fields.h: reads the fields of a request body and collects everything that is wrong with
// them.
//
// Usage: construct with the parsed body, ask for each field once, then problem(): it also reports
// the fields that nobody asked for. All faults of the most relevant kind are told at once.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/money.h"
#include "http/json_value.h"
#include "http/problem.h"

namespace payonce::http {

enum class Need : std::uint8_t { kOptional, kRequired };

class Fields {
 public:
  explicit Fields(const Value& body);

  // Absent optional fields read as empty. `null` counts as absent.
  [[nodiscard]] std::string id(std::string_view name, Need need);
  [[nodiscard]] std::string text(std::string_view name, Need need, std::size_t length_max);
  // The amount's digits as they were sent, as number or string; read by parse_amount later.
  [[nodiscard]] std::string amount_text(std::string_view name, Need need);
  // The amount in minor units of `currency`, 0 when absent or wrong.
  [[nodiscard]] std::int64_t amount(std::string_view name, Need need, Currency currency,
                                    Zero zero = Zero::kRefuse);
  [[nodiscard]] Currency currency(std::string_view name, Currency fallback);
  [[nodiscard]] std::string payment_method(std::string_view name, Need need = Need::kRequired);
  [[nodiscard]] std::optional<bool> flag(std::string_view name);  // required
  // An object as canonical text; empty when absent.
  [[nodiscard]] std::string metadata(std::string_view name, std::size_t bytes_max);

  // Nothing when the body is good.
  [[nodiscard]] std::optional<Problem> problem();

 private:
  const Value* take(std::string_view name, Need need);
  void complain(Code code, std::string_view name, std::string detail);

  const Value* body_;
  std::vector<std::string_view> asked_;
  std::vector<std::pair<Code, FieldError>> faults_;
};

}  // namespace payonce::http
