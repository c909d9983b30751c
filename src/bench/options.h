// bench/options.h: what `payonce bench` was asked for, as plain values.
//
// Threads: values without shared state. Errors: sentences for the person at the command line.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "config/endpoint.h"

namespace payonce::bench {

inline constexpr std::int64_t kNsPerUs = 1'000;
inline constexpr std::int64_t kNsPerMs = 1'000'000;
inline constexpr std::int64_t kNsPerS = 1'000'000'000;

enum class Scenario : std::uint8_t {
  kAccept,      // new payments, answered when durable
  kComplete,    // new payments, answered when they have ended
  kDuplicates,  // every tenth request repeats the one before it, key and all
  kMixed,       // create, payment, its events, its account, a page of the list, in turn
  kHotAccount,  // all payments on one account
  kHotKey,      // the same request with the same key, over and over
  kBatch,       // a number of payments as fast as the connections take them
};

struct Options {
  config::Endpoint target{"127.0.0.1", 8080};
  Scenario scenario = Scenario::kAccept;
  std::vector<std::uint64_t> rates{1000};  // requests per second; one step each
  std::int64_t duration_ns = 10 * kNsPerS;
  std::int64_t warmup_ns = 2 * kNsPerS;
  std::int64_t timeout_ns = 30 * kNsPerS;  // of a request, from when it is sent
  std::int64_t settle_ns = 60 * kNsPerS;   // until the open payments have to be zero
  std::uint64_t connections = 64;
  std::uint64_t backlog_max = 50'000;  // requests that are due and wait for a connection
  std::uint64_t accounts = 1000;
  std::uint64_t count = 10'000;  // payments of kBatch
  bool quiet = false;
  std::string json;  // files to write; empty: none
  std::string svg;
  std::string hgrm;
};

// The word for it on the command line: "accept", "hot-account".
[[nodiscard]] std::string_view name(Scenario scenario);
[[nodiscard]] std::optional<Scenario> find_scenario(std::string_view word);
// All the words, for help: "accept, complete, …".
[[nodiscard]] std::string scenario_names();

// Reads "http://HOST:PORT" with or without "http://" and a final slash; kInvalid.
[[nodiscard]] Result<config::Endpoint> parse_url(std::string_view text);

// "1000,2000,5000" as rates; kInvalid when one is not a whole number from 1 to 1,000,000.
[[nodiscard]] Result<std::vector<std::uint64_t>> parse_rates(std::string_view text);

}  // namespace payonce::bench
