// log/page_format.h: the page layout of LMDB 0.9 on 64-bit little-endian machines, for reading.
//
// A private matter of page_check.cc; LMDB's own header does not tell. All offsets are in bytes.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string_view>

namespace payonce::log::lmdb_page {

inline constexpr std::uint32_t kMagic = 0xBEEFC0DE;
inline constexpr std::uint32_t kVersion = 1;
inline constexpr std::size_t kHeader = 16;     // of every page
inline constexpr std::size_t kMetaSize = 152;  // header included
inline constexpr std::uint64_t kMetas = 2;
inline constexpr std::uint64_t kNoPage = ~std::uint64_t{0};
inline constexpr std::uint64_t kPagesMax = std::uint64_t{1} << 48;  // numbers have no more bits
inline constexpr std::size_t kKeyMax = 511;
inline constexpr std::size_t kLevelsMax = 32;  // LMDB's cursors are not deeper

inline constexpr std::uint16_t kBranch = 1;
inline constexpr std::uint16_t kLeaf = 2;
inline constexpr std::uint16_t kOverflow = 4;
inline constexpr std::uint16_t kMeta = 8;

inline constexpr std::uint16_t kBigData = 1;  // the value lies on overflow pages
inline constexpr std::uint16_t kSubData = 2;  // the value is a database
inline constexpr std::uint16_t kIntegerKey = 8;

template <class T>
T load(const char* at) {
  T value{};
  std::memcpy(&value, at, sizeof value);
  return value;
}

// A database: where its root is and what it counts.
struct Database {
  static constexpr std::size_t kSize = 48;
  std::uint32_t pad = 0;  // of the free list's: the page size
  std::uint16_t flags = 0;
  std::uint16_t depth = 0;
  std::uint64_t branches = 0;
  std::uint64_t leaves = 0;
  std::uint64_t overflows = 0;
  std::uint64_t entries = 0;
  std::uint64_t root = kNoPage;

  static Database read(const char* at) {
    return {.pad = load<std::uint32_t>(at),
            .flags = load<std::uint16_t>(at + 4),
            .depth = load<std::uint16_t>(at + 6),
            .branches = load<std::uint64_t>(at + 8),
            .leaves = load<std::uint64_t>(at + 16),
            .overflows = load<std::uint64_t>(at + 24),
            .entries = load<std::uint64_t>(at + 32),
            .root = load<std::uint64_t>(at + 40)};
  }
};

struct Meta {
  std::uint64_t page = 0;  // its own number
  std::uint16_t flags = 0;
  std::uint32_t magic = 0;
  std::uint32_t version = 0;
  Database free_list;
  Database main;
  std::uint64_t last_page = 0;
  std::uint64_t commit = 0;

  static Meta read(const char* at) {
    return {.page = load<std::uint64_t>(at),
            .flags = load<std::uint16_t>(at + 10),
            .magic = load<std::uint32_t>(at + kHeader),
            .version = load<std::uint32_t>(at + kHeader + 4),
            .free_list = Database::read(at + kHeader + 24),
            .main = Database::read(at + kHeader + 24 + Database::kSize),
            .last_page = load<std::uint64_t>(at + kHeader + 24 + 2 * Database::kSize),
            .commit = load<std::uint64_t>(at + kHeader + 32 + 2 * Database::kSize)};
  }
};

// A page of a tree.
class Page {
 public:
  Page(const char* at, std::size_t size) : at_(at), size_(size) {}

  [[nodiscard]] std::uint64_t number() const { return load<std::uint64_t>(at_); }
  [[nodiscard]] std::uint16_t flags() const { return load<std::uint16_t>(at_ + 10); }
  [[nodiscard]] std::size_t lower() const { return load<std::uint16_t>(at_ + 12); }
  [[nodiscard]] std::size_t upper() const { return load<std::uint16_t>(at_ + 14); }
  // Of the first of several overflow pages.
  [[nodiscard]] std::uint64_t run() const { return load<std::uint32_t>(at_ + 12); }
  [[nodiscard]] std::size_t size() const { return size_; }
  // Once lower() and upper() are known to make sense.
  [[nodiscard]] std::size_t count() const { return (lower() - kHeader) / 2; }

  struct Node {
    std::string_view key;
    std::uint16_t flags = 0;
    std::uint64_t child = 0;       // of a branch
    std::uint64_t value_size = 0;  // of a leaf
    std::string_view value;        // as far as it is on this page
    std::size_t bytes = 0;         // that it takes on this page, rounded up
  };
  // Nothing when the node does not lie within the page.
  [[nodiscard]] std::optional<Node> node(std::size_t i, bool leaf) const {
    constexpr std::size_t kNodeHeader = 8;
    const std::size_t place = load<std::uint16_t>(at_ + kHeader + 2 * i);
    if (place < upper() || place % 2 != 0 || place + kNodeHeader > size_) {
      return std::nullopt;
    }
    const char* const head = at_ + place;
    const std::uint64_t low = load<std::uint16_t>(head);
    const std::uint64_t high = load<std::uint16_t>(head + 2);
    const std::size_t key_size = load<std::uint16_t>(head + 6);
    Node node;
    node.flags = load<std::uint16_t>(head + 4);
    std::size_t value_here = 0;
    if (leaf) {
      node.value_size = low | (high << 16);
      value_here = (node.flags & kBigData) != 0 ? sizeof(std::uint64_t) : node.value_size;
    } else {
      node.child = low | (high << 16) | (std::uint64_t{node.flags} << 32);
    }
    const std::size_t end = place + kNodeHeader + key_size + value_here;
    if (end > size_) {
      return std::nullopt;
    }
    node.key = {head + kNodeHeader, key_size};
    node.value = {head + kNodeHeader + key_size, value_here};
    node.bytes = (end - place + 1) / 2 * 2;
    return node;
  }

 private:
  const char* at_;
  std::size_t size_;
};

}  // namespace payonce::log::lmdb_page
