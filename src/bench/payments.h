// bench/payments.h: the load itself: the requests of each scenario and what a right answer is.
//
// It also keeps the account of each payment: asked for, accepted, or lost without an answer. So
// afterwards it is known how much money has to be gone. One object for each step, one thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "bench/options.h"
#include "bench/work.h"

namespace payonce::bench {

class Payments final : public Work {
 public:
  struct Names {
    std::string host;      // of the Host header
    std::string accounts;  // the accounts are ACCOUNTS0, ACCOUNTS1, …
    std::string step;      // payments and keys begin with it, so that no step repeats another's
  };

  Payments(Scenario scenario, Names names, std::uint64_t accounts);

  Ticket write(std::uint64_t sequence, std::string& out) override;
  Judgement judge(const Ticket& ticket, const Response& response) override;
  void lost(const Ticket& ticket) override;

  // Different payments that were answered as accepted: each has to take its money once.
  [[nodiscard]] std::uint64_t accepted() const { return accepted_; }
  // Payments that may have been taken or not: sent, and never answered.
  [[nodiscard]] std::uint64_t uncertain() const;

 private:
  enum Kind : std::uint8_t { kCreate, kRead };
  enum : std::uint8_t { kAcceptedBit = 1, kLostBit = 2 };

  struct FirstAnswer {
    int status = 0;
    std::size_t body_hash = 0;
  };

  [[nodiscard]] std::uint64_t payment_of(std::uint64_t sequence) const;
  [[nodiscard]] std::string account_of(std::uint64_t payment) const;
  Ticket write_create(std::uint64_t payment, std::string& out);
  Ticket write_mixed(std::uint64_t sequence, std::string& out);
  [[nodiscard]] Judgement judge_create(std::uint64_t payment, const Response& response);
  [[nodiscard]] bool repeats_first(std::uint64_t payment, const Response& response);
  [[nodiscard]] std::uint8_t& fate_of(std::uint64_t payment);

  Scenario scenario_;
  Names names_;
  std::uint64_t accounts_;
  bool keyed_;
  std::vector<std::uint8_t> fates_;  // of each payment, by its number
  std::uint64_t accepted_ = 0;
  std::uint64_t created_ = 0;  // kMixed: payments asked for so far
  // kMixed: the newest payment that was accepted, which the reads ask about.
  std::uint64_t newest_ = 0;
  bool has_newest_ = false;
  // What was answered first, of payments that are asked for again.
  std::unordered_map<std::uint64_t, FirstAnswer> first_answers_;
};

}  // namespace payonce::bench
