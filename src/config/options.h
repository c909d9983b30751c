// The configuration as plain values: what every other room receives, and nothing else of this room.
//
// The initialisers are the defaults, and the only place where they stand: the key table (keys.h)
// reads them from here, and config.toml at the top level is rendered from the table.
// Threads: filled once at start by load(), then read by anyone; a reload makes a fresh copy.
// Lifetime: owns all its text. Errors: none; load() lets no value outside its range in here.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "config/endpoint.h"

namespace payonce::config {

constexpr std::uint64_t kKiB = std::uint64_t{1} << 10;
constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;
constexpr std::uint64_t kGiB = std::uint64_t{1} << 30;
constexpr std::uint64_t kTiB = std::uint64_t{1} << 40;

// The coefficient is in thousandths (2000 is 2.0), because the core computes without floats.
struct RetryPolicy {
  std::chrono::milliseconds initial_interval{1'000};
  std::int64_t backoff_coefficient_permille = 2'000;
  std::chrono::milliseconds maximum_interval{60'000};
  std::uint32_t maximum_attempts = 10;  // all attempts, the first one included

  bool operator==(const RetryPolicy&) const = default;
};

struct Server {
  Endpoint listen{"127.0.0.1", 8080};
  std::uint32_t threads = 96;
  std::chrono::milliseconds keep_alive_timeout{60'000};
  std::uint32_t keep_alive_max_requests = 1'000'000;
  std::chrono::milliseconds read_timeout{10'000};
  std::chrono::milliseconds write_timeout{10'000};
  std::chrono::milliseconds drain_timeout{5'000};
  std::uint64_t body_bytes_max = 1 * kMiB;
  std::chrono::milliseconds wait_max{60'000};
  std::uint32_t waiters_max = 64;  // load() keeps this below `threads`

  bool operator==(const Server&) const = default;
};

struct Storage {
  std::string data = "./payonce-data";
  std::uint64_t log_map_size = 256 * kGiB;    // a multiple of 4 KiB, as LMDB demands
  std::uint64_t state_map_size = 256 * kGiB;  // a multiple of 4 KiB, as LMDB demands
  std::uint64_t free_bytes_min = 64 * kMiB;
  std::uint32_t checkpoint_events = 20'000;
  std::chrono::milliseconds checkpoint_interval{1'000};

  bool operator==(const Storage&) const = default;
};

struct Engine {
  std::uint32_t inbox_max = 65'536;
  std::uint32_t batch_max = 1'024;

  bool operator==(const Engine&) const = default;
};

enum class GatewayKind : std::uint8_t { kMock };

struct Gateway {
  GatewayKind kind = GatewayKind::kMock;
  std::uint32_t workers = 8;
  std::uint32_t queue_max = 65'536;
  std::chrono::milliseconds latency{0};
  std::int64_t failure_rate_permille = 0;
  std::string journal;  // empty: the mock keeps no journal
  RetryPolicy retry;

  bool operator==(const Gateway&) const = default;
};

enum class NotifyKind : std::uint8_t { kLog };

struct Notify {
  NotifyKind kind = NotifyKind::kLog;
  std::uint32_t workers = 2;
  std::uint32_t queue_max = 65'536;
  RetryPolicy retry{.maximum_attempts = 3};

  bool operator==(const Notify&) const = default;
};

struct Payments {
  std::string currency = "USD";  // three capitals; whether ISO 4217 knows it is base's to say
  std::uint32_t open_max = 250'000;

  bool operator==(const Payments&) const = default;
};

struct Saga {
  std::uint32_t payment_version = 1;

  bool operator==(const Saga&) const = default;
};

struct Idempotency {
  bool required = false;
  std::chrono::milliseconds retention{std::chrono::hours{24}};

  bool operator==(const Idempotency&) const = default;
};

struct Limits {
  std::uint64_t metadata_bytes_max = 8 * kKiB;

  bool operator==(const Limits&) const = default;
};

struct Auth {
  bool allow_anonymous = false;

  bool operator==(const Auth&) const = default;
};

enum class LogLevel : std::uint8_t { kDebug, kInfo, kWarn, kError };

struct Log {
  LogLevel level = LogLevel::kInfo;
  bool access = false;

  bool operator==(const Log&) const = default;
};

struct Options {
  Server server;
  Storage storage;
  Engine engine;
  Gateway gateway;
  Notify notify;
  Payments payments;
  Saga saga;
  Idempotency idempotency;
  Limits limits;
  Auth auth;
  Log log;

  bool operator==(const Options&) const = default;
};

}  // namespace payonce::config
