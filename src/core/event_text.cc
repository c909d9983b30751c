#include "core/event_text.h"

#include <concepts>
#include <string_view>
#include <type_traits>
#include <vector>

namespace payonce::core {
namespace {

// Walks the same `fields` as the log's codec.
class EventText {
 public:
  explicit EventText(std::string& out) : out_(&out) {}

  void operator()(std::string_view name, const std::string& value) { field(name, value); }
  void operator()(std::string_view name, bool value) { field(name, value ? "true" : "false"); }
  template <std::integral T>
  void operator()(std::string_view name, T value) {
    field(name, std::to_string(value));
  }
  template <class T>
  requires std::is_enum_v<T>
  void operator()(std::string_view field_name, T value) { field(field_name, name(value)); }
  void operator()(std::string_view name, Timestamp value) { field(name, format_rfc3339(value)); }
  void operator()(std::string_view name, Duration value) {
    field(name, std::to_string(value.us) + "us");
  }
  void operator()(std::string_view name, Currency value) { field(name, value.code()); }
  void operator()(std::string_view name, Money value) {
    field(name,
          format_amount(value.minor, value.currency) + " " + std::string(value.currency.code()));
  }
  template <class Item>
  void operator()(std::string_view name, const std::vector<Item>& items) {
    field(name, "[");
    for (const Item& item : items) {
      (*this)("", item);
    }
    *out_ += ']';
  }
  template <class Struct>
  requires requires(EventText& t, const Struct& s) { Struct::fields(t, s); }
  void operator()(std::string_view name, const Struct& value) {
    field(name, "{");
    Struct::fields(*this, value);
    *out_ += '}';
  }

 private:
  void field(std::string_view name, std::string_view value) {
    if (out_->back() != '{' && out_->back() != '[') {  // begun with a name and a brace
      *out_ += ", ";
    }
    out_->append(name).append(name.empty() ? "" : "=").append(value);
  }

  std::string* out_;
};

}  // namespace

std::string to_text(const Event& event) {
  std::string out(event_name(event));
  out += '{';
  EventText fields(out);
  std::visit([&](const auto& e) { std::decay_t<decltype(e)>::fields(fields, e); }, event);
  return out + '}';
}

}  // namespace payonce::core
