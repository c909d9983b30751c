#include "adapters/http_gateway.h"

#include <algorithm>
#include <array>
#include <optional>
#include <span>
#include <utility>

#include "adapters/answer_json.h"

namespace payonce::adapters {
namespace {

using core::GatewayReply;
using core::InquiryReply;
using core::RefundReply;
using core::UndoReply;

// What a status means, first row that fits. kBody: the body's `status` says it.
template <class Reply>
struct Row {
  int from;
  int to;
  std::optional<Reply> reply;  // nothing: the body says
};

constexpr Row<GatewayReply> kChargeRows[] = {
    {200, 202, std::nullopt},
    {402, 402, GatewayReply::kDeclined},
    {408, 408, GatewayReply::kNoAnswer},
    {409, 409, GatewayReply::kTemporaryFailure},
    {425, 425, GatewayReply::kTemporaryFailure},
    {429, 429, GatewayReply::kTemporaryFailure},
    {400, 499, GatewayReply::kRefused},
    {503, 503, GatewayReply::kTemporaryFailure},
};

constexpr Row<InquiryReply> kInquiryRows[] = {
    {200, 200, std::nullopt},
    {404, 404, InquiryReply::kUnknownKey},
};

constexpr Row<UndoReply> kUndoRows[] = {
    {200, 202, UndoReply::kDone},
    {404, 404, UndoReply::kDone},
};

constexpr Row<RefundReply> kRefundRows[] = {
    {200, 201, RefundReply::kConfirmed},
    {402, 402, RefundReply::kDeclined},
    {409, 409, RefundReply::kDeclined},
    {422, 422, RefundReply::kDeclined},
};

struct Word {
  std::string_view status;
  GatewayReply charge;
  InquiryReply inquiry;
};

// What the body's `status` means where the body says it.
constexpr Word kWords[] = {
    {"confirmed", GatewayReply::kConfirmed, InquiryReply::kConfirmed},
    {"accepted", GatewayReply::kAccepted, InquiryReply::kAccepted},
    {"declined", GatewayReply::kDeclined, InquiryReply::kDeclined},
    {"voided", GatewayReply::kDeclined, InquiryReply::kDeclined},
    {"refunded", GatewayReply::kDeclined, InquiryReply::kDeclined},
};

// Codes of a refused undo that say that there is nothing left to undo.
constexpr std::array<std::string_view, 3> kNothingLeft{"already_refunded", "nothing_to_refund",
                                                       "voided"};

template <class Reply>
const Row<Reply>* find_row(std::span<const Row<Reply>> rows, int status) {
  for (const Row<Reply>& row : rows) {
    if (status >= row.from && status <= row.to) {
      return &row;
    }
  }
  return nullptr;
}

const Word* find_word(std::string_view status) {
  for (const Word& word : kWords) {
    if (word.status == status) {
      return &word;
    }
  }
  return nullptr;
}

// What to tell people about an answer that is no success.
std::string describe(const HttpClient::Answer& answer, const AnswerJson& json) {
  if (answer.status == 0) {
    return answer.error;
  }
  const std::string& said = json.reason.empty() ? json.code : json.reason;
  return "status " + std::to_string(answer.status) + (said.empty() ? "" : ": " + said);
}

std::string charge_path(const std::string& key) { return "/charges/" + percent_encode(key); }

}  // namespace

Result<std::unique_ptr<HttpGateway>> HttpGateway::make(Options options) {
  auto caller = HttpClient::make({.url = std::move(options.url),
                                  .connect_timeout = options.connect_timeout,
                                  .timeout = options.timeout,
                                  .api_key = std::move(options.api_key),
                                  .ca_file = std::move(options.ca_file)});
  if (!caller) {
    return fail(Errc::kInvalid, "gateway.url: " + caller.error().message);
  }
  return std::unique_ptr<HttpGateway>(
      new HttpGateway(std::move(*caller), std::move(options.refused_errors)));
}

core::RecordGatewayReply HttpGateway::charge(const core::CallGateway& call) {
  const std::string body =
      json_object({{"id", call.payment_id},
                   {"amount", format_amount(call.amount.minor, call.amount.currency)},
                   {"currency", call.amount.currency.code()},
                   {"payment_method", call.payment_method}});
  const HttpClient::Answer answer = caller_->post("/charges", call.payment_id, body);
  const AnswerJson json = read_answer(answer.body);
  core::RecordGatewayReply result{.payment_id = call.payment_id,
                                  .attempt = call.attempt,
                                  .reply = GatewayReply::kNoAnswer,
                                  .detail = describe(answer, json)};
  if (answer.status == 0) {
    result.reply = answer.sent ? GatewayReply::kNoAnswer : GatewayReply::kTemporaryFailure;
    return result;
  }
  const auto* row = find_row<GatewayReply>(kChargeRows, answer.status);
  if (row != nullptr && row->reply) {
    result.reply = *row->reply;
    const bool listed = std::ranges::find(refused_errors_, json.code) != refused_errors_.end();
    if (result.reply == GatewayReply::kTemporaryFailure && listed) {
      result.reply = GatewayReply::kRefused;
    }
  } else if (const Word* word = row == nullptr ? nullptr : find_word(json.status)) {
    result.reply = word->charge;
    const bool good =
        result.reply == GatewayReply::kConfirmed || result.reply == GatewayReply::kAccepted;
    result.detail = good ? json.reference : (json.reason.empty() ? json.status : json.reason);
  }
  return result;
}

core::RecordInquiryReply HttpGateway::inquire(const core::InquireGateway& call) {
  const HttpClient::Answer answer = caller_->get(charge_path(call.payment_id));
  const AnswerJson json = read_answer(answer.body);
  core::RecordInquiryReply result{.payment_id = call.payment_id,
                                  .inquiry = call.inquiry,
                                  .reply = InquiryReply::kNoAnswer,
                                  .detail = describe(answer, json)};
  const auto* row = find_row<InquiryReply>(kInquiryRows, answer.status);
  if (row != nullptr && row->reply) {
    result.reply = *row->reply;
  } else if (const Word* word = row == nullptr ? nullptr : find_word(json.status)) {
    result.reply = word->inquiry;
    const bool declined = result.reply == InquiryReply::kDeclined;
    result.detail = !declined ? json.reference : (json.reason.empty() ? json.status : json.reason);
  }
  return result;
}

HttpClient::Answer HttpGateway::post_refund(const std::string& payment_id, const std::string& key,
                                            Money amount) {
  return caller_->post(charge_path(payment_id) + "/refund", key,
                       json_object({{"amount", format_amount(amount.minor, amount.currency)},
                                    {"currency", amount.currency.code()}}));
}

core::RecordUndoReply HttpGateway::undo(const core::UndoAtGateway& call) {
  HttpClient::Answer answer;
  if (call.kind == core::CompensationKind::kVoidCharge) {
    answer = caller_->post(charge_path(call.payment_id) + "/void", call.payment_id + "/void", "{}");
  }
  // A charge that has been settled already cannot be voided, only refunded.
  const bool settled = answer.status == 409;
  if (settled || call.kind != core::CompensationKind::kVoidCharge) {
    answer = post_refund(call.payment_id, call.payment_id + "/undo", call.amount);
  }
  const AnswerJson json = read_answer(answer.body);
  core::RecordUndoReply result{.payment_id = call.payment_id,
                               .call = call.call,
                               .reply = UndoReply::kFailed,
                               .detail = describe(answer, json)};
  const auto* row = find_row<UndoReply>(kUndoRows, answer.status);
  const bool nothing_left = std::ranges::find(kNothingLeft, json.code) != kNothingLeft.end();
  if (row != nullptr || (answer.status == 409 && nothing_left)) {
    result.reply = UndoReply::kDone;
  }
  return result;
}

core::RecordRefundReply HttpGateway::refund(const core::RefundAtGateway& call) {
  const HttpClient::Answer answer = post_refund(call.payment_id, call.refund_id, call.amount);
  const AnswerJson json = read_answer(answer.body);
  core::RecordRefundReply result{.refund_id = call.refund_id,
                                 .call = call.call,
                                 .reply = RefundReply::kFailed,
                                 .detail = describe(answer, json)};
  if (const auto* row = find_row<RefundReply>(kRefundRows, answer.status)) {
    result.reply = row->reply.value_or(RefundReply::kFailed);
    if (result.reply == RefundReply::kConfirmed) {
      result.detail = json.reference;
    }
  }
  return result;
}

}  // namespace payonce::adapters
