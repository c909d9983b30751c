#include "webhook/standard_webhooks.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <array>
#include <charconv>

#include "base/assert.h"

namespace payonce::webhook {
namespace {

constexpr std::string_view kPrefix = "whsec_";
constexpr std::string_view kVersion = "v1,";
constexpr std::size_t kKeyMin = 24;
constexpr std::size_t kKeyMax = 64;

std::string encode_base64(std::string_view bytes) {
  std::string text(4 * ((bytes.size() + 2) / 3) + 1, '\0');
  const int size = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()),
                                   reinterpret_cast<const unsigned char*>(bytes.data()),
                                   static_cast<int>(bytes.size()));
  text.resize(static_cast<std::size_t>(size));
  return text;
}

// Strict: padded, without white space.
std::string decode_base64(std::string_view text) {
  if (text.empty() || text.size() % 4 != 0 || text.size() > 4 * kKeyMax) {
    return {};
  }
  std::string bytes(text.size() / 4 * 3, '\0');
  const int size = EVP_DecodeBlock(reinterpret_cast<unsigned char*>(bytes.data()),
                                   reinterpret_cast<const unsigned char*>(text.data()),
                                   static_cast<int>(text.size()));
  if (size < 0) {
    return {};
  }
  const std::size_t padding = text.ends_with("==") ? 2 : (text.ends_with('=') ? 1 : 0);
  bytes.resize(static_cast<std::size_t>(size) - padding);
  // The library passes over white space at the ends, and over stray bits: one way to write it.
  return encode_base64(bytes) == text ? bytes : std::string();
}

std::string mac(const Secret& secret, std::string_view id, std::string_view timestamp,
                std::string_view body) {
  std::string content;
  content.reserve(id.size() + timestamp.size() + body.size() + 2);
  content.append(id).append(".").append(timestamp).append(".").append(body);
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int size = 0;
  const unsigned char* made = HMAC(
      EVP_sha256(), secret.key().data(), static_cast<int>(secret.key().size()),
      reinterpret_cast<const unsigned char*>(content.data()), content.size(), digest.data(), &size);
  PAYONCE_ASSERT(made != nullptr);  // fails only when memory is exhausted
  return encode_base64({reinterpret_cast<const char*>(digest.data()), size});
}

bool equal_in_constant_time(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

// Every signature against every secret, without stopping at the first that fits.
bool any_fits(std::span<const Secret> secrets, const Head& head, std::string_view body) {
  bool fits = false;
  for (const Secret& secret : secrets) {
    const std::string wanted = mac(secret, head.id, head.timestamp, body);
    std::string_view rest = head.signature;
    while (!rest.empty()) {
      const std::size_t end = std::min(rest.find(' '), rest.size());
      const std::string_view item = rest.substr(0, end);
      rest.remove_prefix(std::min(end + 1, rest.size()));
      if (item.starts_with(kVersion)) {
        fits = equal_in_constant_time(item.substr(kVersion.size()), wanted) || fits;
      }
    }
  }
  return fits;
}

}  // namespace

Result<Secret> Secret::parse(std::string_view text) {
  if (!text.starts_with(kPrefix)) {
    return fail(Errc::kInvalid, "a webhook secret starts with whsec_");
  }
  Secret secret;
  secret.key_ = decode_base64(text.substr(kPrefix.size()));
  if (secret.key_.size() < kKeyMin || secret.key_.size() > kKeyMax) {
    return fail(Errc::kInvalid, "a webhook secret is whsec_ and the base64 of 24 to 64 bytes");
  }
  return secret;
}

std::string sign(std::span<const Secret> secrets, std::string_view id, std::int64_t unix_seconds,
                 std::string_view body) {
  std::string signature;
  for (const Secret& secret : secrets) {
    signature.append(signature.empty() ? "" : " ").append(kVersion);
    signature += mac(secret, id, std::to_string(unix_seconds), body);
  }
  return signature;
}

std::string_view name(Verdict verdict) {
  switch (verdict) {
    case Verdict::kGood:
      return "good";
    case Verdict::kMissingHeader:
      return "webhook-id, webhook-timestamp and webhook-signature are needed";
    case Verdict::kMalformed:
      return "webhook-timestamp must be a whole number of seconds, and webhook-id without '.'";
    case Verdict::kTooOld:
      return "webhook-timestamp is too old";
    case Verdict::kTooNew:
      return "webhook-timestamp lies in the future";
    case Verdict::kBadSignature:
      return "no v1 signature fits";
  }
  return "";
}

Verdict verify(std::span<const Secret> secrets, const Head& head, std::string_view body,
               std::int64_t now_unix_seconds, std::int64_t tolerance_seconds) {
  if (head.id.empty() || head.timestamp.empty() || head.signature.empty()) {
    return Verdict::kMissingHeader;
  }
  std::int64_t at = 0;
  const char* end = head.timestamp.data() + head.timestamp.size();
  const auto [stop, error] = std::from_chars(head.timestamp.data(), end, at);
  if (error != std::errc() || stop != end || at < 0 || head.id.find('.') != std::string::npos) {
    return Verdict::kMalformed;
  }
  if (!any_fits(secrets, head, body)) {
    return Verdict::kBadSignature;
  }
  if (at < now_unix_seconds - tolerance_seconds) {
    return Verdict::kTooOld;
  }
  return at > now_unix_seconds + tolerance_seconds ? Verdict::kTooNew : Verdict::kGood;
}

}  // namespace payonce::webhook
