// Header fields and other short texts that come from outside. Each is read from the whole input.
//
// - Idempotency-Key: a key is 1 to 255 visible characters; quoted or bare it is the same key.
// - Prefer: a wait is never negative, and the same in one header line or in several.
// - Standard Webhooks: what is signed verifies; with another body, id, time or secret it does not.
// - Times, amounts, cursors, ids and names of tasks: what is read is written as what was read.
// - Answers to our own client (payonce bench): the same however they are cut into reads.
#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.h"
#include "base/money.h"
#include "base/time.h"
#include "bench/response.h"
#include "core/index_keys.h"
#include "fuzz/fuzz.h"
#include "http/digest.h"
#include "http/headers.h"
#include "http/paging.h"
#include "webhook/standard_webhooks.h"

namespace payonce {
namespace {

using fuzz::require;

void check_key(std::string_view text) {
  const auto key = http::parse_idempotency_key(text);
  if (!key) {
    require(!key.error().message.empty(), "a refused key has a reason", text);
    return;
  }
  require(!key->empty() && key->size() <= http::kIdempotencyKeyMax, "a key is 1 to 255 long", *key);
  require(std::ranges::all_of(*key, [](char c) { return c > ' ' && c <= '~'; }), "a key is visible",
          *key);
  std::string quoted = "\"";
  for (const char c : *key) {
    quoted.append(c == '"' || c == '\\' ? "\\" : "").append(1, c);
  }
  quoted += '"';
  require(http::parse_idempotency_key(quoted).value_or("") == *key, "quoted it is the same key",
          quoted);
  if (!key->starts_with('"')) {
    require(http::parse_idempotency_key(*key).value_or("") == *key, "bare it is the same key",
            *key);
  }
}

void check_wait(std::string_view text) {
  std::vector<std::string_view> lines;
  for (std::string_view rest = text; !rest.empty();) {
    lines.push_back(fuzz::take_until(rest, "\n"));
  }
  const auto wait = http::parse_wait(lines);
  require(!wait || wait->count() >= 0, "no wait is negative", text);
  // RFC 9110 section 5.3: several lines of a field are one, with commas between them.
  std::string joined;
  for (const std::string_view line : lines) {
    joined.append(joined.empty() ? "" : ",").append(line);
  }
  const std::string_view one = joined;
  require(http::parse_wait({&one, 1}) == wait, "one line or several are the same", joined);
}

void check_names(std::string_view text) {
  require(!http::valid_request_id(text) || valid_id(text), "a request id is an id", text);
  if (http::is_json(text)) {
    require(http::is_json(std::string(text) + ";charset=utf-8"), "parameters do not matter", text);
  }
  if (const auto task = core::parse_task(text)) {
    using Kind = core::TaskName::Kind;
    const std::string_view id = task->workflow_id;
    const std::string name = task->kind == Kind::kCompensation ? core::compensation_task(id)
                             : task->kind == Kind::kRefund     ? core::refund_task(id)
                                                           : core::notify_task(task->channel, id);
    require(name == text, "a task's name is written as it is read", name);
  }
}

void check_time(std::string_view text) {
  const auto time = parse_rfc3339(text);
  if (!time) {
    return;
  }
  require(*time >= kTimestampMin && *time <= kTimestampMax, "a time can be written", text);
  const std::string written = format_rfc3339(*time);
  require(parse_rfc3339(written) == time, "a time is written as it is read", written);
}

void check_amount(std::string_view text) {
  for (const char* code : {"JPY", "USD", "BHD", "CLF"}) {
    const Currency currency = *Currency::find(code);
    const ParsedAmount parsed = parse_amount(text, currency);
    if (parsed.error) {
      require(!describe(*parsed.error).empty(), "a refused amount has a reason", text);
      continue;
    }
    require(parsed.minor > 0, "an amount is positive", text);
    const std::string written = format_amount(parsed.minor, currency);
    const ParsedAmount again = parse_amount(written, currency);
    require(!again.error && again.minor == parsed.minor, "an amount is written as it is read",
            written);
  }
  if (const auto currency = Currency::find(text)) {
    require(currency->code() == text && currency->digits() <= 4, "a currency is its code", text);
  }
}

void check_query(std::string_view text) {
  http::Call call;
  call.query = {{"cursor", text}, {"limit", text}, {"after", text}, {text, "x"}};
  http::Query query(call, {"after"});
  const std::size_t limit = query.limit();
  require(limit >= 1 && limit <= http::kPageMax, "a limit is 1 to 100", text);
  const std::string cursor = query.cursor(core::kPositionSize);
  require(cursor.empty() || http::encode_cursor(cursor) == text,
          "a cursor is written as it is read", text);
  static_cast<void>(query.cursor_text());
  static_cast<void>(query.time("after"));
  if (query.problem()) {
    const std::string body = http::render(*query.problem(), "/v1/payments");
    require(body.starts_with('{') && body.ends_with('}'), "a problem is rendered", body);
  }
}

void check_webhook(std::string_view text) {
  constexpr std::int64_t kNow = 1'800'000'000;
  constexpr std::int64_t kTolerance = 300;
  static const std::array kSecrets{
      webhook::Secret::parse("whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX").value(),
      webhook::Secret::parse("whsec_/////////////////////////////////w==")
          .value_or(webhook::Secret::parse("whsec_ERERERERERERERERERERERERERERERER").value())};
  std::string_view rest = text;
  webhook::Head head;
  head.id = fuzz::take_until(rest, "\n");
  head.timestamp = fuzz::take_until(rest, "\n");
  head.signature = fuzz::take_until(rest, "\n");
  // Who does not know the secret cannot sign: no input has a good signature.
  require(webhook::verify(kSecrets, head, rest, kNow, kTolerance) != webhook::Verdict::kGood,
          "nobody guesses a signature", text);

  if (head.id.empty() || head.id.find('.') != std::string::npos) {
    return;
  }
  head.timestamp = std::to_string(kNow);
  head.signature.append(head.signature.empty() ? "" : " ");
  head.signature += webhook::sign({&kSecrets[0], 1}, head.id, kNow, rest);
  using webhook::Verdict;
  require(webhook::verify(kSecrets, head, rest, kNow, kTolerance) == Verdict::kGood,
          "what is signed verifies, whatever stands beside the signature", head.signature);
  require(
      webhook::verify(kSecrets, head, rest, kNow + kTolerance + 1, kTolerance) == Verdict::kTooOld,
      "an old signature is refused");
  require(
      webhook::verify(kSecrets, head, rest, kNow - kTolerance - 1, kTolerance) == Verdict::kTooNew,
      "a signature of the future is refused");
  require(
      webhook::verify({&kSecrets[1], 1}, head, rest, kNow, kTolerance) == Verdict::kBadSignature,
      "another secret does not fit");
  require(webhook::verify(kSecrets, head, std::string(rest) + " ", kNow, kTolerance) ==
              Verdict::kBadSignature,
          "another body does not fit");
  head.id += "x";
  require(webhook::verify(kSecrets, head, rest, kNow, kTolerance) == Verdict::kBadSignature,
          "another id does not fit");
}

void check_secret(std::string_view text) {
  const auto secret = webhook::Secret::parse(text);
  if (!secret) {
    const char* other = text.starts_with("whsec_") ? "whsec_" : "";
    require(secret.error().message == webhook::Secret::parse(other).error().message,
            "a refusal says nothing about the text", secret.error().message);
    return;
  }
  require(secret->key().size() >= 24 && secret->key().size() <= 64, "a secret is 24 to 64 bytes",
          text);
}

// No two lists of parts have one digest, wherever the text is cut.
void check_digest(std::string_view text) {
  const std::size_t middle = text.size() / 2;
  const std::string cut = http::sha256_of({text.substr(0, middle), text.substr(middle)});
  const std::string whole = http::sha256_of({text, ""});
  require(cut.size() == 32, "a digest is 32 bytes");
  require((cut == whole) == (middle == text.size()), "where a text is cut matters", text);
}

void check_response(std::string_view text) {
  using State = bench::ResponseParser::State;
  const std::size_t first =
      text.empty() ? 0 : static_cast<unsigned char>(text.back()) % text.size();
  bench::ResponseParser whole;
  bench::ResponseParser cut;
  const State state = whole.feed(text);
  if (state == State::kMore) {
    static_cast<void>(whole.feed({}));  // the connection has ended
  }
  if (first == 0) {
    return;
  }
  State other = cut.feed(text.substr(0, first));
  if (other == State::kMore) {
    other = cut.feed(text.substr(first));
  } else {
    // An answer that has ended takes no more bytes; one that is broken stays so.
    other = State::kBroken;
  }
  require(other == state, "an answer is the same however it is cut", text);
  if (state == State::kDone) {
    const bench::Response& a = whole.response();
    const bench::Response& b = cut.response();
    require(a.status == b.status && a.body == b.body && a.keep_alive == b.keep_alive &&
                a.replayed == b.replayed && a.retry_after_s == b.retry_after_s,
            "an answer is the same however it is cut", text);
    require(a.retry_after_s >= 0, "nobody waits for less than nothing", text);
  }
}

void headers(std::string_view text) {
  check_key(text);
  check_wait(text);
  check_names(text);
  check_time(text);
  check_amount(text);
  check_query(text);
  check_webhook(text);
  check_secret(text);
  check_digest(text);
  check_response(text);
}

}  // namespace
}  // namespace payonce

PAYONCE_FUZZ_TARGET(payonce::headers)
