#include "config/keys.h"

#include <algorithm>
#include <array>
#include <type_traits>
#include <utility>

namespace payonce::config {
namespace {

constexpr std::int64_t kMillisecond = 1;
constexpr std::int64_t kSecond = 1'000;
constexpr std::int64_t kMinute = 60 * kSecond;
constexpr std::int64_t kHour = 60 * kMinute;
constexpr std::int64_t kDay = 24 * kHour;

// Readable values of Key::tunable. A key is tunable once app applies it on SIGHUP, not before: what
// is marked here is told to users in config.toml.
constexpr bool kRestart = false;
constexpr bool kTunable = true;

constexpr Range bytes(std::uint64_t min, std::uint64_t max, std::uint64_t step = 1) {
  return {static_cast<std::int64_t>(min), static_cast<std::int64_t>(max),
          static_cast<std::int64_t>(step)};
}

// LMDB takes maps in whole pages. A sparse file of this length costs address space only, of which
// 47 bits are ours: 16 TiB twice leaves plenty.
constexpr Range kMapSize = bytes(1 * kMiB, 16 * kTiB, 4 * kKiB);
constexpr Range kIoTimeout{10 * kMillisecond, kHour};
constexpr Range kQueue{1, 16'777'216};
constexpr Range kWorkers{1, 1'024};
constexpr Range kInterval{kMillisecond, 7 * kDay};
constexpr Range kCoefficient{1'000, 100'000};
constexpr Range kAttempts{1, 1'000'000};

template <auto First, auto... Rest>
constexpr auto& follow(auto& object) {
  if constexpr (sizeof...(Rest) == 0) {
    return object.*First;
  } else {
    return follow<Rest...>(object.*First);
  }
}

// The way from an Options to one of its members: member<&Options::server, &Server::threads>.
template <auto... Path>
constexpr auto& member(Options& options) {
  return follow<Path...>(options);
}

template <auto... Path>
constexpr Choice choice(std::span<const std::string_view> words) {
  using Enum = std::remove_reference_t<decltype(member<Path...>(std::declval<Options&>()))>;
  return {words, [](Options& o) { return static_cast<std::size_t>(member<Path...>(o)); },
          [](Options& o, std::size_t i) { member<Path...>(o) = static_cast<Enum>(i); }};
}

// The order of the enumerators in options.h.
constexpr std::array<std::string_view, 1> kGatewayKinds{"mock"};
constexpr std::array<std::string_view, 1> kNotifyKinds{"log"};
constexpr std::array<std::string_view, 4> kLogLevels{"debug", "info", "warn", "error"};
static_assert(static_cast<std::size_t>(LogLevel::kError) + 1 == kLogLevels.size());
static_assert(static_cast<std::size_t>(GatewayKind::kMock) + 1 == kGatewayKinds.size());
static_assert(static_cast<std::size_t>(NotifyKind::kLog) + 1 == kNotifyKinds.size());

constexpr std::array kSections{
    Section{"server", "The HTTP server."},
    Section{"storage", "The data directory: the log of events and the state folded from it."},
    Section{"engine",
            "Decides and commits, in whichever thread is free: bounds of its inbox and batches."},
    Section{"gateway", "The payment gateway."},
    Section{"gateway.retry", "Attempts at one gateway call, all under the same gateway key."},
    Section{"notify", "Notifications about finished payments."},
    Section{"notify.retry", "Attempts at one notification; giving up never touches the payment."},
    Section{"payments", "Payments."},
    Section{"saga.payment", "The definition that new payments follow; running ones keep theirs."},
    Section{"idempotency", "The Idempotency-Key header."},
    Section{"limits", "Bounds on what a request may carry."},
    Section{"auth", "Who may call."},
    Section{"log", "What the process writes to standard error."},
};

constexpr std::array kKeys{
    Key{"server.listen", Address{member<&Options::server, &Server::listen>}, kRestart,
        "Beyond loopback it needs auth.allow_anonymous; port 0 takes any free port."},
    Key{"server.threads", Count{member<&Options::server, &Server::threads>, {1, 4'096}, "threads"},
        kRestart, "Each open connection holds one; more connections wait for a free one."},
    Key{"server.keep_alive_timeout",
        Duration{member<&Options::server, &Server::keep_alive_timeout>, {kSecond, kHour, kSecond}},
        kRestart, "An idle connection gives its thread back after this long."},
    Key{"server.keep_alive_max_requests",
        Count{member<&Options::server, &Server::keep_alive_max_requests>,
              {1, 1'000'000'000},
              "requests"},
        kRestart, "A connection is closed after this many, so that clients spread out again."},
    Key{"server.read_timeout",
        Duration{member<&Options::server, &Server::read_timeout>, kIoTimeout}, kRestart,
        "A client that stops sending in mid-request is cut off after this long."},
    Key{"server.write_timeout",
        Duration{member<&Options::server, &Server::write_timeout>, kIoTimeout}, kRestart,
        "A client that stops reading its answer is cut off after this long."},
    Key{"server.drain_timeout",
        Duration{member<&Options::server, &Server::drain_timeout>, {0, 10 * kMinute}}, kRestart,
        "SIGTERM lets running requests finish for this long before it exits."},
    Key{"server.body_bytes_max",
        Size{member<&Options::server, &Server::body_bytes_max>, bytes(1 * kKiB, 256 * kMiB)},
        kRestart, "A larger request body is refused with 413; each thread may hold one."},
    Key{"server.wait_max",
        Duration{member<&Options::server, &Server::wait_max>, {0, kMinute, kSecond}}, kRestart,
        "A longer Prefer: wait=N is cut to this."},
    Key{"server.waiters_max",
        Count{member<&Options::server, &Server::waiters_max>, {0, 4'095}, "requests"}, kRestart,
        "May hold a thread with Prefer: wait at once; fewer than server.threads."},

    Key{"storage.data",
        Text{member<&Options::storage, &Storage::data>, Text::Rule::kNotEmpty, "path"}, kRestart,
        "One process per directory; it is made if missing."},
    Key{"storage.log_map_size", Size{member<&Options::storage, &Storage::log_map_size>, kMapSize},
        kRestart,
        "The most the log may grow to; address space only, the file grows as it is written."},
    Key{"storage.state_map_size",
        Size{member<&Options::storage, &Storage::state_map_size>, kMapSize}, kRestart,
        "The most the state may grow to; address space only, the file grows as it is written."},
    Key{"storage.free_bytes_min",
        Size{member<&Options::storage, &Storage::free_bytes_min>, bytes(0, 1 * kTiB)}, kRestart,
        "With less free disk new work is refused with 503, so that open work can finish."},
    Key{"storage.checkpoint_events",
        Count{member<&Options::storage, &Storage::checkpoint_events>, {1, 10'000'000}, "events"},
        kRestart, "The state is written after this many; with more a restart has more to fold."},
    Key{"storage.checkpoint_interval",
        Duration{member<&Options::storage, &Storage::checkpoint_interval>,
                 {10 * kMillisecond, kHour}},
        kRestart, "The state is written at least this often while events arrive."},

    Key{"engine.inbox_max", Count{member<&Options::engine, &Engine::inbox_max>, kQueue, "commands"},
        kRestart, "Waiting to be decided; above it requests are refused with 503."},
    Key{"engine.batch_max",
        Count{member<&Options::engine, &Engine::batch_max>, {1, 65'536}, "commands"}, kRestart,
        "Decided together and made durable by one commit."},

    Key{"gateway.kind", choice<&Options::gateway, &Gateway::kind>(kGatewayKinds), kRestart,
        "The mock answers inside this process; no money moves anywhere."},
    Key{"gateway.workers", Count{member<&Options::gateway, &Gateway::workers>, kWorkers, "threads"},
        kRestart, "Calls to the gateway at the same time."},
    Key{"gateway.queue_max", Count{member<&Options::gateway, &Gateway::queue_max>, kQueue, "calls"},
        kRestart, "Held in memory for a worker; the rest wait in the state."},
    Key{"gateway.latency", Duration{member<&Options::gateway, &Gateway::latency>, {0, kHour}},
        kRestart, "How long the mock takes to answer."},
    Key{"gateway.failure_rate",
        Decimal{member<&Options::gateway, &Gateway::failure_rate_permille>,
                {0, 1'000},
                "fraction of calls"},
        kRestart, "How many calls the mock fails for a moment; they are retried."},
    Key{"gateway.journal",
        Text{member<&Options::gateway, &Gateway::journal>, Text::Rule::kAny,
             "path, empty for none"},
        kRestart, "The mock appends each charge here, for audits of what the gateway saw."},
    Key{"gateway.retry.initial_interval",
        Duration{member<&Options::gateway, &Gateway::retry, &RetryPolicy::initial_interval>,
                 kInterval},
        kRestart, "Wait before the second attempt."},
    Key{"gateway.retry.backoff_coefficient",
        Decimal{
            member<&Options::gateway, &Gateway::retry, &RetryPolicy::backoff_coefficient_permille>,
            kCoefficient, "factor"},
        kRestart, "Each further wait is this many times the one before."},
    Key{"gateway.retry.maximum_interval",
        Duration{member<&Options::gateway, &Gateway::retry, &RetryPolicy::maximum_interval>,
                 kInterval},
        kRestart, "No wait is longer."},
    Key{"gateway.retry.maximum_attempts",
        Count{member<&Options::gateway, &Gateway::retry, &RetryPolicy::maximum_attempts>, kAttempts,
              "attempts"},
        kRestart, "The first one included; then the payment fails and its hold is released."},

    Key{"notify.kind", choice<&Options::notify, &Notify::kind>(kNotifyKinds), kRestart,
        "The log adapter writes one line for each notification."},
    Key{"notify.workers", Count{member<&Options::notify, &Notify::workers>, kWorkers, "threads"},
        kRestart, "Notifications delivered at the same time."},
    Key{"notify.queue_max",
        Count{member<&Options::notify, &Notify::queue_max>, kQueue, "notifications"}, kRestart,
        "Held in memory for a worker; the rest wait in the state."},
    Key{"notify.retry.initial_interval",
        Duration{member<&Options::notify, &Notify::retry, &RetryPolicy::initial_interval>,
                 kInterval},
        kRestart, "Wait before the second attempt."},
    Key{"notify.retry.backoff_coefficient",
        Decimal{
            member<&Options::notify, &Notify::retry, &RetryPolicy::backoff_coefficient_permille>,
            kCoefficient, "factor"},
        kRestart, "Each further wait is this many times the one before."},
    Key{"notify.retry.maximum_interval",
        Duration{member<&Options::notify, &Notify::retry, &RetryPolicy::maximum_interval>,
                 kInterval},
        kRestart, "No wait is longer."},
    Key{"notify.retry.maximum_attempts",
        Count{member<&Options::notify, &Notify::retry, &RetryPolicy::maximum_attempts>, kAttempts,
              "attempts"},
        kRestart, "The first one included; then the notification is given up."},

    Key{"payments.currency",
        Text{member<&Options::payments, &Payments::currency>, Text::Rule::kCurrency,
             "ISO 4217 code"},
        kRestart, "For requests that name none."},
    Key{"payments.open_max",
        Count{member<&Options::payments, &Payments::open_max>, {1, 100'000'000}, "payments"},
        kRestart, "Not yet ended; above it new ones are refused with 503."},

    Key{"saga.payment.version",
        Count{member<&Options::saga, &Saga::payment_version>, {1, 1}, "version"}, kRestart,
        "Recorded in each payment at birth and kept to its end."},

    Key{"idempotency.required", Flag{member<&Options::idempotency, &Idempotency::required>},
        kRestart, "Whether a POST or PUT without the header is refused with 400."},
    Key{"idempotency.retention",
        Duration{member<&Options::idempotency, &Idempotency::retention>, {kSecond, 365 * kDay}},
        kRestart, "Answers are repeated for this long, counted from completion."},

    Key{"limits.metadata_bytes_max",
        Size{member<&Options::limits, &Limits::metadata_bytes_max>, bytes(0, 1 * kMiB)}, kRestart,
        "The metadata of one account or payment; it is kept with every copy of it."},

    Key{"auth.allow_anonymous", Flag{member<&Options::auth, &Auth::allow_anonymous>}, kRestart,
        "Lets a server without API keys listen beyond loopback."},

    Key{"log.level", choice<&Options::log, &Log::level>(kLogLevels), kTunable,
        "Lines below this level are not written."},
    Key{"log.access", Flag{member<&Options::log, &Log::access>}, kRestart,
        "Whether each request writes a line."},
};

}  // namespace

std::span<const Key> keys() { return kKeys; }

std::span<const Section> sections() { return kSections; }

const Key* find_key(std::string_view name) {
  const auto* found = std::ranges::find(kKeys, name, &Key::name);
  return found == kKeys.end() ? nullptr : found;
}

std::vector<std::string_view> table_names() {
  std::vector<std::string_view> names;
  for (const Section& section : kSections) {
    const std::string_view name = section.name;
    for (std::size_t end = name.find('.'); end != name.npos; end = name.find('.', end + 1)) {
      const std::string_view parent = name.substr(0, end);
      if (std::ranges::find(names, parent) == names.end()) names.push_back(parent);
    }
    names.push_back(name);
  }
  return names;
}

bool is_table(std::string_view path) {
  const auto names = table_names();
  return std::ranges::find(names, path) != names.end();
}

std::string_view section_of(std::string_view key_name) {
  return key_name.substr(0, key_name.rfind('.'));
}

std::string_view leaf_of(std::string_view key_name) {
  return key_name.substr(key_name.rfind('.') + 1);
}

std::string env_name(std::string_view path) {
  std::string name = "PAYONCE_";
  for (const char c : path) {
    name += c == '.' ? '_' : c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  }
  return name;
}

}  // namespace payonce::config
