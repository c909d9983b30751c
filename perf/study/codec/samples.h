// The records that are measured, as a payment of an ordinary shop leaves them behind.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "core/record.h"

namespace study {

inline std::vector<payonce::core::Record> samples() {
  using namespace payonce;
  using namespace payonce::core;
  const Money amount{10'050, Currency::find("USD").value()};
  const std::string payment = "pay_0199f3a0-7c1e-7abc-8def-0123456789ab";
  std::vector<Record> all;
  const auto add = [&](StreamKind kind, std::string stream, Seq previous, Event event) {
    Record record;
    record.seq = 1'000'000 + all.size();
    record.at = Timestamp{1'795'253'400'123'456};
    record.kind = kind;
    record.stream = std::move(stream);
    record.previous = previous;
    record.event = std::move(event);
    all.push_back(std::move(record));
  };
  add(StreamKind::kPayment, payment, 0,
      PaymentCreated{.content = {.user_id = "user-000123",
                                 .amount = amount,
                                 .payment_method = "pm_card_visa",
                                 .description = "Order 4711",
                                 .metadata = R"({"order":4711,"channel":"web"})"},
                     .rules = {}});
  add(StreamKind::kPayment, payment, 1'000'000,
      FundsHeld{.transfer_id = "tr_0199f3a0-7c1e-7abc-8def-0123456789ab",
                .step = "hold",
                .debit_account = "user-000123",
                .credit_account = "sys:gateway:USD",
                .amount = amount});
  add(StreamKind::kPayment, payment, 1'000'001,
      GatewayConfirmed{.attempt = 1, .reference = "gw_5f2c8e1a9b3d4c70"});
  add(StreamKind::kIdempotency, "", 0,
      AnswerRecorded{.key = std::string(32, '\x9c'),
                     .fingerprint = std::string(32, '\x3e'),
                     .retention = Duration::seconds(86'400),
                     .answer = {.status = 202,
                                .location = "/v1/payments/" + payment,
                                .body = R"({"id":")" + payment +
                                        R"(","user_id":"user-000123","amount":"100.50",)"
                                        R"("currency":"USD","payment_method":"pm_card_visa",)"
                                        R"("description":"Order 4711",)"
                                        R"("metadata":{"order":4711,"channel":"web"},)"
                                        R"("status":"pending","step":"gateway","failure":null,)"
                                        R"("gateway":{"status":"pending","attempts":0,)"
                                        R"("reference":null},"notification":"none",)"
                                        R"("version":1,)"
                                        R"("created_at":"2026-11-21T09:30:00.123456Z",)"
                                        R"("updated_at":"2026-11-21T09:30:00.123456Z"})"}});
  return all;
}

}  // namespace study
