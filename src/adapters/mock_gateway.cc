#include "adapters/mock_gateway.h"

#include <fcntl.h>
#include <rapidjson/document.h>
#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <fstream>
#include <string_view>

#include "base/ids.h"

namespace payonce::adapters {
namespace {

constexpr std::string_view kFlaky = "pm_flaky_";

std::string_view name(core::GatewayReply reply) {
  switch (reply) {
    case core::GatewayReply::kConfirmed:
      return "confirmed";
    case core::GatewayReply::kDeclined:
      return "declined";
    case core::GatewayReply::kTemporaryFailure:
      return "temporary_failure";
  }
  return "";
}

// A number in [0, 1) that is the same for the same call: the rate holds over many payments, and a
// repeated call is answered alike.
double draw(const core::CallGateway& call) {
  std::uint64_t hash = call.attempt;
  for (const char c : call.payment_id) {
    hash = mix64(hash ^ static_cast<unsigned char>(c));
  }
  return static_cast<double>(hash >> 11) / static_cast<double>(std::uint64_t{1} << 53);
}

}  // namespace

MockGateway::MockGateway(Options options) : options_(std::move(options)) {}

MockGateway::~MockGateway() {
  if (journal_fd_ >= 0) {
    ::close(journal_fd_);
  }
}

Result<void> MockGateway::open() {
  if (options_.journal.empty()) {
    return {};
  }
  std::ifstream before(options_.journal);
  for (std::string line; std::getline(before, line);) {
    rapidjson::Document entry;
    entry.Parse(line.data(), line.size());
    if (entry.HasParseError() || !entry.IsObject() || !entry.HasMember("key") ||
        !entry["key"].IsString() || !entry.HasMember("outcome") || !entry["outcome"].IsString()) {
      return fail(Errc::kCorrupt,
                  "gateway journal " + options_.journal + " holds a malformed line");
    }
    if (std::string_view(entry["outcome"].GetString()) == name(core::GatewayReply::kConfirmed)) {
      taken_.insert(entry["key"].GetString());
    }
  }
  journal_fd_ = ::open(options_.journal.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
  if (journal_fd_ < 0) {
    return fail(Errc::kIo,
                "cannot open gateway journal " + options_.journal + ": " + std::strerror(errno));
  }
  return {};
}

core::RecordGatewayReply MockGateway::charge(const core::CallGateway& call) {
  if (options_.latency.count() > 0) {
    std::unique_lock lock(mutex_);
    stopped_.wait_for(lock, options_.latency, [&] { return stopping_; });
  }
  const core::GatewayReply reply = verdict(call);
  if (journal_fd_ >= 0) {
    write_journal(call, reply);
  }
  core::RecordGatewayReply result{
      .payment_id = call.payment_id, .attempt = call.attempt, .reply = reply, .detail = {}};
  switch (reply) {
    case core::GatewayReply::kConfirmed:
      result.detail = "mock_" + call.payment_id;
      break;
    case core::GatewayReply::kDeclined:
      result.detail = "do_not_honor";
      break;
    case core::GatewayReply::kTemporaryFailure:
      result.detail = "service unavailable";
      break;
  }
  return result;
}

core::GatewayReply MockGateway::verdict(const core::CallGateway& call) const {
  const std::string_view method = call.payment_method;
  if (method == "pm_decline") {
    return core::GatewayReply::kDeclined;
  }
  if (method == "pm_down") {
    return core::GatewayReply::kTemporaryFailure;
  }
  if (method.starts_with(kFlaky)) {
    const std::string_view digits = method.substr(kFlaky.size());
    std::uint32_t failures = 0;
    const auto [end, error] =
        std::from_chars(digits.data(), digits.data() + digits.size(), failures);
    if (error == std::errc() && end == digits.data() + digits.size()) {
      return call.attempt <= failures ? core::GatewayReply::kTemporaryFailure
                                      : core::GatewayReply::kConfirmed;
    }
  }
  return draw(call) < options_.failure_rate ? core::GatewayReply::kTemporaryFailure
                                            : core::GatewayReply::kConfirmed;
}

void MockGateway::write_journal(const core::CallGateway& call, core::GatewayReply reply) {
  const std::lock_guard lock(mutex_);
  const bool confirmed = reply == core::GatewayReply::kConfirmed;
  const bool repeat = confirmed && !taken_.insert(call.payment_id).second;
  rapidjson::StringBuffer buffer;
  rapidjson::Writer<rapidjson::StringBuffer> json(buffer);
  const auto text = [&](std::string_view value) {
    json.String(value.data(), static_cast<rapidjson::SizeType>(value.size()));
  };
  json.StartObject();
  text("key");
  text(call.payment_id);
  text("amount");
  text(format_amount(call.amount.minor, call.amount.currency));
  text("currency");
  text(call.amount.currency.code());
  text("attempt");
  json.Uint(call.attempt);
  text("outcome");
  text(name(reply));
  text("repeat");
  json.Bool(repeat);
  json.EndObject();
  const std::string line = std::string(buffer.GetString(), buffer.GetSize()) + '\n';
  // One write of one line: O_APPEND keeps it whole, and it survives the death of this process.
  const ssize_t written = ::write(journal_fd_, line.data(), line.size());
  if (written != static_cast<ssize_t>(line.size())) {
    std::fprintf(stderr, "payonce: the gateway journal cannot be written: %s\n",
                 std::strerror(errno));
  }
}

void MockGateway::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  stopped_.notify_all();
}

}  // namespace payonce::adapters
