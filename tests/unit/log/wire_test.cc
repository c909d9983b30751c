#include "log/wire.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "support/random.h"

namespace payonce::log {
namespace {

using testing_support::for_each_seed;
using testing_support::Random;

template <class Write>
std::string written(Write&& write) {
  std::string bytes;
  Writer writer(bytes);
  write(writer);
  return bytes;
}

std::string varint(std::uint64_t value) {
  return written([&](Writer& w) { w.varint(value); });
}

TEST(Varint, Examples_AreLittleEndianGroupsOfSeven) {
  EXPECT_EQ(varint(0), std::string(1, '\0'));
  EXPECT_EQ(varint(1), "\x01");
  EXPECT_EQ(varint(127), "\x7f");
  EXPECT_EQ(varint(128), "\x80\x01");
  EXPECT_EQ(varint(300), "\xac\x02");
  EXPECT_EQ(varint(std::numeric_limits<std::uint64_t>::max()),
            "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01");
}

TEST(Varint, AnyNumber_IsReadBack) {
  for_each_seed(3000, [](Random& random) {
    const std::uint64_t value = random.number();
    const std::string bytes = varint(value);
    Reader reader(bytes);
    EXPECT_EQ(reader.varint(), value);
    EXPECT_TRUE(reader.ok());
    EXPECT_TRUE(reader.at_end());
  });
}

TEST(Varint, MoreThan64Bits_AreRefused) {
  for (const std::string_view bytes :
       {std::string_view("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02"),
        std::string_view("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"),
        std::string_view("\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00", 11)}) {
    Reader reader(bytes);
    EXPECT_EQ(reader.varint(), 0U);
    EXPECT_FALSE(reader.ok());
  }
}

TEST(Varint, CutShort_IsRefused) {
  for (const std::string_view bytes :
       {std::string_view(""), std::string_view("\x80"), std::string_view("\xff\xff\xff")}) {
    Reader reader(bytes);
    EXPECT_EQ(reader.varint(), 0U);
    EXPECT_FALSE(reader.ok());
  }
}

TEST(SignedVarint, SmallOnesOfEitherSign_AreOneByte) {
  for (std::int64_t value = -64; value < 64; ++value) {
    const std::string bytes = written([&](Writer& w) { w.signed_varint(value); });
    EXPECT_EQ(bytes.size(), 1U) << value;
    EXPECT_EQ(Reader(bytes).signed_varint(), value);
  }
}

TEST(SignedVarint, Extremes_AreReadBack) {
  for (const std::int64_t value : {std::numeric_limits<std::int64_t>::min(),
                                   std::numeric_limits<std::int64_t>::max(), std::int64_t{-65}}) {
    const std::string bytes = written([&](Writer& w) { w.signed_varint(value); });
    EXPECT_EQ(Reader(bytes).signed_varint(), value);
  }
}

TEST(Fixed64, IsLittleEndian) {
  const std::string bytes = written([](Writer& w) { w.fixed64(0x0102030405060708U); });
  EXPECT_EQ(bytes, "\x08\x07\x06\x05\x04\x03\x02\x01");
  EXPECT_EQ(Reader(bytes).fixed64(), 0x0102030405060708U);
  Reader cut(std::string_view(bytes).substr(1));
  EXPECT_EQ(cut.fixed64(), 0U);
  EXPECT_FALSE(cut.ok());
}

TEST(Text, HasItsLengthBeforeIt) {
  EXPECT_EQ(written([](Writer& w) { w.text("abc"); }),
            "\x03"
            "abc");
  const std::string zeros = written([](Writer& w) { w.text(std::string_view("\0\0", 2)); });
  EXPECT_EQ(Reader(zeros).text(), std::string_view("\0\0", 2));
}

TEST(Text, LongerThanTheBytes_IsRefused) {
  Reader reader(
      "\x04"
      "abc");
  EXPECT_EQ(reader.text(), "");
  EXPECT_FALSE(reader.ok());
  Reader huge("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01");
  EXPECT_EQ(huge.text(), "");
  EXPECT_FALSE(huge.ok());
}

TEST(WideAmount, IsReadBack) {
  constexpr WideAmount kMax = (((WideAmount{1} << 126) - 1) << 1) + 1;
  for (const WideAmount value : {WideAmount{0}, WideAmount{1}, WideAmount{-1}, WideAmount{1} << 64,
                                 -(WideAmount{1} << 64), kMax, -kMax - 1}) {
    const std::string bytes = written([&](Writer& w) { w("", value); });
    EXPECT_EQ(bytes.size(), 16U);
    Reader reader(bytes);
    WideAmount read = 42;
    reader("", read);
    EXPECT_EQ(read, value);
    EXPECT_TRUE(reader.ok());
  }
}

TEST(Reader, AfterAFault_LeavesValuesAlone) {
  Reader reader("\x80");
  std::uint32_t number = 7;
  std::string text = "kept";
  reader("", number);
  reader("", text);
  EXPECT_FALSE(reader.ok());
  EXPECT_EQ(text, "kept");
}

TEST(Reader, AbsentTail_LeavesDefaults) {
  Reader reader("");
  bool flag = true;
  std::uint32_t number = 7;
  std::int64_t signed_number = -7;
  std::string text = "default";
  Money money{1, Currency()};
  reader("", flag);
  reader("", number);
  reader("", signed_number);
  reader("", text);
  reader("", money);
  EXPECT_TRUE(reader.ok());
  EXPECT_TRUE(flag);
  EXPECT_EQ(number, 7U);
  EXPECT_EQ(signed_number, -7);
  EXPECT_EQ(text, "default");
  EXPECT_EQ(money.minor, 1);
}

TEST(Reader, NumberTooLargeForItsField_IsRefused) {
  const std::string bytes = varint(std::uint64_t{1} << 32);
  Reader reader(bytes);
  std::uint32_t number = 0;
  reader("", number);
  EXPECT_FALSE(reader.ok());
  EXPECT_FALSE(reader.newer());
}

TEST(Reader, NumberWithAByteTooMany_IsRefused) {
  for (const char* bytes : {"\x80\x00", "\xff\x80\x00", "\x81\x80\x80\x00"}) {
    const std::string_view text(bytes, std::string_view(bytes).size() + 1);
    Reader reader(text);
    reader.varint();
    EXPECT_FALSE(reader.ok());
    EXPECT_FALSE(reader.newer());
  }
}

TEST(Reader, BoolThatIsNeither0Nor1_IsOfANewerBuild) {
  Reader reader("\x02");
  bool flag = false;
  reader("", flag);
  EXPECT_FALSE(reader.ok());
  EXPECT_TRUE(reader.newer());
}

TEST(Reader, RandomBytes_NeverLeadOutsideThem) {
  struct Inner {
    std::string text;
    Money money;
    static void fields(Reader& v, Inner& self) {
      v("text", self.text);
      v("money", self.money);
    }
  };
  for_each_seed(20'000, [](Random& random) {
    const std::string bytes = random.text(40);
    Reader reader(bytes);
    while (reader.ok() && !reader.at_end()) {
      std::string text;
      Inner inner;
      WideAmount wide = 0;
      switch (random.below(5)) {
        case 0:
          reader.signed_varint();
          break;
        case 1:
          reader("", text);
          break;
        case 2:
          reader("", wide);
          break;
        case 3:
          reader("", inner);
          break;
        default:
          reader.varint();
          break;
      }
    }
  });
}

// ---- Lists

struct Pair {
  std::uint32_t a = 0;
  std::string b;
  bool operator==(const Pair&) const = default;

  template <class Visitor, class Self>
  static void fields(Visitor& v, Self& self) {
    v("a", self.a);
    v("b", self.b);
  }
};

template <class Item>
std::string list(const std::vector<Item>& items) {
  return written([&](Writer& w) { w("list", items); });
}

template <class Item>
std::vector<Item> read_list(std::string_view bytes, bool& ok) {
  std::vector<Item> items{Item{}};
  Reader reader(bytes);
  reader("list", items);
  ok = reader.ok() && reader.at_end();
  return items;
}

TEST(List, IsItsNumberOfItemsAndTheItems) {
  EXPECT_EQ(list(std::vector<std::uint32_t>{5, 300}), "\x02\x05\xac\x02");
  EXPECT_EQ(list(std::vector<std::uint32_t>{}), std::string(1, '\0'));
  EXPECT_EQ(list(std::vector<Pair>{{.a = 7, .b = "x"}}), "\x01\x03\x07\x01x");
}

TEST(List, AnyItems_AreReadBack) {
  for_each_seed(500, [](Random& random) {
    std::vector<Pair> pairs(random.below(20));
    for (Pair& pair : pairs) {
      pair = {.a = static_cast<std::uint32_t>(random.number()), .b = random.text(20)};
    }
    bool ok = false;
    EXPECT_EQ(read_list<Pair>(list(pairs), ok), pairs);
    EXPECT_TRUE(ok);
  });
}

TEST(List, AbsentTail_KeepsTheDefault) {
  bool ok = false;
  EXPECT_EQ(read_list<std::uint32_t>("", ok), std::vector<std::uint32_t>{0});
  EXPECT_TRUE(ok);
}

// An item that is cut off is no item with its default.
TEST(List, CutShort_IsRefused) {
  const std::vector<std::uint32_t> numbers{300, 300, 300};
  const std::string whole = list(numbers);
  for (std::size_t size = 1; size < whole.size(); ++size) {
    bool ok = true;
    static_cast<void>(read_list<std::uint32_t>(whole.substr(0, size), ok));
    EXPECT_FALSE(ok) << size;
  }
}

TEST(List, MoreItemsThanBytes_AreRefusedWithoutTakingMemory) {
  bool ok = true;
  const auto items = read_list<Pair>("\xff\xff\xff\xff\xff\xff\xff\xff\x7f\x01", ok);
  EXPECT_FALSE(ok);
  EXPECT_TRUE(items.empty());
}

}  // namespace
}  // namespace payonce::log
