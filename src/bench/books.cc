#include "bench/books.h"

#include <rapidjson/document.h>

#include <chrono>
#include <optional>
#include <thread>
#include <utility>

#include "base/money.h"
#include "bench/requests.h"

namespace payonce::bench {
namespace {

constexpr std::int64_t kLimitNs = 60 * kNsPerS;
constexpr auto kSettlePoll = std::chrono::milliseconds(20);

std::string text_member(const rapidjson::Value& object, const char* name) {
  const auto member = object.FindMember(name);
  return member != object.MemberEnd() && member->value.IsString() ? member->value.GetString()
                                                                  : std::string();
}

Judgement status_is(const Response& response, int right) {
  if (response.status == 503 && response.retry_after) {
    return {Outcome::kShed, nullptr};
  }
  return {response.status == right ? Outcome::kOk : Outcome::kWrong, nullptr};
}

class OpenAccounts final : public Work {
 public:
  OpenAccounts(const std::string& host, const std::string& prefix)
      : host_(&host), prefix_(&prefix) {}

  Ticket write(std::uint64_t sequence, std::string& out) override {
    std::string body = R"({"id":")" + *prefix_ + std::to_string(sequence);
    body.append(R"(","opening_balance":")").append(kOpeningBalance).append("\"}");
    append_post(out, *host_, "/v1/accounts", {}, body);
    return {.subject = sequence};
  }
  Judgement judge(const Ticket& /*ticket*/, const Response& response) override {
    return status_is(response, 201);
  }
  void lost(const Ticket& /*ticket*/) override {}

 private:
  const std::string* host_;
  const std::string* prefix_;
};

class ReadAccounts final : public Work {
 public:
  ReadAccounts(const std::string& host, const std::string& prefix)
      : host_(&host), prefix_(&prefix) {}

  Ticket write(std::uint64_t sequence, std::string& out) override {
    append_get(out, *host_, "/v1/accounts/" + *prefix_ + std::to_string(sequence));
    return {.subject = sequence};
  }
  Judgement judge(const Ticket& ticket, const Response& response) override {
    Judgement judgement = status_is(response, 200);
    if (judgement.outcome == Outcome::kOk && !add(ticket, response.body)) {
      judgement = {Outcome::kWrong, "an amount is not whole payments"};
    }
    return judgement;
  }
  void lost(const Ticket& /*ticket*/) override {}

  Books::Money sum;
  std::string first_created_at;

 private:
  bool add(const Ticket& ticket, const std::string& body) {
    rapidjson::Document account;
    account.Parse(body.data(), body.size());
    if (!account.IsObject()) {
      return false;
    }
    const auto currency = Currency::find(text_member(account, "currency"));
    if (!currency) {
      return false;
    }
    std::int64_t unit = 1;
    for (int digit = 0; digit < currency->digits(); ++digit) {
      unit *= 10;
    }
    const auto available = parse_amount(text_member(account, "available"), *currency, Zero::kAllow);
    const auto held = parse_amount(text_member(account, "held"), *currency, Zero::kAllow);
    if (available.error || held.error || available.minor % unit != 0 || held.minor % unit != 0) {
      return false;
    }
    sum.taken += kOpeningUnits - available.minor / unit;
    sum.held += held.minor / unit;
    if (ticket.subject == 0) {
      first_created_at = text_member(account, "created_at");
    }
    return true;
  }

  const std::string* host_;
  const std::string* prefix_;
};

class GetOnce final : public Work {
 public:
  GetOnce(const std::string& host, const std::string& path) : host_(&host), path_(&path) {}

  Ticket write(std::uint64_t /*sequence*/, std::string& out) override {
    append_get(out, *host_, *path_);
    return {};
  }
  Judgement judge(const Ticket& /*ticket*/, const Response& response) override {
    body = response.body;
    return status_is(response, 200);
  }
  void lost(const Ticket& /*ticket*/) override {}

  std::string body;

 private:
  const std::string* host_;
  const std::string* path_;
};

}  // namespace

Books::Books(Generator& generator, std::string host, std::string accounts_prefix,
             std::uint64_t accounts)
    : generator_(&generator),
      host_(std::move(host)),
      prefix_(std::move(accounts_prefix)),
      accounts_(accounts) {}

Result<void> Books::run_all(Work& work, std::uint64_t count, const char* what) {
  const std::int64_t start_ns = monotonic_ns();
  Recorder recorder(start_ns, start_ns, nullptr);
  const auto ran =
      generator_->run(work, {.rate = 0, .count = count, .limit_ns = kLimitNs}, start_ns, recorder);
  if (!ran) {
    return std::unexpected(ran.error());
  }
  const Counts& counts = recorder.measured();
  if (counts.of(Outcome::kWrong) > 0) {
    return fail(Errc::kInvalid, std::string(what) + " was answered " + recorder.first_wrong());
  }
  if (counts.of(Outcome::kOk) != count) {
    return fail(Errc::kIo, std::string(what) + ": " + std::to_string(counts.of(Outcome::kOk)) +
                               " of " + std::to_string(count) + " requests were answered");
  }
  return {};
}

Result<void> Books::open_accounts() {
  OpenAccounts opening(host_, prefix_);
  if (auto opened = run_all(opening, accounts_, "POST /v1/accounts"); !opened) {
    return opened;
  }
  ReadAccounts reading(host_, prefix_);
  auto read = run_all(reading, 1, "GET /v1/accounts/{id}");
  opened_at_ = reading.first_created_at;
  return read;
}

Result<Books::Money> Books::money() {
  ReadAccounts reading(host_, prefix_);
  if (const auto read = run_all(reading, accounts_, "GET /v1/accounts/{id}"); !read) {
    return std::unexpected(read.error());
  }
  return reading.sum;
}

Result<std::string> Books::get(const std::string& path) {
  GetOnce getting(host_, path);
  if (const auto got = run_all(getting, 1, ("GET " + path).c_str()); !got) {
    return std::unexpected(got.error());
  }
  return std::move(getting.body);
}

Result<std::uint64_t> Books::open_payments() {
  const auto body = get("/v1/reports/payments?created_after=" + opened_at_);
  if (!body) {
    return std::unexpected(body.error());
  }
  rapidjson::Document report;
  report.Parse(body->data(), body->size());
  if (report.IsObject() && report.HasMember("by_status")) {
    const rapidjson::Value& by_status = report["by_status"];
    if (by_status.IsObject() && by_status.HasMember("pending") && by_status["pending"].IsUint64() &&
        by_status.HasMember("processing") && by_status["processing"].IsUint64()) {
      return by_status["pending"].GetUint64() + by_status["processing"].GetUint64();
    }
  }
  return fail(Errc::kInvalid, "GET /v1/reports/payments was answered " + *body);
}

Result<std::uint64_t> Books::settle(std::int64_t limit_ns) {
  const std::int64_t deadline_ns = monotonic_ns() + limit_ns;
  while (true) {
    auto open = open_payments();
    // A server that has no answer yet may still be busy with what it took, or starting again.
    const bool waiting = open ? *open > 0 : open.error().code == Errc::kIo;
    if (!waiting || monotonic_ns() > deadline_ns) {
      return open;
    }
    std::this_thread::sleep_for(kSettlePoll);
  }
}

Result<bool> Books::balanced() {
  const auto body = get("/v1/ledger");
  if (!body) {
    return std::unexpected(body.error());
  }
  rapidjson::Document ledger;
  ledger.Parse(body->data(), body->size());
  return ledger.IsObject() && ledger.HasMember("balanced") && ledger["balanced"].IsBool() &&
         ledger["balanced"].GetBool();
}

}  // namespace payonce::bench
