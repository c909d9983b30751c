// bench/books.h: what the load needs before, and what has to be true after it.
//
// It opens accounts with money in them, waits until no payment is open, and says how much money is
// gone. All of that through the generator's connections; nothing else may load with it meanwhile.
// Every wait is bounded. Errors: kIo when the server does not answer, kInvalid when it answers
// something else than it should.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"
#include "bench/generator.h"

namespace payonce::bench {

class Books {
 public:
  // Sums over all accounts, in payments.
  struct Money {
    std::int64_t taken = 0;  // no longer available: held by a payment, or paid
    std::int64_t held = 0;
  };

  Books(Generator& generator, std::string host, std::string accounts_prefix,
        std::uint64_t accounts);

  [[nodiscard]] Result<void> open_accounts();
  [[nodiscard]] Result<Money> money();
  // Payments that have not ended, of those that were made since the accounts were opened.
  [[nodiscard]] Result<std::uint64_t> open_payments();
  // Waits until no payment is open; how many still are after `limit_ns`.
  [[nodiscard]] Result<std::uint64_t> settle(std::int64_t limit_ns);
  [[nodiscard]] Result<bool> balanced();

 private:
  [[nodiscard]] Result<void> run_all(Work& work, std::uint64_t count, const char* what);
  [[nodiscard]] Result<std::string> get(const std::string& path);

  Generator* generator_;
  std::string host_;
  std::string prefix_;
  std::uint64_t accounts_;
  std::string opened_at_;  // by the server's clock
};

}  // namespace payonce::bench
