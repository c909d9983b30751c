#include "bench/payments.h"

#include <algorithm>
#include <functional>
#include <utility>

#include "bench/requests.h"

namespace payonce::bench {
namespace {

constexpr std::uint64_t kRepeatEvery = 10;
constexpr std::uint64_t kMixedKinds = 5;

constexpr int kOk = 200;
constexpr int kCreated = 201;
constexpr int kAccepted = 202;
constexpr int kUnavailable = 503;

bool keyed(Scenario scenario) {
  return scenario == Scenario::kDuplicates || scenario == Scenario::kHotKey;
}

}  // namespace

Payments::Payments(Scenario scenario, Names names, std::uint64_t accounts)
    : scenario_(scenario),
      names_(std::move(names)),
      accounts_(std::max<std::uint64_t>(1, accounts)),
      keyed_(keyed(scenario)) {}

std::uint64_t Payments::payment_of(std::uint64_t sequence) const {
  if (scenario_ == Scenario::kHotKey) {
    return 0;
  }
  if (scenario_ == Scenario::kDuplicates) {
    // Of ten requests nine are new, and the last one is the ninth again.
    const std::uint64_t within = std::min(sequence % kRepeatEvery, kRepeatEvery - 2);
    return sequence / kRepeatEvery * (kRepeatEvery - 1) + within;
  }
  return sequence;
}

std::string Payments::account_of(std::uint64_t payment) const {
  return names_.accounts + std::to_string(payment % accounts_);
}

std::uint8_t& Payments::fate_of(std::uint64_t payment) {
  if (payment >= fates_.size()) {
    fates_.resize(payment + 1);
  }
  return fates_[payment];
}

std::uint64_t Payments::uncertain() const {
  return static_cast<std::uint64_t>(
      std::count(fates_.begin(), fates_.end(), static_cast<std::uint8_t>(kLostBit)));
}

Ticket Payments::write(std::uint64_t sequence, std::string& out) {
  return scenario_ == Scenario::kMixed ? write_mixed(sequence, out)
                                       : write_create(payment_of(sequence), out);
}

Ticket Payments::write_create(std::uint64_t payment, std::string& out) {
  const std::string id = names_.step + std::to_string(payment);
  std::string body = "{";
  std::string headers;
  if (keyed_) {
    // The key alone says that it is the same payment; the server makes the id.
    headers.append("Idempotency-Key: \"").append(id).append("\"\r\n");
  } else {
    body.append(R"("id":")").append(id).append(R"(",)");
  }
  if (scenario_ == Scenario::kComplete) {
    headers.append("Prefer: wait=10\r\n");
  }
  body.append(R"("user_id":")").append(account_of(payment)).append(R"(","amount":")");
  body.append(kAmount).append(R"(","payment_method":"pm_ok"})");
  append_post(out, names_.host, "/v1/payments", headers, body);
  return {.subject = payment, .kind = kCreate};
}

Ticket Payments::write_mixed(std::uint64_t sequence, std::string& out) {
  const std::uint64_t kind = sequence % kMixedKinds;
  if (kind == 0 || !has_newest_) {
    return write_create(created_++, out);
  }
  const std::string payment = "/v1/payments/" + names_.step + std::to_string(newest_);
  if (kind == 1) {
    append_get(out, names_.host, payment);
  } else if (kind == 2) {
    append_get(out, names_.host, payment + "/events");
  } else if (kind == 3) {
    append_get(out, names_.host, "/v1/accounts/" + account_of(newest_));
  } else {
    append_get(out, names_.host, "/v1/payments?limit=10");
  }
  return {.subject = newest_, .kind = kRead};
}

Judgement Payments::judge(const Ticket& ticket, const Response& response) {
  if (response.status == kUnavailable) {
    return response.retry_after ? Judgement{Outcome::kShed, nullptr}
                                : Judgement{Outcome::kWrong, "no Retry-After"};
  }
  if (ticket.kind == kRead) {
    return {response.status == kOk ? Outcome::kOk : Outcome::kWrong, nullptr};
  }
  return judge_create(ticket.subject, response);
}

Judgement Payments::judge_create(std::uint64_t payment, const Response& response) {
  if (response.status != kCreated && response.status != kAccepted) {
    return {Outcome::kWrong, nullptr};
  }
  std::uint8_t& fate = fate_of(payment);
  const bool again = (fate & kAcceptedBit) != 0;
  if (!again) {
    fate |= kAcceptedBit;
    ++accepted_;
  }
  if (scenario_ == Scenario::kMixed) {
    newest_ = payment;
    has_newest_ = true;
  }
  if (scenario_ == Scenario::kComplete &&
      (response.status != kCreated ||
       response.body.find(R"("status":"success")") == std::string::npos)) {
    return {Outcome::kWrong, "the payment has not ended in success"};
  }
  if (keyed_ && !repeats_first(payment, response)) {
    return {Outcome::kWrong, "not the first answer again"};
  }
  return {Outcome::kOk, nullptr};
}

// Whether the answer is the one that was given first, status and body.
bool Payments::repeats_first(std::uint64_t payment, const Response& response) {
  const bool repeated =
      scenario_ == Scenario::kHotKey || payment % (kRepeatEvery - 1) == kRepeatEvery - 2;
  if (!repeated) {
    return !response.replayed;
  }
  const FirstAnswer answer{response.status, std::hash<std::string>{}(response.body)};
  const auto [first, fresh] = first_answers_.try_emplace(payment, answer);
  if (fresh) {
    return true;
  }
  const bool same =
      first->second.status == answer.status && first->second.body_hash == answer.body_hash;
  if (scenario_ != Scenario::kHotKey) {
    first_answers_.erase(first);  // it is asked for twice, not more often
  }
  return same;
}

void Payments::lost(const Ticket& ticket) {
  if (ticket.kind == kCreate) {
    fate_of(ticket.subject) |= kLostBit;
  }
}

}  // namespace payonce::bench
