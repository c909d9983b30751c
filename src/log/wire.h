// log/wire.h: the primitive writer and reader beneath the codec.
//
// Writer and Reader are visitors of `fields(visitor, self)`; both see the same fields in the same
// order. The Reader never reads behind its bytes; it remembers the first fault and from then on
// leaves values alone. Behind a good checksum, a number or field that is not known here was written
// by a newer payonce: that fault is told apart from bytes that make no sense.
#pragma once

#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "base/money.h"
#include "base/time.h"

namespace payonce::log {

template <class T>
concept Enum = std::is_enum_v<T>;

class Writer {
 public:
  explicit Writer(std::string& out) : out_(&out) {}

  void varint(std::uint64_t value) {
    if (value < 0x80) {  // most are
      out_->push_back(static_cast<char>(value));
    } else {
      long_varint(value);
    }
  }
  void signed_varint(std::int64_t value);
  void fixed64(std::uint64_t value);
  void text(std::string_view value);

  void operator()(std::string_view /*name*/, bool value) { varint(value ? 1 : 0); }
  template <std::unsigned_integral T>
  void operator()(std::string_view /*name*/, T value) {
    varint(value);
  }
  template <Enum T>
  void operator()(std::string_view /*name*/, T value) {
    varint(static_cast<std::uint64_t>(value));
  }
  void operator()(std::string_view /*name*/, std::int64_t value) { signed_varint(value); }
  void operator()(std::string_view /*name*/, const std::string& value) { text(value); }
  void operator()(std::string_view /*name*/, Timestamp value) { signed_varint(value.us); }
  void operator()(std::string_view /*name*/, Duration value) { signed_varint(value.us); }
  void operator()(std::string_view /*name*/, Currency value) { text(value.code()); }
  void operator()(std::string_view name, Money value) {
    signed_varint(value.minor);
    (*this)(name, value.currency);
  }
  void operator()(std::string_view /*name*/, WideAmount value) {
    fixed64(static_cast<std::uint64_t>(value));
    fixed64(static_cast<std::uint64_t>(value >> 64));
  }
  template <class Item>
  void operator()(std::string_view name, const std::vector<Item>& items) {
    varint(items.size());
    for (const Item& item : items) {
      (*this)(name, item);
    }
  }
  template <class Struct>
  requires requires(Writer& w, const Struct& s) { Struct::fields(w, s); }
  void operator()(std::string_view /*name*/, const Struct& value) {
    const std::size_t start = out_->size();
    Struct::fields(*this, value);
    insert_length(start);
  }

 private:
  // Puts the number of bytes behind `start` in front of them. Nested structs are small, so moving
  // them by a byte or two costs less than a second pass to size them.
  void insert_length(std::size_t start);
  void long_varint(std::uint64_t value);

  std::string* out_;
};

class Reader {
 public:
  explicit Reader(std::string_view bytes) : rest_(bytes) {}

  [[nodiscard]] bool ok() const { return ok_; }
  // The first fault was a number or a field that this build does not know.
  [[nodiscard]] bool newer() const { return newer_; }
  [[nodiscard]] bool at_end() const { return rest_.empty(); }

  std::uint64_t varint() {
    if (ok_ && !rest_.empty() && (static_cast<unsigned char>(rest_.front()) & 0x80U) == 0) {
      const auto value = static_cast<unsigned char>(rest_.front());  // most are this short
      rest_.remove_prefix(1);
      return value;
    }
    return long_varint();
  }
  std::int64_t signed_varint();
  std::uint64_t fixed64();
  std::string_view text();

  void operator()(std::string_view /*name*/, bool& value) {
    if (more()) {
      const std::uint64_t wide = varint();
      if (wide > 1) {
        refuse_newer();
        return;
      }
      value = wide != 0;
    }
  }
  template <std::unsigned_integral T>
  void operator()(std::string_view /*name*/, T& value) {
    if (more()) {
      const std::uint64_t wide = varint();
      value = static_cast<T>(wide);
      ok_ = ok_ && value == wide;
    }
  }
  // Enum numbers that this build does not know are refused: they come from a newer one.
  template <Enum T>
  void operator()(std::string_view /*name*/, T& value) {
    if (more()) {
      const std::uint64_t wide = varint();
      const auto known = static_cast<T>(wide);
      if (!ok_) {
        return;
      }
      if (wide > 0xff || core_name(known).empty()) {
        refuse_newer();
        return;
      }
      value = known;
    }
  }
  void operator()(std::string_view /*name*/, std::int64_t& value) {
    if (more()) {
      value = signed_varint();
    }
  }
  void operator()(std::string_view /*name*/, std::string& value) {
    if (more()) {
      value = text();
    }
  }
  void operator()(std::string_view /*name*/, Timestamp& value) {
    if (more()) {
      value.us = signed_varint();
    }
  }
  void operator()(std::string_view /*name*/, Duration& value) {
    if (more()) {
      value.us = signed_varint();
    }
  }
  void operator()(std::string_view /*name*/, Currency& value) {
    if (more()) {
      read_currency(value);
    }
  }
  void operator()(std::string_view /*name*/, Money& value) {
    if (more()) {
      value.minor = signed_varint();
      read_currency(value.currency);
    }
  }
  void operator()(std::string_view /*name*/, WideAmount& value) {
    if (more()) {
      const std::uint64_t low = fixed64();
      const std::uint64_t high = fixed64();
      value = static_cast<WideAmount>(static_cast<std::int64_t>(high)) * (WideAmount{1} << 64) +
              static_cast<WideAmount>(low);
    }
  }
  // Every item takes a byte at least, so a count that makes no sense cannot take memory.
  template <class Item>
  void operator()(std::string_view name, std::vector<Item>& items) {
    if (!more()) {
      return;
    }
    const std::uint64_t count = varint();
    ok_ = ok_ && count <= rest_.size();
    items.clear();
    for (std::uint64_t i = 0; ok_ && i < count; ++i) {
      ok_ = !rest_.empty();
      (*this)(name, items.emplace_back());
    }
  }
  template <class Struct>
  requires requires(Reader& r, Struct& s) { Struct::fields(r, s); }
  void operator()(std::string_view /*name*/, Struct& value) {
    if (more()) {
      Reader inner(text());
      Struct::fields(inner, value);
      if (ok_ && (inner.newer() || (inner.ok() && !inner.at_end()))) {
        refuse_newer();
      }
      ok_ = ok_ && inner.ok();
    }
  }

 private:
  template <Enum T>
  static std::string_view core_name(T value) {
    return name(value);  // found by the enum's own namespace
  }
  // True when a field may be read: nothing is wrong and the tail is not absent.
  [[nodiscard]] bool more() const { return ok_ && !rest_.empty(); }
  std::uint64_t long_varint();
  void read_currency(Currency& value);
  void refuse_newer() {
    newer_ = true;
    ok_ = false;
  }

  std::string_view rest_;
  bool ok_ = true;
  bool newer_ = false;
};

}  // namespace payonce::log
