#include "config/render.h"

#include <cstdlib>

#include "support/files.h"
#include "unit/config/fixture.h"

namespace payonce::config {
namespace {

using testing::HasSubstr;

using Render = ConfigTest;

const std::string kConfigToml = std::string(PAYONCE_SOURCE_DIR) + "/config.toml";

// With UPDATE_REFERENCE=1 in the environment this test writes the file instead of checking it.
TEST_F(Render, ConfigToml_IsWhatTheTableRenders) {
  if (std::getenv("UPDATE_REFERENCE") != nullptr) {
    std::ofstream(kConfigToml, std::ios::binary) << render_reference();
  }
  EXPECT_EQ(testing_support::read_file(kConfigToml), render_reference())
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
  std::istringstream lines(testing_support::read_file(kConfigToml));
  for (std::string line; std::getline(lines, line);) EXPECT_LE(line.size(), 100U) << line;
}

TEST_F(Render, Effective_ReadsBackAsTheSame) {
  const auto loaded = load({.sets = {"server.listen=[::1]:0", "storage.data=a \"b\" \\ # c",
                                     "gateway.failure_rate=0.125", "gateway.latency=1500ms",
                                     "server.body_bytes_max=1536", "log.level=error",
                                     "gateway.retry={ maximum_attempts=1 }", "log.access=true",
                                     "gateway.refused_errors=a \"b\",c",
                                     "notify.webhook.schedule=1ms,90s", "fraud.mode=manual"}});
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
  EXPECT_THAT(text, HasSubstr("threads = 4\n"));
}

TEST_F(Render, ConfigToml_HasNestedTablesBehindTheirParents) {
  const std::string text = testing_support::read_file(kConfigToml);
  for (const std::string parent : {"gateway", "fraud", "notify", "saga.payment"}) {
    EXPECT_LT(text.find("[" + parent + "]"), text.find("[" + parent + ".")) << parent;
  }
}

}  // namespace
}  // namespace payonce::config
