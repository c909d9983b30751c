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
#include <vector>

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
  std::uint32_t threads = 4;
  std::uint32_t readers = 8;
  std::uint32_t connections_max = 10'000;
  std::uint32_t requests_max = 1'024;
  std::chrono::milliseconds keep_alive_timeout{60'000};
  std::uint32_t keep_alive_max_requests = 1'000'000;
  std::chrono::milliseconds read_timeout{10'000};
  std::chrono::milliseconds write_timeout{10'000};
  std::chrono::milliseconds drain_timeout{5'000};
  std::uint64_t body_bytes_max = 1 * kMiB;
  std::chrono::milliseconds wait_max{60'000};
  std::uint32_t waiters_max = 512;

  bool operator==(const Server&) const = default;
};

struct Storage {
  std::string data = "./payonce-data";
  std::uint64_t log_map_size = 256 * kGiB;    // a multiple of 4 KiB, as LMDB demands
  std::uint64_t state_map_size = 256 * kGiB;  // a multiple of 4 KiB, as LMDB demands
  std::uint64_t free_bytes_min = 64 * kMiB;
  std::uint64_t allocate_ahead = 16 * kMiB;
  std::uint32_t checkpoint_events = 20'000;
  std::chrono::milliseconds checkpoint_interval{100};
  std::chrono::milliseconds history_retention{0};  // whole seconds; 0: for ever

  bool operator==(const Storage&) const = default;
};

struct Engine {
  std::uint32_t inbox_max = 65'536;
  std::uint32_t batch_max = 1'024;

  bool operator==(const Engine&) const = default;
};

enum class GatewayKind : std::uint8_t { kMock, kHttp };

struct Gateway {
  GatewayKind kind = GatewayKind::kMock;
  std::string url;      // load() lets it be empty only where kind is not kHttp
  std::string api_key;  // secret; empty: calls carry no Authorization
  std::string ca_file;  // empty: the system's certificates
  std::uint32_t calls_max = 1'024;
  std::uint32_t queue_max = 65'536;
  std::chrono::milliseconds connect_timeout{3'000};
  std::chrono::milliseconds timeout{15'000};  // from the start of a call to its end
  std::vector<std::string> refused_errors{"invalid_request", "authentication_failed"};
  std::chrono::milliseconds inquiry_initial_interval{1'000};
  std::chrono::milliseconds inquiry_maximum_interval{60'000};
  std::vector<std::string> callback_secrets;  // secret, each whsec_…; empty: no signature needed
  std::chrono::milliseconds callback_tolerance{300'000};  // whole seconds
  std::chrono::milliseconds callback_timeout{300'000};
  std::chrono::milliseconds callback_delay{500};  // of the mock
  std::chrono::milliseconds latency{0};
  std::int64_t failure_rate_permille = 0;
  std::string journal;  // empty: the mock keeps no journal
  RetryPolicy retry;

  bool operator==(const Gateway&) const = default;
};

enum class FraudMode : std::uint8_t { kAutomatic, kManual, kHttp };
enum class FraudVerdict : std::uint8_t { kApprove, kReject };
enum class FraudClose : std::uint8_t { kTerminate, kAbandon };

struct Fraud {
  FraudMode mode = FraudMode::kAutomatic;
  std::chrono::milliseconds delay{0};
  std::chrono::milliseconds slow_delay{30'000};
  FraudVerdict verdict = FraudVerdict::kApprove;
  std::chrono::milliseconds timeout{std::chrono::minutes{10}};
  FraudClose parent_close = FraudClose::kTerminate;
  std::string url;  // load() lets it be empty only where mode is not kHttp
  std::chrono::milliseconds request_timeout{10'000};
  std::uint32_t calls_max = 1'024;
  std::uint32_t queue_max = 65'536;
  RetryPolicy retry;

  bool operator==(const Fraud&) const = default;
};

struct Webhook {
  std::string url;      // empty: no notification goes out this way
  std::string secret;   // secret, whsec_…; load() lets it be empty only where url is
  std::string ca_file;  // empty: the system's certificates
  std::chrono::milliseconds timeout{20'000};
  // The waits before attempt 2, 3, …: one attempt more than there are waits.
  std::vector<std::chrono::milliseconds> schedule{
      std::chrono::seconds{5}, std::chrono::minutes{5}, std::chrono::minutes{30},
      std::chrono::hours{2},   std::chrono::hours{5},   std::chrono::hours{10},
      std::chrono::hours{14},  std::chrono::hours{20},  std::chrono::hours{24}};
  bool allow_private = false;

  bool operator==(const Webhook&) const = default;
};

enum class SmtpTls : std::uint8_t { kNone, kStarttls, kTls };

struct Smtp {
  std::string host;  // empty: no notification goes out this way
  std::uint32_t port = 25;
  std::string from;              // load() lets it be empty only where host is
  std::string to = "{user_id}";  // {user_id} stands for the id of the user
  std::string username;
  std::string password;  // secret
  SmtpTls tls = SmtpTls::kNone;
  std::string ca_file;  // empty: the system's certificates
  std::chrono::milliseconds timeout{20'000};

  bool operator==(const Smtp&) const = default;
};

struct Notify {
  bool log = true;
  std::uint32_t workers = 2;
  std::uint32_t queue_max = 65'536;
  RetryPolicy retry{.maximum_attempts = 3};
  Webhook webhook;
  Smtp smtp;

  bool operator==(const Notify&) const = default;
};

struct Payments {
  std::string currency = "USD";  // three capitals; whether ISO 4217 knows it is base's to say
  std::uint32_t open_max = 250'000;

  bool operator==(const Payments&) const = default;
};

struct Saga {
  std::uint32_t payment_version = 1;
  std::string fraud_gate_amount = "1000";  // (0|[1-9][0-9]*)(\.[0-9]+)?, in major units
  RetryPolicy compensation;

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
  Fraud fraud;
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
