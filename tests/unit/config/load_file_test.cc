#include <sys/stat.h>

#include <thread>

#include "config/toml_reader.h"
#include "unit/config/fixture.h"

namespace payonce::config {
namespace {

using testing::HasSubstr;

using LoadFile = ConfigTest;

TEST_F(LoadFile, NoSources_GiveTheDefaults) {
  const auto loaded = load({});
  ASSERT_TRUE(loaded);
  EXPECT_EQ(loaded->options, Options{});
  EXPECT_TRUE(loaded->origins.empty());
}

TEST_F(LoadFile, EmptyFile_GivesTheDefaults) {
  EXPECT_EQ(options_of({.file = write("")}), Options{});
  EXPECT_EQ(options_of({.file = write("# nothing\r\n\r\n[server]\r\n")}), Options{});
  EXPECT_EQ(options_of({.file = write("\xEF\xBB\xBF[server]\n")}), Options{});
}

TEST_F(LoadFile, EachType_IsRead) {
  const Options options = options_of({.file = write(R"(
[server]
listen = "[::1]:9000"
threads = 1_000
read_timeout = "1m30s"
body_bytes_max = "2MiB"
[storage]
data = '/var/lib/payonce'
free_bytes_min = 4096
[gateway]
failure_rate = 0.125
[gateway.retry]
backoff_coefficient = 3
[idempotency]
required = true
[log]
level = "warn"
)")});
  EXPECT_EQ(options.server.listen, (Endpoint{"::1", 9000}));
  EXPECT_EQ(options.server.threads, 1'000U);
  EXPECT_EQ(options.server.read_timeout, std::chrono::seconds{90});
  EXPECT_EQ(options.server.body_bytes_max, 2 * kMiB);
  EXPECT_EQ(options.storage.data, "/var/lib/payonce");
  EXPECT_EQ(options.storage.free_bytes_min, 4'096U);
  EXPECT_EQ(options.gateway.failure_rate_permille, 125);
  EXPECT_EQ(options.gateway.retry.backoff_coefficient_permille, 3'000);
  EXPECT_TRUE(options.idempotency.required);
  EXPECT_EQ(options.log.level, LogLevel::kWarn);
}

TEST_F(LoadFile, PartialRetryTable_KeepsTheOtherDefaults) {
  RetryPolicy expected = Gateway{}.retry;
  expected.maximum_attempts = 4;
  for (const char* text :
       {"[gateway]\nretry = { maximum_attempts = 4 }", "[gateway.retry]\nmaximum_attempts = 4",
        "gateway.retry.maximum_attempts = 4"}) {
    EXPECT_EQ(options_of({.file = write(text)}).gateway.retry, expected) << text;
  }
}

TEST_F(LoadFile, Origins_NameFileAndLine) {
  const auto loaded = load_text("[server]\n\nthreads = 100\n");
  ASSERT_TRUE(loaded);
  ASSERT_EQ(loaded->origins.size(), 1U);
  EXPECT_EQ(to_string(loaded->origins.at("server.threads")), folder() + "/config.toml:3");
}

TEST_F(LoadFile, UnknownKey_NamesFileLineAndNearestKey) {
  EXPECT_EQ(errors_in("[server]\nlisen = \"127.0.0.1:1\"\n"),
            "config.toml:2: unknown key \"server.lisen\"; did you mean \"server.listen\"?\n");
  EXPECT_EQ(errors_in("listen = \"127.0.0.1:1\"\n"),
            "config.toml:1: unknown key \"listen\"; did you mean \"server.listen\"?\n");
}

TEST_F(LoadFile, UnknownKey_NeverShowsItsValue) {
  EXPECT_THAT(errors_in("[auth]\nkeys = [\"hunter2\"]\ntoken = \"hunter2\"\n"),
              testing::Not(HasSubstr("hunter2")));
}

TEST_F(LoadFile, UnknownSection_IsOneErrorHoweverMuchItHolds) {
  EXPECT_EQ(errors_in("[servr]\nthreads = 1\nx = { y = 2 }\n[server]\nthreads = 97\n"),
            "config.toml:1: unknown section \"servr\"; did you mean \"server\"?\n");
  EXPECT_EQ(errors_in("[gateway.retri]\nmaximum_attempts = 1\n"),
            "config.toml:1: unknown section \"gateway.retri\"; did you mean \"gateway.retry\"?\n");
}

TEST_F(LoadFile, QuotedKeyWithADot_IsNotTheKeyOfATable) {
  EXPECT_EQ(
      errors_in("\"server.threads\" = 100\n"),
      "config.toml:1: unknown key \"\"server.threads\"\"; did you mean \"server.threads\"?\n");
}

TEST_F(LoadFile, WrongType_SaysWhatWasExpectedAndFound) {
  EXPECT_EQ(errors_in("[server]\nthreads = \"many\"\n"),
            "config.toml:2: server.threads: expected an integer (threads, 1 to 4096); "
            "found the string \"many\"\n");
  EXPECT_EQ(errors_in("[server]\nread_timeout = 10\n"),
            "config.toml:2: server.read_timeout: expected a string (duration, 10ms to 1h); "
            "found the integer 10\n");
  EXPECT_THAT(errors_in("server.threads = 8.0"), HasSubstr("found the float 8.0"));
  EXPECT_THAT(errors_in("server.listen = 8080"), HasSubstr("found the integer 8080"));
  EXPECT_THAT(errors_in("server.body_bytes_max = true"), HasSubstr("found the boolean true"));
  EXPECT_THAT(errors_in("storage.data = [\"a\"]"), HasSubstr("found an array"));
  EXPECT_THAT(errors_in("log.level = 1979-05-27"), HasSubstr("found a date"));
  EXPECT_THAT(errors_in("gateway.failure_rate = \"0.5\""), HasSubstr("expected a number"));
  EXPECT_THAT(errors_in("log.access = \"true\""), HasSubstr("expected a boolean (true or false)"));
}

TEST_F(LoadFile, TableForAKeyOrKeyForATable_IsAWrongType) {
  EXPECT_EQ(errors_in("[server.threads]\nx = 1\n"),
            "config.toml:1: server.threads: expected an integer (threads, 1 to 4096); "
            "found a table\n");
  EXPECT_EQ(errors_in("saga.payment = 1\n"),
            "config.toml:1: saga.payment: expected a table; found the integer 1\n");
  EXPECT_EQ(errors_in("[[server]]\nthreads = 1\n"),
            "config.toml:1: server: expected a table; found an array\n");
}

TEST_F(LoadFile, OutOfRange_NamesTheRange) {
  EXPECT_EQ(errors_in("server.threads = 5000\n"),
            "config.toml:1: server.threads: 5000 is not in range (threads, 1 to 4096)\n");
  EXPECT_EQ(errors_in("server.wait_max = \"2m\"\n"),
            "config.toml:1: server.wait_max: 2m is not in range "
            "(duration, 0ms to 1m in steps of 1s)\n");
  EXPECT_EQ(errors_in("saga.payment.version = 3\n"),
            "config.toml:1: saga.payment.version: 3 is not in range (version, 1 to 2)\n");
}

TEST_F(LoadFile, EndsOfARange_BelongToIt) {
  EXPECT_EQ(options_of({.file = write("server.threads = 4096")}).server.threads, 4'096U);
  EXPECT_EQ(options_of({.file = write("gateway.failure_rate = 1.0")}).gateway.failure_rate_permille,
            1'000);
  EXPECT_NE(errors_in("server.threads = 0"), "");
  EXPECT_NE(errors_in("server.threads = 4097"), "");
  EXPECT_NE(errors_in("server.threads = -9223372036854775808"), "");
  EXPECT_NE(errors_in("server.threads = 4294967297"), "") << "must not wrap to 1";
}

TEST_F(LoadFile, ValueBetweenSteps_IsRefused) {
  EXPECT_THAT(errors_in("storage.log_map_size = 1048577"), HasSubstr("in steps of 4KiB"));
  EXPECT_THAT(errors_in("server.keep_alive_timeout = \"1500ms\""), HasSubstr("in steps of 1s"));
  EXPECT_THAT(errors_in("server.read_timeout = \"10500us\""),
              HasSubstr("finer than a millisecond"));
}

TEST_F(LoadFile, Decimals_TakeThreePlacesAndNoNan) {
  const auto rate = [&](const std::string& text) {
    return errors_in("gateway.failure_rate = " + text);
  };
  EXPECT_EQ(rate("0.999"), "");
  EXPECT_THAT(rate("0.0005"), HasSubstr("three places"));
  EXPECT_THAT(rate("1.001"), HasSubstr("not in range"));
  EXPECT_THAT(rate("-0.001"), HasSubstr("not in range"));
  EXPECT_THAT(rate("nan"), HasSubstr("not in range"));
  EXPECT_THAT(rate("inf"), HasSubstr("not in range"));
  EXPECT_THAT(rate("1e300"), HasSubstr("not in range"));
  EXPECT_THAT(rate("9223372036854775807"), HasSubstr("not in range"));
}

TEST_F(LoadFile, EveryThousandth_IsReadExactly) {
  for (int i = 0; i <= 1'000; ++i) {
    const std::string text =
        std::to_string(i / 1'000) + "." + std::to_string(i % 1'000 + 1'000).substr(1);
    const auto loaded = load({.sets = {"gateway.failure_rate=" + text}});
    ASSERT_TRUE(loaded) << text;
    ASSERT_EQ(loaded->options.gateway.failure_rate_permille, i);
  }
}

TEST_F(LoadFile, UnknownWord_NamesTheChoices) {
  EXPECT_EQ(errors_in("log.level = \"inof\"\n"),
            "config.toml:1: log.level: \"inof\" does not fit: one of debug, info, warn, error; "
            "did you mean \"info\"?\n");
  EXPECT_EQ(errors_in("gateway.kind = \"htttp\"\n"),
            "config.toml:1: gateway.kind: \"htttp\" does not fit: one of mock, http; "
            "did you mean \"http\"?\n");
}

TEST_F(LoadFile, TextRules_AreChecked) {
  EXPECT_THAT(errors_in("storage.data = \"\""), HasSubstr("must not be empty"));
  EXPECT_THAT(errors_in("storage.data = \"a\\u0000b\""), HasSubstr("control character"));
  EXPECT_THAT(errors_in("gateway.journal = \"a\\nb\""), HasSubstr("control character"));
  EXPECT_THAT(errors_in("payments.currency = \"usd\""), HasSubstr("three capital letters"));
  EXPECT_THAT(errors_in("payments.currency = \"USDT\""), HasSubstr("three capital letters"));
  EXPECT_EQ(options_of({.file = write("payments.currency = \"JPY\"")}).payments.currency, "JPY");
}

TEST_F(LoadFile, LongValue_IsCutInTheMessage) {
  EXPECT_LT(errors_in("log.level = \"" + std::string(10'000, 'x') + "\"").size(), 300U);
  // 59 letters of one byte leave room for half an é.
  EXPECT_THAT(errors_in("log.level = \"" + std::string(59, 'x') + "ééé\""), HasSubstr("xx\"…"));
}

TEST_F(LoadFile, LineBreakInAValue_StaysOnTheLineOfItsMessage) {
  EXPECT_EQ(std::ranges::count(errors_in("server.listen = \"a\\nb:1\\n\""), '\n'), 1);
}

TEST_F(LoadFile, SyntaxErrorAndDuplicate_NameLineAndColumn) {
  EXPECT_THAT(errors_in("[server]\nthreads = \n"), testing::StartsWith("config.toml:2:11: "));
  EXPECT_THAT(errors_in("[server]\nthreads = 97\nthreads = 98\n"),
              testing::AllOf(testing::StartsWith("config.toml:3:"),
                             HasSubstr("cannot redefine existing integer 'threads'")));
  EXPECT_THAT(errors_in("[server]\n[log]\n[server]\n"), testing::StartsWith("config.toml:3:"));
  EXPECT_THAT(errors_in("storage.data = \"\xFF\""), testing::StartsWith("config.toml:1:"));
  EXPECT_THAT(errors_in("server.threads = 99999999999999999999"),
              testing::StartsWith("config.toml:1:"));
}

// Each of these once met an assertion or an unreachable place inside the TOML library.
TEST_F(LoadFile, MalformedText_IsAnErrorAndNeverAnAbort) {
  for (const char* text : {"[=]", "[[.]]", "[ ]", "é = 1", "[é]", "é", "server.é = 1",
                           "server.threads = 1 é", "server.threads = 1é", "server.threads = é",
                           "server = {é", "storage.data = [é]", "server.threads = 0x'é'"}) {
    EXPECT_THAT(errors_in(text), testing::StartsWith("config.toml:1:")) << text;
  }
}

TEST_F(LoadFile, TextOutsideAscii_IsWelcomeInValuesAndComments) {
  const std::string text = "# für alle\nstorage.data = \"/home/josé/支払い\"  # é\n";
  EXPECT_EQ(options_of({.file = write(text)}).storage.data, "/home/josé/支払い");
  EXPECT_EQ(options_of({.data = "/home/josé"}).storage.data, "/home/josé");
}

TEST_F(LoadFile, SeveralMistakes_AreAllReportedFromTopToBottom) {
  EXPECT_EQ(errors_in("[log]\nlevel = 3\n[server]\nthreads = 0\n[auth]\nx = 1\n"),
            "config.toml:2: log.level: expected a string (one of debug, info, warn, error); "
            "found the integer 3\n"
            "config.toml:4: server.threads: 0 is not in range (threads, 1 to 4096)\n"
            "config.toml:6: unknown key \"auth.x\"; the nearest key is \"auth.allow_anonymous\"\n");
}

TEST_F(LoadFile, MissingOrUnreadableFile_IsAnError) {
  EXPECT_EQ(errors_of({.file = folder() + "/none.toml"}),
            "none.toml: cannot read the configuration: No such file or directory\n");
  EXPECT_EQ(load({.file = folder()}).error().at(0).message,
            folder() + ": cannot read the configuration: it is a directory");
  EXPECT_FALSE(load({.file = ""}));
}

TEST_F(LoadFile, Pipe_IsReadLikeAFile) {
  const std::string path = folder() + "/pipe";
  ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
  std::thread writer([&] { std::ofstream(path) << "server.threads = 77\n"; });
  EXPECT_EQ(options_of({.file = path}).server.threads, 77U);
  writer.join();
}

TEST_F(LoadFile, EndlessAndOversizedFiles_AreRefused) {
  EXPECT_THAT(errors_of({.file = "/dev/zero"}), HasSubstr("longer than 262144 bytes"));
  EXPECT_THAT(errors_in("#" + std::string(kTextBytesMax, ' ')), HasSubstr("longer than"));
}

TEST_F(LoadFile, DeepNesting_IsRefusedWithoutHarm) {
  std::string dotted = "a";
  for (int i = 0; i < 100'000; ++i) dotted += ".a";
  EXPECT_THAT(errors_in(dotted + " = 1\n"), HasSubstr("more than 256 dots in one line"));
  EXPECT_NE(errors_in("a = " + std::string(100'000, '[')), "");
  std::string tables = "a = ";
  for (int i = 0; i < 10'000; ++i) tables += "{a=";
  EXPECT_NE(errors_in(tables), "");
}

TEST_F(LoadFile, RulesBetweenKeys_WaitUntilEachValueIsRight) {
  EXPECT_EQ(errors_in("[notify.retry]\ninitial_interval = \"2m\"\nmaximum_intervall = \"4m\"\n"),
            "config.toml:3: unknown key \"notify.retry.maximum_intervall\"; did you mean "
            "\"notify.retry.maximum_interval\"?\n");
}

TEST_F(LoadFile, RulesBetweenKeys_NameBothAndWhereTheyCameFrom) {
  EXPECT_EQ(errors_in("notify.retry.initial_interval = \"2m\"\n"),
            "notify.retry.initial_interval = \"2m\" (config.toml:1) must not be above "
            "notify.retry.maximum_interval = \"1m\" (default)\n");
}

TEST_F(LoadFile, KeysThatAnotherOneMakesNecessary_AreNamed) {
  EXPECT_EQ(errors_in("gateway.kind = \"http\"\n"),
            "gateway.url = \"\" (default) must not be empty with gateway.kind = \"http\" "
            "(config.toml:1)\n");
  EXPECT_EQ(errors_in("fraud.mode = \"http\"\n"),
            "fraud.url = \"\" (default) must not be empty with fraud.mode = \"http\" "
            "(config.toml:1)\n");
  EXPECT_EQ(errors_in("notify.webhook.url = \"https://a.example/\"\n"),
            "notify.webhook.secret = \"\" (default) must not be empty with notify.webhook.url = "
            "\"https://a.example/\" (config.toml:1)\n");
  EXPECT_EQ(errors_in("notify.smtp.host = \"mail.example\"\n"),
            "notify.smtp.from = \"\" (default) must not be empty with notify.smtp.host = "
            "\"mail.example\" (config.toml:1)\n");
}

TEST_F(LoadFile, WaitsInTheWrongOrder_AreRefusedInEverySection) {
  for (const char* table : {"gateway.retry.", "fraud.retry.", "notify.retry.",
                            "saga.payment.compensation.", "gateway.inquiry_"}) {
    const std::string prefix(table);
    EXPECT_THAT(errors_in(prefix + "initial_interval = \"2m\"\n"),
                HasSubstr("must not be above " + prefix + "maximum_interval"));
  }
}

}  // namespace
}  // namespace payonce::config
