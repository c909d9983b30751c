#include "adapters/mock_charges.h"

#include <fcntl.h>
#include <rapidjson/document.h>
#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>

#include "adapters/mock_methods.h"
#include "base/ids.h"

namespace payonce::adapters {
namespace {

// Words of the journal: operations, then outcomes.
constexpr std::string_view kCharge = "charge";
constexpr std::string_view kInquire = "inquire";
constexpr std::string_view kVoid = "void";
constexpr std::string_view kRefund = "refund";
constexpr std::string_view kCallback = "callback";
constexpr std::string_view kConfirmed = "confirmed";
constexpr std::string_view kDeclined = "declined";
constexpr std::string_view kAccepted = "accepted";
constexpr std::string_view kFailed = "failed";
constexpr std::string_view kDone = "done";
constexpr std::string_view kNothing = "nothing";  // done, and no money of this book moved
constexpr std::string_view kDelivered = "delivered";

constexpr const char* kUnavailable = "service unavailable";

std::string_view name(core::GatewayReply reply) {
  switch (reply) {
    case core::GatewayReply::kConfirmed:
      return kConfirmed;
    case core::GatewayReply::kDeclined:
      return kDeclined;
    case core::GatewayReply::kTemporaryFailure:
      return "temporary_failure";
    case core::GatewayReply::kNoAnswer:
      return "no_answer";
    case core::GatewayReply::kAccepted:
      return kAccepted;
    case core::GatewayReply::kRefused:
      return "refused";
  }
  return "";
}

std::string_view name(core::InquiryReply reply) {
  switch (reply) {
    case core::InquiryReply::kConfirmed:
      return kConfirmed;
    case core::InquiryReply::kDeclined:
      return kDeclined;
    case core::InquiryReply::kAccepted:
      return kAccepted;
    case core::InquiryReply::kUnknownKey:
      return kMockUnknownKey;
    case core::InquiryReply::kNoAnswer:
      return "no_answer";
  }
  return "";
}

// A number in [0, 1) that is the same for the same call: the rate holds over many payments, and a
// repeated call is answered alike.
double draw(std::string_view key, std::uint32_t attempt) {
  std::uint64_t hash = attempt;
  for (const char c : key) {
    hash = mix64(hash ^ static_cast<unsigned char>(c));
  }
  return static_cast<double>(hash >> 11) / static_cast<double>(std::uint64_t{1} << 53);
}

// What the method makes of a first charge.
core::GatewayReply decide(const core::CallGateway& call, double failure_rate) {
  const std::string_view method = call.payment_method;
  if (has(method, "pm_decline")) {
    return core::GatewayReply::kDeclined;
  }
  if (has(method, "pm_down") || call.attempt <= flaky_failures(method)) {
    return core::GatewayReply::kTemporaryFailure;
  }
  if (has(method, "pm_timeout") || has(method, "pm_timeout_lost")) {
    return core::GatewayReply::kNoAnswer;
  }
  if (has(method, "pm_manual") || has(method, "pm_async")) {
    return core::GatewayReply::kAccepted;
  }
  const bool fails =
      flaky_failures(method) == 0 && draw(call.payment_id, call.attempt) < failure_rate;
  return fails ? core::GatewayReply::kTemporaryFailure : core::GatewayReply::kConfirmed;
}

// Whether the money is taken although nobody is told.
bool takes_silently(std::string_view method) {
  return has(method, "pm_timeout") && !has(method, "pm_timeout_lost");
}

std::string detail_of(core::GatewayReply reply, const std::string& key) {
  switch (reply) {
    case core::GatewayReply::kConfirmed:
    case core::GatewayReply::kAccepted:
      return "mock_" + key;
    case core::GatewayReply::kDeclined:
      return "do_not_honor";
    case core::GatewayReply::kTemporaryFailure:
      return kUnavailable;
    case core::GatewayReply::kNoAnswer:
      return "no answer";
    case core::GatewayReply::kRefused:
      return std::string(kMockKeyReused);
  }
  return {};
}

// What an inquiry is told about a key that no book knows.
core::InquiryReply by_method(std::string_view method) {
  if (takes_silently(method)) {
    return core::InquiryReply::kConfirmed;
  }
  if (has(method, "pm_decline")) {
    return core::InquiryReply::kDeclined;
  }
  const bool lost = has(method, "pm_timeout_lost");
  return !lost && (has(method, "pm_manual") || has(method, "pm_async"))
             ? core::InquiryReply::kAccepted
             : core::InquiryReply::kUnknownKey;
}

}  // namespace

struct MockCharges::Line {
  std::string_view op;
  std::string key;
  Money amount;  // without a currency: not written
  std::uint32_t attempt = 0;
  std::string_view outcome;
  bool repeat = false;
  bool answered = true;
  std::string method;
  std::string refund_id;
};

MockCharges::~MockCharges() {
  if (journal_fd_ >= 0) {
    ::close(journal_fd_);
  }
}

Result<void> MockCharges::open(const std::string& journal) {
  keeps_ = true;
  std::ifstream before(journal);
  for (std::string line; std::getline(before, line);) {
    if (auto replayed = replay(line, journal); !replayed) {
      return replayed;
    }
  }
  journal_fd_ = ::open(journal.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
  if (journal_fd_ < 0) {
    return fail(Errc::kIo, "cannot open gateway journal " + journal + ": " + std::strerror(errno));
  }
  return {};
}

Result<void> MockCharges::replay(std::string_view text, const std::string& journal) {
  rapidjson::Document entry;
  entry.Parse(text.data(), text.size());
  const auto member = [&](const char* of) -> std::string_view {
    const auto at = entry.FindMember(of);
    return at != entry.MemberEnd() && at->value.IsString()
               ? std::string_view(at->value.GetString(), at->value.GetStringLength())
               : std::string_view();
  };
  const bool object = !entry.HasParseError() && entry.IsObject();
  Line line;
  if (object) {
    line.key = member("key");
    line.op = member("op").empty() ? kCharge : member("op");
    line.outcome = member("outcome");
    line.method = member("payment_method");
    line.refund_id = member("refund");
    const auto repeat = entry.FindMember("repeat");
    const auto attempt = entry.FindMember("attempt");
    line.attempt =
        attempt != entry.MemberEnd() && attempt->value.IsUint() ? attempt->value.GetUint() : 1;
    line.repeat = repeat != entry.MemberEnd() && repeat->value.IsBool() && repeat->value.GetBool();
  }
  bool good = object && !line.key.empty() && !line.outcome.empty();
  if (good && !member("amount").empty()) {
    const auto currency = Currency::find(member("currency"));
    const auto parsed = currency ? parse_amount(member("amount"), *currency, Zero::kAllow)
                                 : ParsedAmount{.minor = 0, .error = AmountError::kSyntax};
    good = !parsed.error;
    line.amount = good ? Money{parsed.minor, *currency} : Money{};
  }
  if (!good) {
    return fail(Errc::kCorrupt, "gateway journal " + journal + " holds a malformed line");
  }
  apply(line);
  return {};
}

// Folds one line into the book. The live calls go through here too, so that a restart changes
// nothing.
void MockCharges::apply(const Line& line) {
  if (line.op == kInquire) {
    return;
  }
  Charge& charge = book_[line.key];
  if (line.op == kCallback) {
    charge.told = true;
    return;
  }
  if (line.op == kCharge) {
    if (line.outcome == name(core::GatewayReply::kRefused)) {
      return;
    }
    charge.calls += line.attempt > 0 ? 1 : 0;
    charge.amount = line.amount;
    charge.method = line.method;
    charge.taken = charge.taken || line.outcome == kConfirmed;
    charge.accepted = charge.accepted || line.outcome == kAccepted;
    return;
  }
  if (line.outcome == kFailed || line.outcome == kDeclined || line.repeat) {
    return;
  }
  if (line.outcome != kNothing) {
    charge.returned_minor += line.amount.minor;
  }
  if (line.refund_id.empty()) {
    charge.undone = true;
  } else {
    refunds_.insert(line.refund_id);
    charge.undone = charge.taken && charge.returned_minor >= charge.amount.minor;
  }
}

core::RecordGatewayReply MockCharges::charge(const core::CallGateway& call) {
  core::RecordGatewayReply result{.payment_id = call.payment_id,
                                  .attempt = call.attempt,
                                  .reply = core::GatewayReply::kConfirmed,
                                  .detail = {}};
  if (keeps_) {
    const std::lock_guard lock(mutex_);
    result.reply = charge_in_book(call, result.detail);
  } else {
    result.reply = decide(call, failure_rate_);
    result.detail = detail_of(result.reply, call.payment_id);
  }
  return result;
}

core::GatewayReply MockCharges::charge_in_book(const core::CallGateway& call, std::string& detail) {
  const auto known = book_.find(call.payment_id);
  const Charge before = known == book_.end() ? Charge{} : known->second;
  core::CallGateway counted = call;
  counted.attempt = call.attempt == 0 ? before.calls + 1 : call.attempt;
  core::GatewayReply reply = decide(counted, failure_rate_);
  const bool silent = takes_silently(call.payment_method) && reply == core::GatewayReply::kNoAnswer;
  // Lines of older journals have no method.
  const bool other = before.calls > 0 && !before.undone &&
                     (before.amount != call.amount ||
                      (!before.method.empty() && before.method != call.payment_method));
  if (other) {
    reply = core::GatewayReply::kRefused;
  } else if (before.undone) {
    reply = core::GatewayReply::kDeclined;
  } else if (before.taken && !silent) {
    reply = core::GatewayReply::kConfirmed;
  }
  detail = before.undone ? std::string(before.returned_minor > 0 ? kMockRefunded : kMockVoided)
                         : detail_of(reply, call.payment_id);
  const bool took = !other && !before.undone && (reply == core::GatewayReply::kConfirmed || silent);
  const Line line{.op = kCharge,
                  .key = call.payment_id,
                  .amount = call.amount,
                  .attempt = counted.attempt,
                  .outcome = took ? kConfirmed : name(reply),
                  .repeat = took && before.taken,
                  .answered = reply != core::GatewayReply::kNoAnswer,
                  .method = call.payment_method,
                  .refund_id = {}};
  apply(line);
  write(line);
  return reply;
}

core::RecordInquiryReply MockCharges::inquire(const core::InquireGateway& call) {
  core::RecordInquiryReply result{.payment_id = call.payment_id,
                                  .inquiry = call.inquiry,
                                  .reply = by_method(call.payment_method),
                                  .detail = {}};
  const std::lock_guard lock(mutex_);
  const auto known = book_.find(call.payment_id);
  if (known != book_.end()) {
    const Charge& charge = known->second;
    if (charge.undone) {
      result.reply = core::InquiryReply::kDeclined;
      result.detail = charge.returned_minor > 0 ? kMockRefunded : kMockVoided;
    } else if (charge.taken) {
      result.reply = core::InquiryReply::kConfirmed;
    } else if (charge.accepted) {
      result.reply = core::InquiryReply::kAccepted;
    }
  }
  if (result.detail.empty()) {
    switch (result.reply) {
      case core::InquiryReply::kConfirmed:
      case core::InquiryReply::kAccepted:
        result.detail = "mock_" + call.payment_id;
        break;
      case core::InquiryReply::kDeclined:
        result.detail = "do_not_honor";
        break;
      case core::InquiryReply::kUnknownKey:
      case core::InquiryReply::kNoAnswer:
        result.detail = kMockUnknownKey;
        break;
    }
  }
  write({.op = kInquire,
         .key = call.payment_id,
         .amount = {},
         .attempt = call.inquiry,
         .outcome = name(result.reply),
         .repeat = false,
         .answered = true,
         .method = {},
         .refund_id = {}});
  return result;
}

core::RecordUndoReply MockCharges::undo(const core::UndoAtGateway& call) {
  const bool voids = call.kind != core::CompensationKind::kRefundCharge;
  const bool fails = has(call.payment_method, "pm_void_fail");
  core::RecordUndoReply result{.payment_id = call.payment_id,
                               .call = call.call,
                               .reply = fails ? core::UndoReply::kFailed : core::UndoReply::kDone,
                               .detail = fails ? kUnavailable : ""};
  if (!keeps_) {
    return result;
  }
  const std::lock_guard lock(mutex_);
  const auto known = book_.find(call.payment_id);
  const Charge before = known == book_.end() ? Charge{} : known->second;
  const std::int64_t left =
      before.taken && !before.undone ? before.amount.minor - before.returned_minor : 0;
  const std::string_view done = before.taken ? kDone : kNothing;
  if (!fails) {
    result.detail = before.calls == 0 ? kMockUnknownKey : (voids ? kMockVoided : kMockRefunded);
  }
  const Line line{.op = voids ? kVoid : kRefund,
                  .key = call.payment_id,
                  .amount = {left, call.amount.currency},
                  .attempt = call.call,
                  .outcome = fails ? kFailed : done,
                  .repeat = !fails && before.undone,
                  .answered = true,
                  .method = {},
                  .refund_id = {}};
  apply(line);
  write(line);
  return result;
}

core::RecordRefundReply MockCharges::refund(const core::RefundAtGateway& call) {
  core::RecordRefundReply result{.refund_id = call.refund_id,
                                 .call = call.call,
                                 .reply = core::RefundReply::kConfirmed,
                                 .detail = "mock_" + call.refund_id};
  if (keeps_) {
    const std::lock_guard lock(mutex_);
    result.reply = refund_in_book(call, result.detail);
  } else if (has(call.payment_method, "pm_void_fail")) {
    result.reply = core::RefundReply::kFailed;
    result.detail = kUnavailable;
  }
  return result;
}

core::RefundReply MockCharges::refund_in_book(const core::RefundAtGateway& call,
                                              std::string& detail) {
  const auto known = book_.find(call.payment_id);
  const Charge before = known == book_.end() ? Charge{} : known->second;
  const bool repeat = refunds_.contains(call.refund_id);
  // What was only accepted may have been taken by somebody who is not in this book.
  const bool open = (before.taken || before.accepted) && !before.undone;
  const bool too_large =
      before.taken && before.amount.minor - before.returned_minor < call.amount.minor;
  core::RefundReply reply = core::RefundReply::kDeclined;
  std::string_view outcome = kDeclined;
  if (has(call.payment_method, "pm_void_fail")) {
    reply = core::RefundReply::kFailed;
    outcome = kFailed;
    detail = kUnavailable;
  } else if (repeat || (open && !too_large)) {
    reply = core::RefundReply::kConfirmed;
    outcome = before.taken ? kDone : kNothing;
  } else if (before.undone) {
    detail = "already_refunded";
  } else if (too_large) {
    detail = "refund_too_large";
  } else {
    detail = before.calls == 0 ? kMockUnknownKey : "nothing_to_refund";
  }
  const Line line{.op = kRefund,
                  .key = call.payment_id,
                  .amount = call.amount,
                  .attempt = call.call,
                  .outcome = outcome,
                  .repeat = repeat,
                  .answered = true,
                  .method = {},
                  .refund_id = call.refund_id};
  if (known != book_.end()) {
    apply(line);
  }
  write(line);
  return reply;
}

bool MockCharges::capture(const std::string& key) {
  const std::lock_guard lock(mutex_);
  const auto known = book_.find(key);
  if (known == book_.end()) {
    return true;
  }
  if (known->second.undone) {
    return false;
  }
  const Line line{.op = kCharge,
                  .key = key,
                  .amount = known->second.amount,
                  .attempt = 0,  // no call: the gateway has made up its mind
                  .outcome = kConfirmed,
                  .repeat = known->second.taken,
                  .answered = true,
                  .method = known->second.method,
                  .refund_id = {}};
  apply(line);
  write(line);
  return true;
}

void MockCharges::mark_told(const std::string& key) {
  const std::lock_guard lock(mutex_);
  const Line line{.op = kCallback,
                  .key = key,
                  .amount = {},
                  .attempt = 0,
                  .outcome = kDelivered,
                  .repeat = false,
                  .answered = true,
                  .method = {},
                  .refund_id = {}};
  apply(line);
  write(line);
}

std::optional<MockCharges::Charge> MockCharges::find(const std::string& key) const {
  const std::lock_guard lock(mutex_);
  const auto known = book_.find(key);
  return known == book_.end() ? std::nullopt : std::optional(known->second);
}

std::vector<std::string> MockCharges::untold() const {
  std::vector<std::string> keys;
  const std::lock_guard lock(mutex_);
  for (const auto& [key, charge] : book_) {
    if (charge.accepted && !charge.undone && !charge.told && has(charge.method, "pm_async")) {
      keys.push_back(key);
    }
  }
  return keys;
}

void MockCharges::write(const Line& line) {
  if (journal_fd_ < 0) {
    return;
  }
  rapidjson::StringBuffer buffer;
  rapidjson::Writer<rapidjson::StringBuffer> json(buffer);
  const auto text = [&](std::string_view value) {
    json.String(value.data(), static_cast<rapidjson::SizeType>(value.size()));
  };
  const auto member = [&](std::string_view of, std::string_view value) {
    text(of);
    text(value);
  };
  json.StartObject();
  member("key", line.key);
  if (!line.amount.currency.empty()) {
    member("amount", format_amount(line.amount.minor, line.amount.currency));
    member("currency", line.amount.currency.code());
  }
  text("attempt");
  json.Uint(line.attempt);
  member("outcome", line.outcome);
  text("repeat");
  json.Bool(line.repeat);
  member("op", line.op);
  if (!line.method.empty()) {
    member("payment_method", line.method);
  }
  if (!line.refund_id.empty()) {
    member("refund", line.refund_id);
  }
  if (!line.answered) {
    text("answered");
    json.Bool(false);
  }
  json.EndObject();
  const std::string out = std::string(buffer.GetString(), buffer.GetSize()) + '\n';
  // One write of one line: O_APPEND keeps it whole, and it survives the death of this process.
  if (::write(journal_fd_, out.data(), out.size()) != static_cast<ssize_t>(out.size())) {
    std::fprintf(stderr, "payonce: the gateway journal cannot be written: %s\n",
                 std::strerror(errno));
  }
}

}  // namespace payonce::adapters
