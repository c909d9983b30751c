#include "config/render.h"

#include <cstdlib>

#include "config/assign.h"
#include "unit/config/fixture.h"

namespace payonce::config {
namespace {

using testing::HasSubstr;
using testing::Not;

using Render = ConfigTest;

const std::string kConfigToml = std::string(PAYONCE_SOURCE_DIR) + "/config.toml";

std::string read(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

// With UPDATE_REFERENCE=1 in the environment this test writes the file instead of checking it.
TEST_F(Render, ConfigToml_IsWhatTheTableRenders) {
  if (std::getenv("UPDATE_REFERENCE") != nullptr) {
    std::ofstream(kConfigToml, std::ios::binary) << render_reference();
  }
  EXPECT_EQ(read(kConfigToml), render_reference())
      << "the table of keys changed: run this test once with UPDATE_REFERENCE=1";
}

TEST_F(Render, ConfigToml_GivesExactlyTheDefaults) {
  const auto loaded = load({.file = kConfigToml});
  ASSERT_TRUE(loaded) << loaded.error().front().message;
  EXPECT_EQ(loaded->options, Options{});
}

TEST_F(Render, ConfigToml_ListsEveryKey) {
  const auto loaded = load({.file = kConfigToml});
  ASSERT_TRUE(loaded);
  for (const Key& key : keys()) EXPECT_TRUE(loaded->origins.contains(key.name)) << key.name;
}

TEST_F(Render, ConfigToml_FitsTheScreen) {
  std::istringstream lines(read(kConfigToml));
  for (std::string line; std::getline(lines, line);) EXPECT_LE(line.size(), 100U) << line;
}

TEST_F(Render, Effective_ReadsBackAsTheSame) {
  const auto loaded = load({.sets = {"server.listen=[::1]:0", "storage.data=a \"b\" \\ # c",
                                     "gateway.failure_rate=0.125", "gateway.latency=1500ms",
                                     "server.body_bytes_max=1536", "log.level=error",
                                     "gateway.retry={ maximum_attempts=1 }", "log.access=true"}});
  ASSERT_TRUE(loaded);
  EXPECT_EQ(options_of({.file = write(render(*loaded))}), loaded->options);
  EXPECT_EQ(options_of({.file = write(render(loaded->options))}), loaded->options);
}

TEST_F(Render, Effective_SaysWhereEachValueCameFrom) {
  const auto loaded = load({.environment = {{"PAYONCE_LOG_LEVEL", "warn"}}, .data = "x"});
  ASSERT_TRUE(loaded);
  const std::string text = render(*loaded);
  EXPECT_THAT(text, HasSubstr("level = \"warn\"  # environment PAYONCE_LOG_LEVEL\n"));
  EXPECT_THAT(text, HasSubstr("data = \"x\"  # --data\n"));
  EXPECT_THAT(text, HasSubstr("threads = 96\n"));
}

// No key of this version is secret; the first one must find the rule in force.
const Key kSecret{.name = "gateway.password",
                  .type = Text{[](Options& o) -> std::string& { return o.gateway.journal; },
                               Text::Rule::kNotEmpty, "text"},
                  .tunable = false,
                  .why = "",
                  .secret = true};

TEST_F(Render, Secret_IsNeverWritten) {
  Options options;
  EXPECT_EQ(render_value(kSecret, options), "not set");
  options.gateway.journal = "hunter2";
  EXPECT_EQ(render_value(kSecret, options), "set, not shown");
}

TEST_F(Render, Secret_IsInNoMessage) {
  Options options;
  for (const char* text : {"hun\nter2", "\"hunter2", "\"hunter2\xFF\"", "hunter2\xFF"}) {
    const auto outcome = assign_text(kSecret, text, options);
    ASSERT_FALSE(outcome) << text;
    EXPECT_THAT(outcome.error(), Not(HasSubstr("ter2"))) << text;
  }
  const auto wrong_type = assign(kSecret, std::int64_t{4711}, options);
  ASSERT_FALSE(wrong_type);
  EXPECT_THAT(wrong_type.error(), Not(HasSubstr("4711")));
}

}  // namespace
}  // namespace payonce::config
