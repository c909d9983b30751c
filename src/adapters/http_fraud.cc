#include "adapters/http_fraud.h"

#include <utility>

#include "adapters/answer_json.h"

namespace payonce::adapters {
namespace {

core::RecordFraudReply judge(const core::CheckFraud& call, const HttpClient::Answer& answer) {
  const AnswerJson json = read_answer(answer.body);
  core::RecordFraudReply result{.fraud_id = call.fraud_id,
                                .attempt = call.attempt,
                                .reply = core::FraudReply::kFailed,
                                .detail = json.reason};
  const bool good = answer.status == 200;
  if (good && json.result == "approved") {
    result.reply = core::FraudReply::kApproved;
  } else if (good && json.result == "rejected") {
    result.reply = core::FraudReply::kRejected;
  } else {
    result.detail = answer.status == 0
                        ? answer.error
                        : "status " + std::to_string(answer.status) + " without a verdict";
  }
  return result;
}

}  // namespace

Result<std::unique_ptr<HttpFraud>> HttpFraud::make(Options options) {
  auto caller = HttpClient::make({.url = std::move(options.url),
                                  .connect_timeout = options.timeout,
                                  .timeout = options.timeout,
                                  .api_key = {},
                                  .ca_file = {},
                                  .calls_max = options.calls_max});
  if (!caller) {
    return fail(Errc::kInvalid, "fraud.url: " + caller.error().message);
  }
  return std::unique_ptr<HttpFraud>(new HttpFraud(std::move(*caller)));
}

void HttpFraud::check(const core::CheckFraud& call, Done done) {
  std::string body =
      json_object({{"id", call.fraud_id},
                   {"payment_id", call.payment_id},
                   {"user_id", call.user_id},
                   {"amount", format_amount(call.amount.minor, call.amount.currency)},
                   {"currency", call.amount.currency.code()},
                   {"payment_method", call.payment_method}});
  caller_->post("", call.fraud_id, std::move(body),
                [call, done = std::move(done)](const HttpClient::Answer& answer) {
                  done(judge(call, answer));
                });
}

}  // namespace payonce::adapters
