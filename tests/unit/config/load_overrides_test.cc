#include "config/keys.h"
#include "config/render.h"
#include "unit/config/fixture.h"

namespace payonce::config {
namespace {

using testing::HasSubstr;

using LoadOverrides = ConfigTest;

TEST_F(LoadOverrides, Order_IsFlagsThenEnvironmentThenFileThenDefaults) {
  Sources sources{.file =
                      write("[server]\nlisten = \"127.0.0.1:1\"\n[storage]\ndata = \"file\"\n")};
  EXPECT_EQ(options_of(sources).server.listen.port, 1);
  sources.environment = {{"PAYONCE_SERVER_LISTEN", "127.0.0.1:2"}};
  EXPECT_EQ(options_of(sources).server.listen.port, 2);
  EXPECT_EQ(options_of(sources).storage.data, "file");
  sources.sets = {"server.listen=127.0.0.1:3"};
  EXPECT_EQ(options_of(sources).server.listen.port, 3);
  sources.listen = "127.0.0.1:4";
  sources.data = "flag";
  EXPECT_EQ(options_of(sources).server.listen.port, 4);
  EXPECT_EQ(options_of(sources).storage.data, "flag");
}

TEST_F(LoadOverrides, Origins_NameTheStrongestSource) {
  const auto loaded = load({.file = write("log.level = \"warn\"\nserver.threads = 97"),
                            .environment = {{"PAYONCE_LOG_LEVEL", "error"}},
                            .sets = {"log.access=true"},
                            .data = "x"});
  ASSERT_TRUE(loaded);
  EXPECT_EQ(to_string(loaded->origins.at("log.level")), "environment PAYONCE_LOG_LEVEL");
  EXPECT_EQ(to_string(loaded->origins.at("log.access")), "--set");
  EXPECT_EQ(to_string(loaded->origins.at("storage.data")), "--data");
  EXPECT_EQ(loaded->origins.count("server.listen"), 0U);
}

TEST_F(LoadOverrides, EveryKey_CanComeFromEachSource) {
  const Options defaults;
  for (const Key& key : keys()) {
    const std::string value = render_value(key, defaults);
    EXPECT_EQ(options_of({.environment = {{env_name(key.name), value}}}), defaults) << key.name;
    EXPECT_EQ(options_of({.sets = {std::string(key.name) + "=" + value}}), defaults) << key.name;
    EXPECT_EQ(options_of({.file = write(std::string(key.name) + "=" + value)}), defaults);
  }
}

TEST_F(LoadOverrides, Strings_ComeBareOrQuoted) {
  for (const char* text :
       {"127.0.0.1:9000", "\"127.0.0.1:9000\"", "'127.0.0.1:9000'", " 127.0.0.1:9000\n"}) {
    EXPECT_EQ(options_of({.environment = {{"PAYONCE_SERVER_LISTEN", text}}}).server.listen.port,
              9000)
        << text;
  }
  EXPECT_EQ(options_of({.sets = {"server.read_timeout=1m30s"}}).server.read_timeout,
            std::chrono::seconds{90});
  EXPECT_EQ(options_of({.sets = {"server.body_bytes_max=2MiB"}}).server.body_bytes_max, 2 * kMiB);
  EXPECT_EQ(options_of({.sets = {"server.body_bytes_max=4096"}}).server.body_bytes_max, 4 * kKiB);
  EXPECT_EQ(options_of({.sets = {"storage.data=C:\\a \"b\" # c"}}).storage.data, "C:\\a \"b\" # c");
  EXPECT_EQ(options_of({.sets = {"gateway.journal="}}).gateway.journal, "");
}

TEST_F(LoadOverrides, Lists_ComeSeparatedByCommasQuotedOrAsAnArray) {
  const std::vector<std::string> expected{"a", "b c"};
  for (const char* text :
       {"a,b c", " a , b c ", "\"a\",\"b c\"", "'a', 'b c'", "[\"a\",\"b c\"]"}) {
    EXPECT_EQ(options_of({.sets = {std::string("gateway.refused_errors=") + text}})
                  .gateway.refused_errors,
              expected)
        << text;
  }
  EXPECT_THAT(options_of({.environment = {{"PAYONCE_NOTIFY_WEBHOOK_SCHEDULE", "5s,1m30s"}}})
                  .notify.webhook.schedule,
              testing::ElementsAre(std::chrono::seconds{5}, std::chrono::seconds{90}));
}

TEST_F(LoadOverrides, EmptyTextForAList_IsTheEmptyList) {
  EXPECT_TRUE(options_of({.sets = {"gateway.refused_errors="}}).gateway.refused_errors.empty());
  EXPECT_TRUE(options_of({.environment = {{"PAYONCE_NOTIFY_WEBHOOK_SCHEDULE", ""}}})
                  .notify.webhook.schedule.empty());
}

TEST_F(LoadOverrides, MistakeInAListOfText_NamesTheElement) {
  EXPECT_EQ(
      errors_of({.sets = {"notify.webhook.schedule=5s,,1m"}}),
      "--set: notify.webhook.schedule: element 2: \"\" does not fit: write whole numbers with "
      "us, ms, s, m, h or d, such as \"250ms\" or \"1m30s\"\n");
  EXPECT_THAT(errors_of({.environment = {{"PAYONCE_GATEWAY_REFUSED_ERRORS", "a,"}}}),
              HasSubstr("environment PAYONCE_GATEWAY_REFUSED_ERRORS: gateway.refused_errors: "
                        "element 2: \"\" does not fit: it must not be empty"));
  EXPECT_THAT(errors_of({.sets = {"gateway.refused_errors=[\"a\""}}),
              HasSubstr("is not a list of TOML strings"));
  EXPECT_NE(errors_of({.sets = {"gateway.refused_errors=\"a\"]\nx=[\"b\""}}), "");
  EXPECT_THAT(errors_of({.sets = {"gateway.refused_errors=a\nb"}}), HasSubstr("control character"));
}

TEST_F(LoadOverrides, DedicatedFlags_AreTakenLiterally) {
  EXPECT_EQ(options_of({.data = "\"quoted\""}).storage.data, "\"quoted\"");
  EXPECT_THAT(errors_of({.data = ""}), HasSubstr("--data: storage.data: \"\" does not fit"));
  EXPECT_THAT(errors_of({.data = "\xFF"}), HasSubstr("--data: storage.data: the value cannot be"));
  EXPECT_EQ(errors_of({.listen = "8080"}),
            "--listen: server.listen: \"8080\" does not fit: it has no port; "
            "write it as 127.0.0.1:8080 or [::1]:8080\n");
}

TEST_F(LoadOverrides, Sets_LastOneOfAKeyWins) {
  EXPECT_EQ(options_of({.sets = {"server.threads=100", "server.threads = 101"}}).server.threads,
            101U);
}

TEST_F(LoadOverrides, RetryTables_ComeWholePartlyOrByField) {
  const auto by_set =
      options_of({.sets = {
                      "gateway.retry={ initial_interval=\"10ms\", maximum_attempts=3 }",
                      "gateway.retry.maximum_interval=1h",
                  }});
  EXPECT_EQ(by_set.gateway.retry.initial_interval, std::chrono::milliseconds{10});
  EXPECT_EQ(by_set.gateway.retry.maximum_attempts, 3U);
  EXPECT_EQ(by_set.gateway.retry.maximum_interval, std::chrono::hours{1});
  EXPECT_EQ(by_set.gateway.retry.backoff_coefficient_permille, 2'000);
  EXPECT_EQ(by_set.notify.retry, Notify{}.retry);

  // Whichever way round the process lists them, the variable of the one field wins.
  const Variables variables{{"PAYONCE_GATEWAY_RETRY_MAXIMUM_ATTEMPTS", "5"},
                            {"PAYONCE_GATEWAY_RETRY", "{ maximum_attempts = 3 }"}};
  EXPECT_EQ(options_of({.environment = variables}).gateway.retry.maximum_attempts, 5U);
}

TEST_F(LoadOverrides, MistakesInATable_NameTheField) {
  EXPECT_EQ(errors_of({.sets = {"gateway.retry={ initial_intervall=\"1s\" }"}}),
            "--set: unknown key \"gateway.retry.initial_intervall\"; "
            "did you mean \"gateway.retry.initial_interval\"?\n");
  EXPECT_THAT(errors_of({.environment = {{"PAYONCE_GATEWAY_RETRY", "{ maximum_attempts = 0 }"}}}),
              HasSubstr("environment PAYONCE_GATEWAY_RETRY: gateway.retry.maximum_attempts: 0 is"));
  EXPECT_THAT(errors_of({.sets = {"gateway.retry=3"}}), HasSubstr("expected a table"));
  EXPECT_THAT(errors_of({.sets = {"gateway.retry={ maximum_attempts=3"}}),
              HasSubstr("expected a table"));
}

TEST_F(LoadOverrides, UnknownSet_NamesTheNearestKey) {
  EXPECT_EQ(errors_of({.sets = {"server.lisen=127.0.0.1:1"}}),
            "--set: unknown key \"server.lisen\"; did you mean \"server.listen\"?\n");
  EXPECT_EQ(errors_of({.sets = {"server.threads"}}),
            "--set server.threads: expected section.key=value\n");
  EXPECT_EQ(errors_of({.sets = {"=1"}}), "--set =1: expected section.key=value\n");
  EXPECT_EQ(errors_of({.sets = {""}}), "--set : expected section.key=value\n");
}

TEST_F(LoadOverrides, SetWithoutAnEqualsSign_ShowsNothingBehindTheName) {
  for (const char* text : {"gateway.api_key:hunter2", "gateway.api_key hunter2",
                           "gateway.api_key: hunter2=", "gateway.api_key hunter2=="}) {
    EXPECT_EQ(errors_of({.sets = {text}}), "--set gateway.api_key: expected section.key=value\n");
  }
}

TEST_F(LoadOverrides, WrongText_SaysWhatWasExpectedAndFound) {
  EXPECT_EQ(errors_of({.environment = {{"PAYONCE_SERVER_THREADS", "many"}}}),
            "environment PAYONCE_SERVER_THREADS: server.threads: expected an integer "
            "(threads, 1 to 4096); found the string \"many\"\n");
  EXPECT_THAT(errors_of({.sets = {"server.threads="}}), HasSubstr("found the string \"\""));
  EXPECT_THAT(errors_of({.sets = {"log.access=yes"}}), HasSubstr("expected a boolean"));
  EXPECT_THAT(errors_of({.sets = {"log.level=\"info"}}), HasSubstr("is not a TOML string"));
}

TEST_F(LoadOverrides, LineBreakInAValue_CannotSetAnotherKey) {
  EXPECT_NE(errors_of({.sets = {"server.threads=97\nx=1"}}), "");
  EXPECT_NE(errors_of({.sets = {"log.level=\"info\"\nx=1"}}), "");
  EXPECT_NE(errors_of({.sets = {"gateway.retry={ }\n[server]\nthreads=97"}}), "");
}

TEST_F(LoadOverrides, UnknownVariableOfOurs_NamesTheNearest) {
  EXPECT_EQ(errors_of({.environment = {{"PAYONCE_SERVER_LISTN", "127.0.0.1:1"}}}),
            "environment PAYONCE_SERVER_LISTN: unknown variable; did you mean "
            "PAYONCE_SERVER_LISTEN?\n");
  EXPECT_THAT(errors_of({.environment = {{"PAYONCE_server_listen", "127.0.0.1:1"}}}),
              HasSubstr("did you mean PAYONCE_SERVER_LISTEN?"));
  EXPECT_THAT(errors_of({.environment = {{"PAYONCE_AUTH_CERTIFICATE_FILE", "x"}}}),
              HasSubstr("unknown variable; the nearest is PAYONCE_"));
}

TEST_F(LoadOverrides, MisspelledSectionOfAVariable_IsFoundToo) {
  EXPECT_THAT(errors_of({.environment = {{"PAYONCE_SERVR_LISTEN", "127.0.0.1:1"}}}),
              HasSubstr("did you mean PAYONCE_SERVER_LISTEN?"));
}

TEST_F(LoadOverrides, VariablesOfOthers_AreIgnored) {
  EXPECT_EQ(options_of({.environment = {{"PAYONCE_BIN", "build/release/payonce"},
                                        {"PAYONCE_CACHE", "x"},
                                        {"PAYONCE_JOBS", "2"},
                                        {"PAYONCE_BOX", "two letters from PAYONCE_LOG"},
                                        {"PAYONCE_", ""},
                                        {"SERVER_LISTEN", "x"},
                                        {"PATH", "/bin"}}}),
            Options{});
}

TEST_F(LoadOverrides, MistakesOfAllSources_AreReportedTogether) {
  const std::string errors = errors_of({.file = write("[server]\nthreads =\n"),
                                        .environment = {{"PAYONCE_LOG_LEVEL", "loud"}},
                                        .sets = {"x=1"},
                                        .data = "",
                                        .listen = "x"});
  EXPECT_EQ(std::ranges::count(errors, '\n'), 5) << errors;
}

TEST_F(LoadOverrides, EnvironmentBlock_GivesOurVariables) {
  const char* const block[] = {"PATH=/bin", "PAYONCE_LOG_LEVEL=warn", "PAYONCE_X=a=b",
                               "PAYONCE_WITHOUT_VALUE", nullptr};
  const Variables expected{{"PAYONCE_LOG_LEVEL", "warn"}, {"PAYONCE_X", "a=b"}};
  EXPECT_EQ(environment(block), expected);
  EXPECT_TRUE(environment(nullptr).empty());
}

TEST_F(LoadOverrides, ListeningBeyondLoopback_NeedsConsent) {
  EXPECT_EQ(check_listen(options_of({.listen = "127.0.0.1:1"})), std::nullopt);
  EXPECT_EQ(check_listen(options_of({.listen = "[::1]:1"})), std::nullopt);
  for (const char* open : {"0.0.0.0:1", "[::]:1", "10.0.0.1:1"}) {
    const auto refused = check_listen(options_of({.listen = open}));
    ASSERT_TRUE(refused) << open;
    EXPECT_THAT(refused->message, HasSubstr("auth.allow_anonymous = true"));
    EXPECT_EQ(check_listen(options_of({.sets = {"auth.allow_anonymous=true"}, .listen = open})),
              std::nullopt);
  }
}

TEST_F(LoadOverrides, Reload_AppliesTunableKeysAndNamesTheOthers) {
  const Options running;
  const Options fresh =
      options_of({.sets = {"log.level=debug", "server.threads=128", "storage.data=elsewhere"}});
  const Reloaded reloaded = reload(running, fresh);
  Options expected = running;
  expected.log.level = LogLevel::kDebug;
  EXPECT_EQ(reloaded.options, expected);
  EXPECT_THAT(reloaded.ignored, testing::ElementsAre("server.threads", "storage.data"));
}

TEST_F(LoadOverrides, Reload_TreatsEveryKeyByItsRow) {
  for (const Key& key : keys()) {
    Options fresh;
    // One change for each key; twice a duration of zero is none.
    std::visit(Overloaded{
                   [&](const Flag& type) { type.ref(fresh) = !type.ref(fresh); },
                   [&](const Address& type) { type.ref(fresh).port = 1; },
                   [&](const Text& type) { type.ref(fresh) += "X"; },
                   [&](const TextList& type) { type.ref(fresh).push_back("X"); },
                   [&](const DurationList& type) { type.ref(fresh).clear(); },
                   [&](const Choice& type) { type.set(fresh, type.words.size() - 1); },
                   [&](const Duration& type) { type.ref(fresh) *= 2; },
                   [&](const auto& type) { type.ref(fresh) += 1; },
               },
               key.type);
    const Reloaded reloaded = reload(Options{}, fresh);
    if (key.tunable) {
      EXPECT_EQ(reloaded.options, fresh) << key.name;
      EXPECT_TRUE(reloaded.ignored.empty()) << key.name;
    } else {
      EXPECT_EQ(reloaded.options, Options{}) << key.name;
      EXPECT_EQ(reloaded.ignored.empty(), fresh == Options{}) << key.name;
    }
  }
}

TEST_F(LoadOverrides, ReloadOfTheSame_ChangesNothing) {
  const Options options = options_of({.sets = {"log.level=debug", "server.threads=128"}});
  const Reloaded reloaded = reload(options, options);
  EXPECT_EQ(reloaded.options, options);
  EXPECT_TRUE(reloaded.ignored.empty());
}

}  // namespace
}  // namespace payonce::config
