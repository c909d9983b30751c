// The input of the fuzzer `commands` as commands: text, one command in each line.
//
// A letter says what, a letter or digit each argument. Whatever does not fit is passed over or
// taken modulo what there is, so every text is a sequence of commands. The model says which calls
// are waited for, so that most results fit; it outlives the script.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/commands.h"
#include "fuzz/saga_model.h"
#include "support/machine_world.h"

namespace payonce::fuzz {

inline constexpr std::array kAccounts{"a", "b", "c", "nobody", "sys:funding:USD"};
inline constexpr std::array kAmounts{
    "1", "0.01", "2.5", "7", "", "0", "x", "0.001", "92233720368547758.07"};
inline constexpr std::array kCurrencies{"USD", "JPY", "EUR"};

// One line of the input: its letters as small numbers.
class Line {
 public:
  explicit Line(std::string_view text) : rest_(text) {}

  char letter() {
    const char c = rest_.empty() ? '\0' : rest_.front();
    rest_.remove_prefix(rest_.empty() ? 0 : 1);
    return c;
  }
  // The next argument: 0 to 9 and a to z as 0 to 35; 0 at the end.
  std::uint32_t number() {
    const char c = letter();
    if (c >= '0' && c <= '9') {
      return static_cast<std::uint32_t>(c - '0');
    }
    return c >= 'a' && c <= 'z' ? static_cast<std::uint32_t>(c - 'a') + 10 : 0;
  }
  std::uint32_t below(std::uint32_t bound) { return number() % bound; }
  template <class List>
  auto pick(const List& list) {
    return list[below(static_cast<std::uint32_t>(std::size(list)))];
  }
  std::string payment() { return "p" + std::to_string(below(6)); }
  std::string check() { return core::fraud_check_id(payment()); }
  template <class Enum>
  Enum one_of(std::uint32_t count) {  // numbered from 1
    return static_cast<Enum>(1 + below(count));
  }

 private:
  std::string_view rest_;
};

// Lines to commands. 0 for the number of a call is the one that the model waits for.
//
//   o ACCOUNT OPENING CURRENCY       open          d ACCOUNT AMOUNT          deposit
//   p PAYMENT ACCOUNT MINOR CURRENCY RULES…        create (see rules())
//   g PAYMENT N REPLY                gateway       i PAYMENT N REPLY         inquiry
//   u PAYMENT N REPLY                undo          c PAYMENT OUTCOME         callback
//   f PAYMENT N REPLY                fraud check   v PAYMENT APPROVED        verdict
//   t PAYMENT CHECK HOW              timer         x PAYMENT                 cancel
//   y PAYMENT                        retry undo    z PAYMENT AMOUNT          refund
//   r REFUND N REPLY                 refund reply  q REFUND                  retry refund
//   n PAYMENT CHANNEL N REPLY        notification  m PAYMENT CHANNEL         retry notification
//   e KEY                            complete key  = BACK                    the same once more
//   k KEY FINGERPRINT LATER          the next command of a client is under this key
//   w SECONDS                        time passes
class Script {
 public:
  explicit Script(const SagaModel& model) : model_(&model) {}

  Timestamp now = testing_support::kStart;

  std::optional<core::Input> read(std::string_view text) {
    Line line(text);
    const char what = line.letter();
    if (what == 'w') {
      now = now + Duration::seconds(line.number());
      return std::nullopt;
    }
    if (what == 'k') {
      key_ = core::KeyedRequest{.key = "k" + std::to_string(line.below(4)),
                                .fingerprint = "f" + std::to_string(line.below(2)),
                                .retention = Duration::seconds(20),
                                .answer_later = line.below(2) == 1};
      return std::nullopt;
    }
    if (what == '=') {
      const std::size_t back = line.number();
      return back < told_.size() ? std::optional(told_[told_.size() - 1 - back]) : std::nullopt;
    }
    auto found = command(what, line);
    if (!found) {
      return std::nullopt;
    }
    core::Input input{*std::move(found), std::nullopt};
    if (kFromOutside.find(what) != std::string_view::npos) {
      input.keyed = std::exchange(key_, std::nullopt);
    }
    told_.push_back(input);
    return input;
  }

 private:
  // What comes by a request, and so may have a key.
  static constexpr std::string_view kFromOutside = "odpvxyzqmc";

  std::optional<core::Command> command(char what, Line& line) {
    switch (what) {
      case 'o':
        return open(line);
      case 'd': {
        const char* account = line.pick(kAccounts);
        return core::Deposit{.account_id = account, .amount = line.pick(kAmounts), .reference = {}};
      }
      case 'p':
        return create(line);
      case 'v': {
        std::string id = line.check();
        return core::DecideFraud{
            .fraud_id = std::move(id), .approved = line.below(2) == 0, .reason = "by hand"};
      }
      case 'x':
        return core::CancelPayment{.payment_id = line.payment(), .reason = "off"};
      case 'y':
        return core::RetryCompensation{.payment_id = line.payment()};
      case 'z': {
        std::string id = line.payment();
        return core::CreateRefund{.payment_id = std::move(id), .amount = line.pick(kAmounts)};
      }
      case 'q':
        return core::RetryRefund{.refund_id = refund(line)};
      case 'm': {
        std::string id = line.payment();
        return core::RetryNotification{.payment_id = std::move(id),
                                       .channel = line.pick(core::kNotifyChannels)};
      }
      case 'e':
        return core::CompleteKey{.key = "k" + std::to_string(line.below(4)),
                                 .answer = {.status = 201, .location = {}, .body = "end"}};
      default:
        return result(what, line);
    }
  }

  std::optional<core::Command> result(char what, Line& line) {
    switch (what) {
      case 'g':
        return gateway(line);
      case 'i':
        return inquiry(line);
      case 'u':
        return undo(line);
      case 'f':
        return fraud(line);
      case 'r':
        return refund_reply(line);
      case 'n':
        return notification(line);
      case 't':
        return timer(line);
      case 'c': {
        std::string id = line.payment();
        const auto outcome = line.one_of<core::CallbackOutcome>(2);
        return core::RecordCallback{.payment_id = std::move(id),
                                    .outcome = outcome,
                                    .reference = line.below(2) == 0 ? "ref" : "",
                                    .reason = "stolen",
                                    .webhook_id = "wh"};
      }
      default:
        return std::nullopt;
    }
  }

  static core::Command open(Line& line) {
    constexpr std::array<std::int64_t, 4> kOpenings{1000, 0,
                                                    std::numeric_limits<std::int64_t>::max(), 5};
    const char* account = line.pick(kAccounts);
    const std::int64_t opening = line.pick(kOpenings);
    return core::OpenAccount{.id = account,
                             .currency = testing_support::currency(line.pick(kCurrencies)),
                             .opening_minor = opening,
                             .metadata = {}};
  }

  static core::Command create(Line& line) {
    core::CreatePayment made;
    made.id = line.payment();
    made.content.user_id = line.pick(kAccounts);
    const std::int64_t minor = 1 + static_cast<std::int64_t>(line.number()) * 20;
    made.content.amount = {minor, testing_support::currency(line.pick(kCurrencies))};
    made.content.payment_method = "pm";
    made.rules = rules(line);
    return made;
  }

  // VERSION MODE CLOSE, attempts at GATEWAY UNDO FRAUD NOTIFY, VOID, CHANNELS, WEBHOOK's delays.
  static core::PaymentRules rules(Line& line) {
    core::PaymentRules rules;
    rules.version = 1 + line.below(2);
    rules.fraud.mode = static_cast<core::FraudMode>(line.below(4));
    rules.fraud.parent_close = line.one_of<core::ParentClose>(2);
    rules.gateway_retry.maximum_attempts = line.below(4);
    rules.compensation_retry.maximum_attempts = line.below(4);
    rules.fraud.retry.maximum_attempts = line.below(4);
    rules.notify_retry.maximum_attempts = line.below(4);
    rules.void_when_given_up = line.below(2) == 0;
    rules.channels = line.below(8) << 1;
    rules.webhook_delays_ms.assign(line.below(3), 1000);
    rules.gate_minor = 100;
    rules.callback_timeout = Duration::seconds(10);
    rules.fraud.timeout = Duration::seconds(15);
    return rules;
  }

  template <class Map>
  static auto row(const Map& rows, const typename Map::key_type& id) -> const
      typename Map::mapped_type* {
    const auto found = rows.find(id);
    return found == rows.end() ? nullptr : &found->second;
  }
  static std::uint32_t number(Line& line, std::uint32_t awaited) {
    const std::uint32_t given = line.number();
    return given == 0 ? awaited : given;
  }

  core::Command gateway(Line& line) const {
    std::string id = line.payment();
    const auto* payment = row(model_->payments, id);
    const std::uint32_t attempt = number(line, payment == nullptr ? 1 : payment->attempts + 1);
    return core::RecordGatewayReply{.payment_id = std::move(id),
                                    .attempt = attempt,
                                    .reply = line.one_of<core::GatewayReply>(6),
                                    .detail = "detail"};
  }
  core::Command inquiry(Line& line) const {
    std::string id = line.payment();
    const auto* payment = row(model_->payments, id);
    const std::uint32_t inquiry = number(line, payment == nullptr ? 1 : payment->inquiries + 1);
    return core::RecordInquiryReply{.payment_id = std::move(id),
                                    .inquiry = inquiry,
                                    .reply = line.one_of<core::InquiryReply>(5),
                                    .detail = "detail"};
  }
  core::Command undo(Line& line) const {
    std::string id = line.payment();
    const auto* payment = row(model_->payments, id);
    const std::uint32_t call = number(line, payment == nullptr ? 1 : payment->undo_calls + 1);
    return core::RecordUndoReply{.payment_id = std::move(id),
                                 .call = call,
                                 .reply = line.one_of<core::UndoReply>(2),
                                 .detail = "detail"};
  }
  core::Command fraud(Line& line) const {
    std::string id = line.check();
    const auto* check = row(model_->checks, id);
    const std::uint32_t attempt = number(line, check == nullptr ? 1 : check->attempts + 1);
    return core::RecordFraudReply{.fraud_id = std::move(id),
                                  .attempt = attempt,
                                  .reply = line.one_of<core::FraudReply>(3),
                                  .detail = "detail"};
  }
  std::string refund(Line& line) const {
    const std::uint32_t which = line.number();
    if (model_->refunds.empty()) {
      return "ref_none";
    }
    return std::next(model_->refunds.begin(), which % model_->refunds.size())->first;
  }
  core::Command refund_reply(Line& line) const {
    std::string id = refund(line);
    const auto* found = row(model_->refunds, id);
    const std::uint32_t call = number(line, found == nullptr ? 1 : found->calls + 1);
    return core::RecordRefundReply{.refund_id = std::move(id),
                                   .call = call,
                                   .reply = line.one_of<core::RefundReply>(3),
                                   .detail = "detail"};
  }
  core::Command notification(Line& line) const {
    std::string id = line.payment();
    const core::NotifyChannel channel = line.pick(core::kNotifyChannels);
    const auto* payment = row(model_->payments, id);
    const auto* outbox = payment == nullptr ? nullptr : row(payment->outbox, channel);
    const std::uint32_t attempt = number(line, outbox == nullptr ? 1 : outbox->calls + 1);
    return core::RecordNotification{.payment_id = std::move(id),
                                    .channel = channel,
                                    .attempt = attempt,
                                    .reply = line.one_of<core::NotifyReply>(3),
                                    .error = "unreachable"};
  }
  // HOW: 0 when it is due, 1 too early, 2 for a time that nothing waits for.
  core::Command timer(Line& line) {
    const std::string id = line.payment();
    const bool of_check = line.below(2) == 1;
    const std::uint32_t how = line.below(3);
    const auto* payment = row(model_->payments, id);
    const auto* check = row(model_->checks, core::fraud_check_id(id));
    Timestamp due = of_check && check != nullptr      ? check->due
                    : !of_check && payment != nullptr ? payment->callback_due
                                                      : now;
    if (how == 0) {
      now = std::max(now, due);
    } else if (how == 2) {
      due = due + Duration{1};
      now = std::max(now, due);
    }
    return core::TimerFired{
        .kind = of_check ? core::StreamKind::kFraud : core::StreamKind::kPayment,
        .id = of_check ? core::fraud_check_id(id) : id,
        .due = due};
  }

  const SagaModel* model_;
  std::optional<core::KeyedRequest> key_;
  std::vector<core::Input> told_;
};

}  // namespace payonce::fuzz
