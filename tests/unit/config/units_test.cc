#include "config/units.h"

#include <gtest/gtest.h>

namespace payonce::config {
namespace {

using std::chrono::hours;
using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

TEST(Duration, EachUnit_IsRead) {
  EXPECT_EQ(parse_duration("7us"), microseconds{7});
  EXPECT_EQ(parse_duration("250ms"), milliseconds{250});
  EXPECT_EQ(parse_duration("10s"), seconds{10});
  EXPECT_EQ(parse_duration("5m"), minutes{5});
  EXPECT_EQ(parse_duration("24h"), hours{24});
  EXPECT_EQ(parse_duration("2d"), hours{48});
  EXPECT_EQ(parse_duration("0ms"), milliseconds{0});
}

TEST(Duration, Combination_AddsUp) {
  EXPECT_EQ(parse_duration("1m30s"), seconds{90});
  EXPECT_EQ(parse_duration("1d2h3m4s5ms6us"),
            hours{26} + minutes{3} + seconds{4} + milliseconds{5} + microseconds{6});
}

TEST(Duration, AnythingElse_IsRefused) {
  for (const char* text : {"", "10", "ms", "1.5s", "-1s", "+1s", " 1s", "1s ", "1 s", "1S", "1sec",
                           "30s1m", "1s1s", "1m30", "1e3ms", "0x1s", "s1"}) {
    EXPECT_FALSE(parse_duration(text)) << text;
  }
}

TEST(Duration, Overflow_IsRefusedNotWrapped) {
  EXPECT_TRUE(parse_duration("9223372036854775807us"));
  EXPECT_FALSE(parse_duration("9223372036854775808us"));
  EXPECT_FALSE(parse_duration("106751992d"));    // more than 2^63 us
  EXPECT_FALSE(parse_duration("106751991d5h"));  // each fits, the sum does not
  EXPECT_FALSE(parse_duration("99999999999999999999s"));
}

TEST(Duration, Rendering_TakesTheLargestWholeUnit) {
  EXPECT_EQ(render_duration(milliseconds{0}), "0ms");
  EXPECT_EQ(render_duration(milliseconds{250}), "250ms");
  EXPECT_EQ(render_duration(milliseconds{1'500}), "1500ms");
  EXPECT_EQ(render_duration(seconds{60}), "1m");
  EXPECT_EQ(render_duration(seconds{90}), "90s");
  EXPECT_EQ(render_duration(hours{24}), "24h");
}

TEST(Size, EachUnit_IsRead) {
  EXPECT_EQ(parse_size("0"), 0U);
  EXPECT_EQ(parse_size("512"), 512U);
  EXPECT_EQ(parse_size("512B"), 512U);
  EXPECT_EQ(parse_size("512KiB"), 524'288U);
  EXPECT_EQ(parse_size("64MiB"), 67'108'864U);
  EXPECT_EQ(parse_size("1GiB"), 1'073'741'824U);
  EXPECT_EQ(parse_size("1TiB"), 1'099'511'627'776U);
}

TEST(Size, AnythingElse_IsRefused) {
  for (const char* text : {"", "MiB", "64MB", "64M", "64mib", "1.5GiB", "-1", "+1", "1 KiB",
                           "1KiB1B", "8388608TiB", "99999999999999999999"}) {
    EXPECT_FALSE(parse_size(text)) << text;
  }
}

TEST(Size, Rendering_TakesTheLargestWholeUnit) {
  EXPECT_EQ(render_size(0), "0B");
  EXPECT_EQ(render_size(1'536), "1536B");
  EXPECT_EQ(render_size(2'048), "2KiB");
  EXPECT_EQ(render_size(std::uint64_t{256} << 30), "256GiB");
  EXPECT_EQ(render_size(std::uint64_t{16} << 40), "16TiB");
}

TEST(Permille, Rendering_KeepsOnePlace) {
  EXPECT_EQ(render_permille(0), "0.0");
  EXPECT_EQ(render_permille(1), "0.001");
  EXPECT_EQ(render_permille(125), "0.125");
  EXPECT_EQ(render_permille(1'500), "1.5");
  EXPECT_EQ(render_permille(100'000), "100.0");
}

}  // namespace
}  // namespace payonce::config
