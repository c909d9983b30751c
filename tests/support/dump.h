// Events, rows and effects as text, for comparing and for reading failures. Walks the same `fields`
// as the codec does, but shares no code with it.
#pragma once

#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>
#include <variant>
#include <vector>

#include "base/money.h"
#include "base/time.h"
#include "core/outcome.h"
#include "core/record.h"

namespace payonce::testing_support {

class Dumper {
 public:
  std::string out;

  void operator()(std::string_view name, bool value) { field(name, value ? "true" : "false"); }
  template <std::integral T>
  void operator()(std::string_view name, T value) {
    field(name, std::to_string(value));
  }
  template <class T>
  requires std::is_enum_v<T>
  void operator()(std::string_view field_name, T value) {
    // Named by what the enum's own namespace says.
    field(field_name, name(value));
  }
  void operator()(std::string_view name, const std::string& value) {
    std::string quoted = "\"";
    for (const char c : value) {
      constexpr std::string_view kHex = "0123456789abcdef";
      const auto byte = static_cast<unsigned char>(c);
      if (byte >= ' ' && byte < 0x7f && c != '\\') {
        quoted += c;
      } else {
        quoted.append("\\x").append(1, kHex[byte >> 4]).append(1, kHex[byte & 15U]);
      }
    }
    field(name, quoted + '"');
  }
  void operator()(std::string_view name, Timestamp value) { field(name, std::to_string(value.us)); }
  void operator()(std::string_view name, Duration value) { field(name, std::to_string(value.us)); }
  void operator()(std::string_view name, Currency value) { field(name, value.code()); }
  void operator()(std::string_view name, Money value) {
    field(name, std::to_string(value.minor) + " " + std::string(value.currency.code()));
  }
  void operator()(std::string_view name, WideAmount value) {
    field(name, format_amount(value, Currency()));
  }
  template <class Struct>
  requires requires(Dumper& d, const Struct& s) { Struct::fields(d, s); }
  void operator()(std::string_view name, const Struct& value) {
    field(name, "{");
    Struct::fields(*this, value);
    out += '}';
  }

 private:
  void field(std::string_view name, std::string_view value) {
    if (!out.empty() && out.back() != '{') {
      out += ", ";
    }
    out.append(name).append("=").append(value);
  }
};

template <class Struct>
requires requires(Dumper& d, const Struct& s) { Struct::fields(d, s); }
[[nodiscard]] std::string dump(const Struct& value) {
  Dumper dumper;
  Struct::fields(dumper, value);
  return "{" + dumper.out + "}";
}

[[nodiscard]] inline std::string dump(const core::Event& event) {
  return std::string(core::event_name(event)) +
         std::visit([](const auto& e) { return dump(e); }, event);
}

[[nodiscard]] inline std::string dump(const core::Record& record) {
  return "#" + std::to_string(record.seq) + " at " + std::to_string(record.at.us) + " " +
         std::string(name(record.kind)) + ":" + record.stream + " after " +
         std::to_string(record.previous) + " " + dump(record.event);
}

[[nodiscard]] inline std::string dump(const core::Effect& effect) {
  if (const auto* call = std::get_if<core::CallGateway>(&effect)) {
    return "call_gateway " + call->payment_id + " attempt " + std::to_string(call->attempt) +
           " not before " + std::to_string(call->not_before.us) + " " +
           format_amount(call->amount.minor, call->amount.currency) + " " +
           std::string(call->amount.currency.code()) + " " + call->payment_method;
  }
  if (const auto* send = std::get_if<core::SendNotification>(&effect)) {
    return "send_notification " + send->payment_id + " attempt " + std::to_string(send->attempt) +
           " not before " + std::to_string(send->not_before.us) + " " + send->user_id + " " +
           format_amount(send->amount.minor, send->amount.currency) + " " +
           std::string(send->amount.currency.code()) + " " + std::string(name(send->status)) + " " +
           std::string(name(send->failure));
  }
  const auto& ended = std::get<core::WorkflowEnded>(effect);
  return "workflow_ended " + std::string(name(ended.kind)) + " " + ended.id;
}

template <class T>
[[nodiscard]] std::vector<std::string> dump_all(const std::vector<T>& values) {
  std::vector<std::string> all;
  for (const T& value : values) {
    all.push_back(dump(value));
  }
  return all;
}

}  // namespace payonce::testing_support
