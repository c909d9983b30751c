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

// What a status means. A status without a row leaves everything open.
template <class Reply>
struct Row {
  int from;
  int to;
  std::optional<Reply> reply;  // nothing: the body's `status` says it
};

constexpr Row<GatewayReply> kChargeRows[] = {
    {200, 201, std::nullopt},
    {202, 202, GatewayReply::kAccepted},
    {400, 401, GatewayReply::kRefused},
    {402, 402, GatewayReply::kDeclined},
    {403, 404, GatewayReply::kRefused},
    {409, 409, GatewayReply::kTemporaryFailure},  // another call under this key is running
    {422, 422, GatewayReply::kRefused},
    {425, 425, GatewayReply::kTemporaryFailure},
    {429, 429, GatewayReply::kTemporaryFailure},
    {503, 503, GatewayReply::kTemporaryFailure},
};

constexpr Row<InquiryReply> kInquiryRows[] = {
    {200, 200, std::nullopt},
    {404, 404, InquiryReply::kUnknownKey},
};

constexpr Row<UndoReply> kUndoRows[] = {
    {200, 201, std::nullopt},
    {404, 404, UndoReply::kDone},
};

constexpr Row<RefundReply> kRefundRows[] = {
    {200, 201, std::nullopt},
    {402, 402, RefundReply::kDeclined},

    {422, 422, RefundReply::kDeclined},
};

struct Word {
  std::string_view status;
  GatewayReply charge;
  InquiryReply inquiry;
  UndoReply undo;
  RefundReply refund;
};

// What the body's `status` means where the body says it.
constexpr Word kWords[] = {
    {"confirmed", GatewayReply::kConfirmed, InquiryReply::kConfirmed, UndoReply::kFailed,
     RefundReply::kConfirmed},
    {"accepted", GatewayReply::kAccepted, InquiryReply::kAccepted, UndoReply::kFailed,
     RefundReply::kFailed},
    {"declined", GatewayReply::kDeclined, InquiryReply::kDeclined, UndoReply::kDone,
     RefundReply::kDeclined},
    {"voided", GatewayReply::kDeclined, InquiryReply::kDeclined, UndoReply::kDone,
     RefundReply::kDeclined},
    {"refunded", GatewayReply::kDeclined, InquiryReply::kDeclined, UndoReply::kDone,
     RefundReply::kConfirmed},
};

// Codes of a refused undo that say that there is nothing left to undo.
constexpr std::array<std::string_view, 3> kNothingLeft{"already_refunded", "nothing_to_refund",
                                                       "voided"};

// Codes of a refund that is refused for good. Any other conflict may be another call under this key
// that is still running: what becomes of that one decides.
constexpr std::array<std::string_view, 3> kRefundRefused{"already_refunded", "nothing_to_refund",
                                                         "refund_too_large"};

bool refund_refused(const AnswerJson& json) {
  return std::ranges::find(kRefundRefused, json.code) != kRefundRefused.end();
}

bool nothing_left(const AnswerJson& json) {
  return std::ranges::find(kNothingLeft, json.code) != kNothingLeft.end();
}

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

// Whether it is the gateway that speaks: the page of a proxy has none of these members. A key is
// unknown, or a charge undone, only when the gateway says so.
bool speaks(const AnswerJson& json) {
  return !json.status.empty() || !json.code.empty() || !json.reason.empty();
}

// What to tell people about an answer that is no success.
std::string describe(const HttpClient::Answer& answer, const AnswerJson& json) {
  if (answer.status == 0) {
    return answer.error;
  }
  const std::string status = "status " + std::to_string(answer.status);
  if (!speaks(json)) {
    return status + " without a readable body";
  }
  const std::string& said = json.reason.empty() ? json.code : json.reason;
  return said.empty() ? status : status + ": " + said;
}

// Why the gateway declined, in its own words.
std::string why(const AnswerJson& json) {
  const std::string& said = json.reason.empty() ? json.code : json.reason;
  return !said.empty() ? said : (json.status.empty() ? "declined" : json.status);
}

std::string charge_path(const std::string& key) { return "/charges/" + percent_encode(key); }

core::RecordInquiryReply judge_inquiry(const core::InquireGateway& call,
                                       const HttpClient::Answer& answer) {
  const AnswerJson json = read_answer(answer.body);
  core::RecordInquiryReply result{.payment_id = call.payment_id,
                                  .inquiry = call.inquiry,
                                  .reply = InquiryReply::kNoAnswer,
                                  .detail = describe(answer, json)};
  const auto* row = find_row<InquiryReply>(kInquiryRows, answer.status);
  const Word* word = find_word(json.status);
  if (row != nullptr && row->reply && speaks(json)) {
    result.reply = *row->reply;
  } else if (row != nullptr && !row->reply && word != nullptr) {
    result.reply = word->inquiry;
    result.detail = result.reply == InquiryReply::kDeclined ? why(json) : json.reference;
  }
  return result;
}

// `by_refund`: the charge has been settled already, and was asked to be refunded.
core::RecordUndoReply judge_undo(const core::UndoAtGateway& call, const HttpClient::Answer& answer,
                                 bool by_refund) {
  const AnswerJson json = read_answer(answer.body);
  core::RecordUndoReply result{.payment_id = call.payment_id,
                               .call = call.call,
                               .reply = UndoReply::kFailed,
                               .detail = describe(answer, json)};
  const auto* row = find_row<UndoReply>(kUndoRows, answer.status);
  const Word* word = find_word(json.status);
  if (answer.status == 409 && nothing_left(json)) {
    result.reply = UndoReply::kDone;
  } else if (row != nullptr && row->reply) {
    // An unknown key needs no void. But a charge that is to be refunded is known to be there.
    result.reply = speaks(json) && !by_refund ? *row->reply : UndoReply::kFailed;
  } else if (row != nullptr && word != nullptr) {
    const bool refunded = word->refund == RefundReply::kConfirmed || word->status == "voided";
    result.reply = !by_refund ? word->undo : (refunded ? UndoReply::kDone : UndoReply::kFailed);
  }
  if (result.reply == UndoReply::kDone) {
    result.detail = answer.status == 404 ? "unknown key" : why(json);
  }
  return result;
}

core::RecordRefundReply judge_refund(const core::RefundAtGateway& call,
                                     const HttpClient::Answer& answer) {
  const AnswerJson json = read_answer(answer.body);
  core::RecordRefundReply result{.refund_id = call.refund_id,
                                 .call = call.call,
                                 .reply = RefundReply::kFailed,
                                 .detail = describe(answer, json)};
  const auto* row = find_row<RefundReply>(kRefundRows, answer.status);
  const Word* word = find_word(json.status);
  if (answer.status == 409 && refund_refused(json)) {
    result.reply = RefundReply::kDeclined;
  } else if (row != nullptr && row->reply) {
    result.reply = *row->reply;
  } else if (row != nullptr && word != nullptr) {
    result.reply = word->refund;
  }
  if (result.reply == RefundReply::kConfirmed) {
    result.detail = json.reference;
  } else if (result.reply == RefundReply::kDeclined) {
    result.detail = why(json);
  }
  return result;
}

}  // namespace

Result<std::unique_ptr<HttpGateway>> HttpGateway::make(Options options) {
  auto caller = HttpClient::make({.url = std::move(options.url),
                                  .connect_timeout = options.connect_timeout,
                                  .timeout = options.timeout,
                                  .api_key = std::move(options.api_key),
                                  .ca_file = std::move(options.ca_file),
                                  .calls_max = options.calls_max});
  if (!caller) {
    const bool file = caller.error().code == Errc::kIo;
    return fail(Errc::kInvalid,
                (file ? "gateway.ca_file: " : "gateway.url: ") + caller.error().message);
  }
  return std::unique_ptr<HttpGateway>(
      new HttpGateway(std::move(*caller), std::move(options.refused_errors)));
}

void HttpGateway::charge(const core::CallGateway& call, Done<core::RecordGatewayReply> done) {
  std::string body =
      json_object({{"id", call.payment_id},
                   {"amount", format_amount(call.amount.minor, call.amount.currency)},
                   {"currency", call.amount.currency.code()},
                   {"payment_method", call.payment_method}});
  caller_->post("/charges", call.payment_id, std::move(body),
                [this, call, done = std::move(done)](const HttpClient::Answer& answer) {
                  done(judge_charge(call, answer));
                });
}

core::RecordGatewayReply HttpGateway::judge_charge(const core::CallGateway& call,
                                                   const HttpClient::Answer& answer) const {
  const AnswerJson json = read_answer(answer.body);
  core::RecordGatewayReply result{.payment_id = call.payment_id,
                                  .attempt = call.attempt,
                                  .reply = GatewayReply::kNoAnswer,
                                  .detail = describe(answer, json)};
  if (answer.status == 0) {
    result.reply = answer.sent ? GatewayReply::kNoAnswer : GatewayReply::kTemporaryFailure;
    return result;
  }
  const bool listed =
      !json.code.empty() && std::ranges::find(refused_errors_, json.code) != refused_errors_.end();
  const auto* row = find_row<GatewayReply>(kChargeRows, answer.status);
  const Word* word = find_word(json.status);
  if (answer.status >= 400 && listed) {
    result.reply = GatewayReply::kRefused;
  } else if (row != nullptr && row->reply) {
    result.reply = *row->reply;
  } else if (row != nullptr && word != nullptr) {
    result.reply = word->charge;
  }
  if (result.reply == GatewayReply::kConfirmed || result.reply == GatewayReply::kAccepted) {
    result.detail = json.reference;
  } else if (result.reply == GatewayReply::kDeclined) {
    result.detail = why(json);
  }
  return result;
}

void HttpGateway::inquire(const core::InquireGateway& call, Done<core::RecordInquiryReply> done) {
  caller_->get(charge_path(call.payment_id),
               [call, done = std::move(done)](const HttpClient::Answer& answer) {
                 done(judge_inquiry(call, answer));
               });
}

void HttpGateway::post_refund(const std::string& payment_id, const std::string& key, Money amount,
                              HttpClient::Done done) {
  caller_->post(charge_path(payment_id) + "/refund", key,
                json_object({{"amount", format_amount(amount.minor, amount.currency)},
                             {"currency", amount.currency.code()}}),
                std::move(done));
}

void HttpGateway::undo(const core::UndoAtGateway& call, Done<core::RecordUndoReply> done) {
  if (call.kind != core::CompensationKind::kVoidCharge) {
    undo_by_refund(call, std::move(done));
    return;
  }
  caller_->post(charge_path(call.payment_id) + "/void", call.payment_id + "/void", "{}",
                [this, call, done = std::move(done)](const HttpClient::Answer& answer) {
                  // A charge that has been settled already cannot be voided, only refunded.
                  if (answer.status == 409 && !nothing_left(read_answer(answer.body))) {
                    undo_by_refund(call, done);
                  } else {
                    done(judge_undo(call, answer, /*by_refund=*/false));
                  }
                });
}

void HttpGateway::undo_by_refund(const core::UndoAtGateway& call,
                                 Done<core::RecordUndoReply> done) {
  post_refund(call.payment_id, call.payment_id + "/undo", call.amount,
              [call, done = std::move(done)](const HttpClient::Answer& answer) {
                done(judge_undo(call, answer, /*by_refund=*/true));
              });
}

void HttpGateway::refund(const core::RefundAtGateway& call, Done<core::RecordRefundReply> done) {
  post_refund(call.payment_id, call.refund_id, call.amount,
              [call, done = std::move(done)](const HttpClient::Answer& answer) {
                done(judge_refund(call, answer));
              });
}

}  // namespace payonce::adapters
