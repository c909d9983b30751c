// What the micro-benchmarks drive: the core alone, carrying ordinary payments to success.
//
// No clock, no disk, no threads: the same number of payments is the same work, instruction by
// instruction. Checked while it runs; a payment that does not end ends the program.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "core/fold.h"
#include "core/machine.h"
#include "log/codec.h"
#include "log/log_store.h"

namespace payonce::perf {

inline constexpr std::uint64_t kSalt = 0x70617973;
inline constexpr Timestamp kStart{1'800'000'000'000'000};
inline constexpr std::size_t kAccounts = 100;

[[noreturn]] inline void fail(const char* what) {
  std::fprintf(stderr, "perf/micro: %s\n", what);
  std::exit(1);
}

class Till {
 public:
  // With `keep`, the opening of the accounts is left in `records`.
  explicit Till(bool keep = false) {
    for (std::size_t i = 0; i < kAccounts; ++i) {
      run(core::OpenAccount{.id = account(i),
                            .currency = currency_,
                            .opening_minor = 1'000'000'000'000,
                            .metadata = {}});
    }
    if (!keep) {
      records.clear();
    }
  }

  // From create to the delivered notification: what a payment costs the engine's decide lock.
  void carry_one() {
    core::CreatePayment create;
    create.content.user_id = account(number_++ % kAccounts);
    create.content.amount = {100, currency_};
    create.content.payment_method = "pm_ok";
    create.rules.fraud.mode = core::FraudMode::kInline;
    create.rules.void_when_given_up = true;
    run(std::move(create));
    const auto call = take<core::CallGateway>();
    run(core::RecordGatewayReply{.payment_id = call.payment_id,
                                 .attempt = call.attempt,
                                 .reply = core::GatewayReply::kConfirmed,
                                 .detail = "mock_" + call.payment_id});
    const auto send = take<core::SendNotification>();
    run(core::RecordNotification{.payment_id = send.payment_id,
                                 .channel = send.channel,
                                 .attempt = send.attempt,
                                 .reply = core::NotifyReply::kDelivered,
                                 .error = {}});
  }

  std::vector<core::Record> records;  // of everything since it was last cleared

 private:
  static std::string account(std::size_t i) { return "bench-" + std::to_string(i); }

  void run(core::Command command) {
    produced_.records.clear();
    produced_.effects.clear();
    core::Answer answer;
    now_ = now_ + Duration::ms(1);
    const core::Input input{std::move(command), std::nullopt};
    if (machine_.handle(input, now_, nullptr, answer, produced_).kind ==
        core::OutcomeKind::kResultStale) {
      fail("a result was not waited for");
    }
    for (core::Record& record : produced_.records) {
      records.push_back(std::move(record));
    }
  }

  template <class Task>
  Task take() {
    for (const core::Effect& effect : produced_.effects) {
      if (const auto* task = std::get_if<Task>(&effect)) {
        return *task;
      }
    }
    fail("the payment did not ask for its next step");
  }

  Currency currency_ = Currency::find("USD").value();
  Timestamp now_ = kStart;
  std::size_t number_ = 0;
  core::NoRows nothing_;
  core::Rows rows_{nothing_, nullptr};
  core::Machine machine_{rows_, {.last_seq = 1, .last_time = kStart, .salt = kSalt}};
  core::Produced produced_;
};

// Fills the batch with entries of the log, as the engine does for a commit.
inline void encode(const std::vector<core::Record>& records, log::Batch& batch) {
  batch.clear();
  for (const core::Record& record : records) {
    log::encode_record(record, kSalt, batch.bytes);
    batch.ends.push_back(batch.bytes.size());
  }
}

}  // namespace payonce::perf
