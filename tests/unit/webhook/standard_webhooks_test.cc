#include "webhook/standard_webhooks.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace payonce::webhook {
namespace {

constexpr std::int64_t kAt = 1'614'265'330;
constexpr std::int64_t kTolerance = 300;
constexpr const char* kBody = R"({"test": 2432232314})";
constexpr const char* kSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
constexpr const char* kOther = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
constexpr const char* kId = "msg_p5jXN8AQM9LWM0D4loKWxJek";
// python3: base64.b64encode(hmac.new(base64.b64decode(SECRET without whsec_),
//          b'msg_p5jXN8AQM9LWM0D4loKWxJek.1614265330.{"test": 2432232314}', 'sha256').digest())
constexpr const char* kSignature = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

Secret secret(const char* text) { return Secret::parse(text).value(); }

std::vector<Secret> one() { return {secret(kSecret)}; }

Head head(std::string signature = kSignature, std::string timestamp = std::to_string(kAt)) {
  return {.id = kId, .timestamp = std::move(timestamp), .signature = std::move(signature)};
}

Verdict judge(const Head& of, std::int64_t now = kAt) {
  return verify(one(), of, kBody, now, kTolerance);
}

TEST(StandardWebhooks, Sign_IsTheKnownSignature) {
  EXPECT_EQ(sign(one(), kId, kAt, kBody), kSignature);
  const std::vector<Secret> other{secret(kOther)};
  // The same, over b'cb_1.1700000000.{}' with the bytes 0 to 31 as the key.
  EXPECT_EQ(sign(other, "cb_1", 1'700'000'000, "{}"),
            "v1,JTn8RF9xCE4V8SZzvC6mRZnlnrNHcJk/m6WrdySbheM=");
}

TEST(StandardWebhooks, GoodSignature_IsGood) { EXPECT_EQ(judge(head()), Verdict::kGood); }

TEST(StandardWebhooks, AnyChange_IsABadSignature) {
  EXPECT_EQ(verify(one(), head(), R"({"test": 2432232315})", kAt, kTolerance),
            Verdict::kBadSignature);
  EXPECT_EQ(judge(head(kSignature, std::to_string(kAt + 1))), Verdict::kBadSignature);
  Head renamed = head();
  renamed.id += "x";
  EXPECT_EQ(judge(renamed), Verdict::kBadSignature);
  EXPECT_EQ(verify(std::vector<Secret>{secret(kOther)}, head(), kBody, kAt, kTolerance),
            Verdict::kBadSignature);
  EXPECT_EQ(verify({}, head(), kBody, kAt, kTolerance), Verdict::kBadSignature);
}

TEST(StandardWebhooks, Rotation_TheOldOrTheNewSecretIsEnough) {
  const std::vector<Secret> both{secret(kOther), secret(kSecret)};
  const std::string signature = sign(both, kId, kAt, kBody);
  EXPECT_EQ(signature.find(' '), signature.rfind(' '));
  EXPECT_TRUE(signature.ends_with(kSignature));
  for (const char* known : {kSecret, kOther}) {
    EXPECT_EQ(verify(std::vector<Secret>{secret(known)}, head(signature), kBody, kAt, kTolerance),
              Verdict::kGood);
  }
  EXPECT_EQ(verify(both, head(), kBody, kAt, kTolerance), Verdict::kGood);
}

TEST(StandardWebhooks, Tolerance_CountsBothWays) {
  EXPECT_EQ(judge(head(), kAt + kTolerance), Verdict::kGood);
  EXPECT_EQ(judge(head(), kAt + kTolerance + 1), Verdict::kTooOld);
  EXPECT_EQ(judge(head(), kAt - kTolerance), Verdict::kGood);
  EXPECT_EQ(judge(head(), kAt - kTolerance - 1), Verdict::kTooNew);
}

TEST(StandardWebhooks, MissingHeaders_AreNamedAsSuch) {
  for (std::string Head::*member : {&Head::id, &Head::timestamp, &Head::signature}) {
    Head incomplete = head();
    (incomplete.*member).clear();
    EXPECT_EQ(judge(incomplete), Verdict::kMissingHeader);
  }
}

TEST(StandardWebhooks, Timestamp_IsAWholeNumberOfSecondsAlone) {
  for (const char* text : {"x", "-5", "+5", "1.5", " 1614265330", "1614265330 ", "0x10", "1e9",
                           "99999999999999999999999"}) {
    EXPECT_EQ(judge(head(kSignature, text)), Verdict::kMalformed) << text;
  }
}

TEST(StandardWebhooks, IdWithADot_IsMalformed) {
  // Else the same bytes could be cut into id, timestamp and body in more than one way.
  Head dotted = head();
  dotted.id = "msg.1";
  dotted.signature = sign(one(), dotted.id, kAt, kBody);
  EXPECT_EQ(judge(dotted), Verdict::kMalformed);
}

TEST(StandardWebhooks, UnknownVersions_ArePassedOver) {
  const std::string good = kSignature;
  const std::string bare = good.substr(3);
  EXPECT_EQ(judge(head("v1a," + bare + " v2,xyz " + good)), Verdict::kGood);
  for (const std::string& other : {"v1a," + bare, "v2," + bare, "V1," + bare, bare, "v1" + bare}) {
    EXPECT_EQ(judge(head(other)), Verdict::kBadSignature) << other;
  }
}

TEST(StandardWebhooks, SpacesBetweenSignatures_DoNotMatter) {
  EXPECT_EQ(judge(head("  " + std::string(kSignature) + "   v1,x ")), Verdict::kGood);
  EXPECT_EQ(judge(head("   ")), Verdict::kBadSignature);
  EXPECT_EQ(judge(head("v1, " + std::string(kSignature).substr(3))), Verdict::kBadSignature);
  EXPECT_EQ(judge(head(std::string(kSignature) + "\t")), Verdict::kBadSignature);
}

TEST(StandardWebhooks, HugeHeaders_AreRead) {
  std::string many;
  for (int i = 0; i < 100'000; ++i) {
    many += "v1,AAAA ";
  }
  EXPECT_EQ(judge(head(many)), Verdict::kBadSignature);
  EXPECT_EQ(judge(head(many + kSignature)), Verdict::kGood);
  EXPECT_EQ(judge(head("v1," + std::string(1'000'000, 'A'))), Verdict::kBadSignature);
  EXPECT_EQ(judge(head(kSignature, std::string(1'000'000, '1'))), Verdict::kMalformed);
}

TEST(StandardWebhooks, Secret_IsPrefixAndBase64Of24To64Bytes) {
  EXPECT_EQ(secret(kSecret).key().size(), 24U);
  EXPECT_EQ(secret(kOther).key().size(), 32U);
  EXPECT_EQ(secret(kOther).key()[31], '\x1f');
  const std::string most(88 - 2, 'A');  // 64 bytes
  EXPECT_TRUE(Secret::parse("whsec_" + most + "=="));
  for (const std::string& text :
       {std::string(), std::string("whsec_"), std::string("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
        std::string("whsec_eHh4eHh4eHh4eHh4eHh4eHh4eHh4eHg="),  // 23 bytes
        "whsec_" + std::string(88, 'A'),                        // 66 bytes
        std::string("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS"),   // not padded
        std::string(kSecret) + "\n",
        std::string(kSecret) + "====", std::string("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2La aSw"),
        std::string("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLa-_"),
        std::string("whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh9=")}) {  // stray bits
    const auto parsed = Secret::parse(text);
    ASSERT_FALSE(parsed) << text;
    EXPECT_EQ(parsed.error().code, Errc::kInvalid);
    EXPECT_EQ(parsed.error().message.find("MfKQ"), std::string::npos);
  }
}

TEST(StandardWebhooks, EveryVerdict_HasASentence) {
  for (const Verdict verdict : {Verdict::kGood, Verdict::kMissingHeader, Verdict::kMalformed,
                                Verdict::kTooOld, Verdict::kTooNew, Verdict::kBadSignature}) {
    EXPECT_FALSE(name(verdict).empty());
  }
}

}  // namespace
}  // namespace payonce::webhook
