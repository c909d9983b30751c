#include "config/assign.h"
#include "config/keys.h"
#include "config/render.h"
#include "unit/config/fixture.h"

namespace payonce::config {
namespace {

using testing::HasSubstr;
using testing::Not;

using Secrets = ConfigTest;

// The base64 of so many zero bytes, a multiple of 3, behind the prefix of a webhook's secret.
std::string whsec(std::size_t bytes) { return "whsec_" + std::string(bytes / 3 * 4, 'A'); }

std::vector<const Key*> secret_keys() {
  std::vector<const Key*> found;
  for (const Key& key : keys()) {
    if (key.secret) found.push_back(&key);
  }
  return found;
}

TEST_F(Secrets, Unset_IsShownAsNothing) {
  for (const Key* key : secret_keys()) {
    const bool list = std::holds_alternative<TextList>(key->type);
    EXPECT_EQ(render_value(*key, Options{}), list ? "[]" : "\"\"") << key->name;
  }
}

TEST_F(Secrets, Set_IsNeverRendered) {
  for (const Key* key : secret_keys()) {
    const auto loaded = load({.sets = {std::string(key->name) + "=" + whsec(24)}});
    ASSERT_TRUE(loaded) << key->name;
    EXPECT_EQ(render_value(*key, loaded->options), "set, not shown") << key->name;
    const std::string text = render(*loaded);
    EXPECT_THAT(text, Not(HasSubstr("AAAA"))) << key->name;
    const std::string leaf(leaf_of(key->name));
    EXPECT_THAT(text, HasSubstr("\n# " + leaf + ": set, not shown  # --set\n"));
    EXPECT_TRUE(load_text(text)) << "the comment in its place must be TOML";
  }
}

TEST_F(Secrets, RefusedValue_IsInNoMessage) {
  for (const Key* key : secret_keys()) {
    Options options;
    for (const char* text : {"hun\nter2", "\"hunter2", "'hunter2", "\"hunter2\xFF\"", "hunter2\xFF",
                             "[\"hunter2\"", "[4711ter2]", "\"\",hunter2"}) {
      const auto outcome = assign_text(*key, text, options);
      // Keys of any text take some of these.
      const std::string said = outcome ? "" : outcome.error();
      EXPECT_THAT(said, Not(HasSubstr("ter2"))) << key->name << " " << text;
    }
    const auto wrong_type = assign(*key, std::int64_t{4711}, options);
    ASSERT_FALSE(wrong_type) << key->name;
    EXPECT_THAT(wrong_type.error(), Not(HasSubstr("4711")));
  }
}

TEST_F(Secrets, ElementOfTheWrongType_IsNamedAndNotShown) {
  EXPECT_EQ(errors_in("gateway.callback_secrets = [\"" + whsec(24) + "\", 4711]\n"),
            "config.toml:1: gateway.callback_secrets: element 2: expected a string (list of up to "
            "16 secrets, each whsec_ and base64); found the integer\n");
  EXPECT_EQ(errors_in("gateway.callback_secrets = [\"hunter2\"]\n"),
            "config.toml:1: gateway.callback_secrets: element 1: the value does not fit: a secret "
            "is whsec_ followed by the base64 of 24 to 64 bytes\n");
}

TEST_F(Secrets, MissingQuotes_ShowNothingOfTheValue) {
  // The TOML library quotes what it read of each of these.
  for (const char* value :
       {"thunter2", "fhunter2", "ihunter2", "47114711471147114711", "4711-47", "0x4711hunter2",
        "\"hunter2\\q\"", "2024-47-11", "hunter2", "4711hunter2"}) {
    for (const std::string& text : {"gateway.api_key = " + std::string(value),
                                    "gateway = { api_key = " + std::string(value) + " }"}) {
      const std::string errors = errors_in(text + "\n");
      EXPECT_THAT(errors, testing::StartsWith("config.toml:1:")) << text;
      EXPECT_THAT(errors, testing::AllOf(Not(HasSubstr("47")), Not(HasSubstr("saw")),
                                         Not(HasSubstr("hunter")), Not(HasSubstr("\\q"))));
    }
    const std::string errors =
        errors_of({.sets = {"gateway={ api_key = " + std::string(value) + " }"}});
    EXPECT_THAT(errors, testing::AllOf(Not(HasSubstr("47")), Not(HasSubstr("hunter")))) << errors;
  }
}

TEST_F(Secrets, ValueInThePlaceOfItsTable_IsNotShown) {
  EXPECT_EQ(errors_in("notify.webhook = \"" + whsec(24) + "\"\n"),
            "config.toml:1: notify.webhook: expected a table; found the string\n");
  EXPECT_EQ(errors_in("gateway = 4711\n"),
            "config.toml:1: gateway: expected a table; found the integer\n");
}

TEST_F(Secrets, RuleThatNamesASecret_DoesNotShowIt) {
  const auto key = std::ranges::find(keys(), "notify.webhook.secret", &Key::name);
  Options options;
  options.notify.webhook.secret = whsec(24);
  EXPECT_EQ(render_value(*key, options), "set, not shown");
}

TEST_F(Secrets, Webhook_NeedsItsPrefixAndTheBase64Of24To64Bytes) {
  const auto accepted = [](const std::string& secret) {
    return load({.sets = {"notify.webhook.secret=" + secret}}).has_value();
  };
  const std::string ends = std::string(84, 'A');  // 63 bytes
  for (const std::string& good :
       {whsec(24), whsec(63), "whsec_" + ends + "AA==",
        std::string("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"), whsec(24) + "+/8="}) {
    EXPECT_TRUE(accepted(good)) << good;
  }
  for (const std::string& bad :
       {whsec(21), whsec(21) + "AAA=", whsec(66), "whsec_" + ends + "AAA=", std::string("whsec_"),
        std::string(32, 'A'), "WHSEC_" + std::string(32, 'A'), whsec(24) + "A",
        whsec(24) + "A===", whsec(24) + "====", "whsec_AA==" + std::string(32, 'A'),
        whsec(24) + "AA-_", whsec(24) + " AAA"}) {
    EXPECT_FALSE(accepted(bad)) << bad;
  }
  EXPECT_TRUE(accepted("")) << "empty is none";
  EXPECT_FALSE(load({.sets = {"gateway.callback_secrets=\"\""}})) << "but not in a list";
}

TEST_F(Secrets, CallbackSecrets_AreAsManyAsAreNamed) {
  EXPECT_TRUE(Gateway{}.callback_secrets.empty());
  EXPECT_THAT(options_of({.environment = {{"PAYONCE_GATEWAY_CALLBACK_SECRETS",
                                           whsec(24) + "," + whsec(27)}}})
                  .gateway.callback_secrets,
              testing::ElementsAre(whsec(24), whsec(27)));
}

}  // namespace
}  // namespace payonce::config
