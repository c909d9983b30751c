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
  template <class Item>
  void operator()(std::string_view name, const std::vector<Item>& items) {
    field(name, "[");
    for (std::size_t i = 0; i < items.size(); ++i) {
      (*this)(std::to_string(i), items[i]);
    }
    out += ']';
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
    if (!out.empty() && out.back() != '{' && out.back() != '[') {
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

// A task as "name id attempt n not before t …".
class EffectDumper {
 public:
  [[nodiscard]] std::string operator()(const core::CallGateway& e) const {
    return task("call_gateway", e.payment_id, e.attempt, e.not_before) + money(e.amount) + " " +
           e.payment_method;
  }
  [[nodiscard]] std::string operator()(const core::InquireGateway& e) const {
    return task("inquire_gateway", e.payment_id, e.inquiry, e.not_before) + " " + e.payment_method;
  }
  [[nodiscard]] std::string operator()(const core::UndoAtGateway& e) const {
    return task(name(e.kind), e.payment_id, e.call, e.not_before) + money(e.amount) + " " +
           e.payment_method;
  }
  [[nodiscard]] std::string operator()(const core::RefundAtGateway& e) const {
    return task("refund", e.refund_id, e.call, e.not_before) + money(e.amount) + " of " +
           e.payment_id + " " + e.payment_method;
  }
  [[nodiscard]] std::string operator()(const core::CheckFraud& e) const {
    return task("check_fraud", e.fraud_id, e.attempt, e.not_before) + money(e.amount) + " of " +
           e.payment_id + " " + e.user_id + " " + e.payment_method;
  }
  [[nodiscard]] std::string operator()(const core::SendNotification& e) const {
    return task("send_notification", e.payment_id, e.attempt, e.not_before) + " by " +
           std::string(name(e.channel)) + " " + e.user_id + money(e.amount) + " " +
           std::string(name(e.status)) + " " + std::string(name(e.failure)) + " at " +
           std::to_string(e.ended_at.us) + " " + e.payment_method;
  }
  [[nodiscard]] std::string operator()(const core::StartTimer& e) const {
    return "start_timer " + std::string(name(e.kind)) + " " + e.id + " at " +
           std::to_string(e.due.us) + " " + e.payment_method;
  }
  [[nodiscard]] std::string operator()(const core::WorkflowEnded& e) const {
    return "workflow_ended " + std::string(name(e.kind)) + " " + e.id;
  }

 private:
  static std::string task(std::string_view what, const std::string& id, std::uint32_t attempt,
                          Timestamp not_before) {
    return std::string(what) + " " + id + " attempt " + std::to_string(attempt) + " not before " +
           std::to_string(not_before.us);
  }
  static std::string money(Money amount) {
    return " " + format_amount(amount.minor, amount.currency) + " " +
           std::string(amount.currency.code());
  }
};

[[nodiscard]] inline std::string dump(const core::Effect& effect) {
  return std::visit(EffectDumper(), effect);
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
