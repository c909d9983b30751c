#include "config/keys.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "config/nearest.h"
#include "config/render.h"

namespace payonce::config {
namespace {

using testing::HasSubstr;

TEST(Keys, NamesAndVariables_AreUnique) {
  std::set<std::string> names;
  std::set<std::string> variables;
  for (const Key& key : keys()) {
    EXPECT_TRUE(names.emplace(key.name).second) << key.name;
    EXPECT_TRUE(variables.insert(env_name(key.name)).second) << key.name;
  }
  // PAYONCE_GATEWAY_RETRY is a table: a key gateway_retry would be the same variable.
  for (const std::string_view table : table_names()) {
    EXPECT_TRUE(variables.insert(env_name(table)).second) << table;
  }
}

TEST(Keys, SectionsAndKeys_StandInTheSameOrder) {
  std::vector<std::string_view> seen;
  for (const Key& key : keys()) {
    if (seen.empty() || seen.back() != section_of(key.name)) seen.push_back(section_of(key.name));
  }
  std::vector<std::string_view> expected;
  for (const Section& section : sections()) expected.push_back(section.name);
  EXPECT_EQ(seen, expected);
}

TEST(Keys, MembersOfOptions_AreEachReachedByOneKey) {
  // Two rows that point to one member, or a copied row: changing one key must change one value.
  for (const Key& changed : keys()) {
    const Options defaults;
    Options options;
    std::visit(Overloaded{
                   [&](const Flag& type) { type.ref(options) = !type.ref(options); },
                   [&](const Count& type) { type.ref(options) += 1; },
                   [&](const Size& type) { type.ref(options) += 4'096; },
                   [&](const Duration& type) { type.ref(options) += std::chrono::seconds{1}; },
                   [&](const Decimal& type) { type.ref(options) += 1; },
                   [&](const Address& type) { type.ref(options).port += 1; },
                   [&](const Text& type) { type.ref(options) += "X"; },
                   [&](const TextList& type) { type.ref(options).push_back("X"); },
                   [&](const DurationList& type) { type.ref(options).clear(); },
                   [&](const Choice& type) { type.set(options, type.words.size() - 1); },
               },
               changed.type);
    for (const Key& key : keys()) {
      EXPECT_EQ(render_value(key, options) != render_value(key, defaults), key.name == changed.name)
          << changed.name << " and " << key.name;
    }
  }
}

TEST(Keys, EveryKey_SaysWhyInOneLine) {
  for (const Key& key : keys()) {
    EXPECT_FALSE(key.why.empty()) << key.name;
    EXPECT_TRUE(key.why.ends_with('.')) << key.name;
    EXPECT_LE(key.why.size(), 98U) << key.name;
    EXPECT_EQ(key.why.find('\n'), key.why.npos) << key.name;
  }
}

TEST(Keys, SecretsOfTheGatewayAndOfTheNotifications_AreMarked) {
  for (const char* name : {"gateway.api_key", "gateway.callback_secrets", "notify.webhook.secret",
                           "notify.smtp.password"}) {
    ASSERT_NE(find_key(name), nullptr) << name;
    EXPECT_TRUE(find_key(name)->secret) << name;
  }
}

TEST(Keys, VariableNames_AreUpperCaseWithUnderscores) {
  EXPECT_EQ(env_name("server.listen"), "PAYONCE_SERVER_LISTEN");
  EXPECT_EQ(env_name("gateway.retry.initial_interval"), "PAYONCE_GATEWAY_RETRY_INITIAL_INTERVAL");
}

TEST(Keys, TablesIncludeThoseThatHoldOnlyTables) {
  EXPECT_TRUE(is_table("saga"));
  EXPECT_TRUE(is_table("saga.payment"));
  EXPECT_TRUE(is_table("saga.payment.compensation"));
  EXPECT_FALSE(is_table("saga.payment.version"));
  EXPECT_FALSE(is_table("serv"));
  EXPECT_FALSE(is_table(""));
}

TEST(Nearest, Distance_CountsEditsAndSwaps) {
  EXPECT_EQ(edit_distance("", "abc"), 3U);
  EXPECT_EQ(edit_distance("listen", "listen"), 0U);
  EXPECT_EQ(edit_distance("lisen", "listen"), 1U);
  EXPECT_EQ(edit_distance("lisetn", "listen"), 1U);
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3U);
}

TEST(Nearest, Distance_IsBoundedForLongNames) {
  EXPECT_EQ(edit_distance(std::string(100'000, 'a'), ""), kComparedMax);
}

// "notify.smtp.tl" is as near to "to" as to "tls".
TEST(Nearest, EachKeyWithOneLetterMissing_IsFoundOrOneAsNear) {
  for (const Key& key : keys()) {
    for (std::size_t i = 0; i < key.name.size(); ++i) {
      std::string typo(key.name);
      typo.erase(i, 1);
      const std::string_view found = nearest_key(typo);
      EXPECT_TRUE(found == key.name || edit_distance(typo, found) == 1) << typo << " " << found;
    }
  }
}

TEST(Nearest, RightKeyInTheWrongSection_IsFound) {
  EXPECT_EQ(nearest_key("listen"), "server.listen");
  EXPECT_EQ(nearest_key("storage.listen"), "server.listen");
  EXPECT_EQ(nearest_key("log.allow_anonymous"), "auth.allow_anonymous");
}

TEST(Nearest, ForeignName_GetsANeighbourAndNoGuess) {
  EXPECT_THAT(suggest_key("auth.certificates"), HasSubstr("the nearest key is \"auth."));
  EXPECT_THAT(suggest_table("payment"), HasSubstr("did you mean \"payments\"?"));
  EXPECT_THAT(suggest_table("kubernetes"), HasSubstr("the nearest key is"));
}

}  // namespace
}  // namespace payonce::config
