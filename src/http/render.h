// http/render.h: rows and events as the JSON that clients see. Pure functions.
#pragma once

#include <string>

#include "core/fraud/model.h"
#include "core/ledger/model.h"
#include "core/payment/explain.h"
#include "core/payment/model.h"
#include "core/record.h"
#include "core/refund/model.h"
#include "http/json_writer.h"
#include "http/problem.h"

namespace payonce::http {

void write(JsonWriter& json, const core::Account& account);
void write(JsonWriter& json, const core::Transfer& transfer);
void write(JsonWriter& json, const core::Payment& payment);
void write(JsonWriter& json, const core::FraudCheck& check);
void write(JsonWriter& json, const core::Refund& refund);
void write(JsonWriter& json, const core::Explanation& explanation);
void write(JsonWriter& json, const core::Record& record);  // {"seq","type","at","data"}

template <class Row>
[[nodiscard]] std::string render_row(const Row& row) {
  JsonWriter json;
  write(json, row);
  return json.take();
}

// The problem that tells why a payment was refused.
[[nodiscard]] Problem refusal_problem(const core::Payment& payment);

}  // namespace payonce::http
