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
// Readable value of Key::secret.
constexpr bool kSecret = true;

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
constexpr Range kCalls{1, 16'384};
constexpr Range kInterval{kMillisecond, 7 * kDay};
constexpr Range kCoefficient{1'000, 100'000};
constexpr Range kAttempts{1, 1'000'000};
constexpr Range kMockDelay{0, kHour};
// How long something outside may take that people may be part of.
constexpr Range kPatience{10 * kMillisecond, 7 * kDay};

constexpr std::size_t kErrorCodesMax = 100;
constexpr std::size_t kSecretsMax = 16;
constexpr std::size_t kWaitsMax = 50;

constexpr std::string_view kPathOrSystem = "path, empty for the system's";
constexpr std::string_view kUrlOrNone = "http:// or https:// URL, empty for none";

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
constexpr std::array<std::string_view, 2> kGatewayKinds{"mock", "http"};
constexpr std::array<std::string_view, 3> kFraudModes{"automatic", "manual", "http"};
constexpr std::array<std::string_view, 2> kFraudVerdicts{"approve", "reject"};
constexpr std::array<std::string_view, 2> kFraudCloses{"terminate", "abandon"};
constexpr std::array<std::string_view, 3> kSmtpTls{"none", "starttls", "tls"};
constexpr std::array<std::string_view, 4> kLogLevels{"debug", "info", "warn", "error"};
static_assert(static_cast<std::size_t>(LogLevel::kError) + 1 == kLogLevels.size());
static_assert(static_cast<std::size_t>(GatewayKind::kHttp) + 1 == kGatewayKinds.size());
static_assert(static_cast<std::size_t>(FraudMode::kHttp) + 1 == kFraudModes.size());
static_assert(static_cast<std::size_t>(FraudVerdict::kReject) + 1 == kFraudVerdicts.size());
static_assert(static_cast<std::size_t>(FraudClose::kAbandon) + 1 == kFraudCloses.size());
static_assert(static_cast<std::size_t>(SmtpTls::kTls) + 1 == kSmtpTls.size());

constexpr std::array kSections{
    Section{"server", "The HTTP server."},
    Section{"storage", "The data directory: the log of events and the state folded from it."},
    Section{"engine",
            "Decides and commits, in whichever thread is free: bounds of its inbox and batches."},
    Section{"gateway", "The payment gateway."},
    Section{"gateway.retry", "Attempts at one gateway call, all under the same gateway key."},
    Section{"fraud", "The fraud check of each payment, a workflow of its own."},
    Section{"fraud.retry", "Attempts at one request to fraud.url."},
    Section{"notify", "Notifications about finished payments."},
    Section{"notify.retry", "Attempts at one notification; giving up never touches the payment."},
    Section{"notify.webhook", "Notifications as signed HTTP requests (Standard Webhooks)."},
    Section{"notify.smtp", "Notifications as mail."},
    Section{"payments", "Payments."},
    Section{"saga.payment", "The definition that new payments follow; running ones keep theirs."},
    Section{"saga.payment.compensation",
            "Attempts at undoing a charge at the gateway, and at a refund."},
    Section{"idempotency", "The Idempotency-Key header."},
    Section{"limits", "Bounds on what a request may carry."},
    Section{"auth", "Who may call."},
    Section{"log", "What the process writes to standard error."},
};

constexpr std::array kKeys{
    Key{"server.listen", Address{member<&Options::server, &Server::listen>}, kRestart,
        "Beyond loopback it needs auth.allow_anonymous; port 0 takes any free port."},
    Key{"server.threads", Count{member<&Options::server, &Server::threads>, {1, 4'096}, "threads"},
        kRestart,
        "Serve all connections; a few more than cores, as who commits waits for the disk."},
    Key{"server.readers", Count{member<&Options::server, &Server::readers>, {1, 256}, "threads"},
        kRestart, "Read lists, histories and reports from disk, beside the threads above."},
    Key{"server.connections_max",
        Count{member<&Options::server, &Server::connections_max>, {1, 1'000'000}, "connections"},
        kRestart, "Open at once, idle ones included; more are answered with 503 and closed."},
    Key{"server.requests_max",
        Count{member<&Options::server, &Server::requests_max>, {1, 16'384}, "requests"}, kRestart,
        "In progress at once, each with a stack; more wait in their connections."},
    Key{"server.keep_alive_timeout",
        Duration{member<&Options::server, &Server::keep_alive_timeout>, {kSecond, kHour, kSecond}},
        kRestart, "An idle connection is closed after this long."},
    Key{"server.keep_alive_max_requests",
        Count{member<&Options::server, &Server::keep_alive_max_requests>,
              {1, 1'000'000'000},
              "requests"},
        kRestart, "A connection is closed after this many, so that clients spread out again."},
    Key{"server.read_timeout",
        Duration{member<&Options::server, &Server::read_timeout>, kIoTimeout}, kRestart,
        "A request head takes no longer, and 64 KiB of a body neither, or it is cut off."},
    Key{"server.write_timeout",
        Duration{member<&Options::server, &Server::write_timeout>, kIoTimeout}, kRestart,
        "64 KiB of an answer take no longer to be read, or the client is cut off."},
    Key{"server.drain_timeout",
        Duration{member<&Options::server, &Server::drain_timeout>, {0, 10 * kMinute}}, kRestart,
        "SIGTERM lets running requests finish for this long before it exits."},
    Key{"server.body_bytes_max",
        Size{member<&Options::server, &Server::body_bytes_max>, bytes(1 * kKiB, 256 * kMiB)},
        kRestart, "A larger request body is refused with 413; each request may hold one."},
    Key{"server.wait_max",
        Duration{member<&Options::server, &Server::wait_max>, {0, kMinute, kSecond}}, kRestart,
        "A longer Prefer: wait=N is cut to this."},
    Key{"server.waiters_max",
        Count{member<&Options::server, &Server::waiters_max>, {0, 16'384}, "requests"}, kRestart,
        "May wait with Prefer: wait at once, beside server.requests_max."},

    Key{"storage.data",
        Text{member<&Options::storage, &Storage::data>, Text::Rule::kNotEmpty, "path"}, kRestart,
        "One process per directory; it is made if missing."},
    Key{"storage.log_map_size", Size{member<&Options::storage, &Storage::log_map_size>, kMapSize},
        kTunable,
        "The most the log may grow to: addresses, no disk. A reload can only make it more."},
    Key{"storage.state_map_size",
        Size{member<&Options::storage, &Storage::state_map_size>, kMapSize}, kTunable,
        "The most the state may grow to: addresses, no disk. A reload can only make it more."},
    Key{"storage.free_bytes_min",
        Size{member<&Options::storage, &Storage::free_bytes_min>, bytes(0, 1 * kTiB)}, kRestart,
        "With less free disk new work is refused with 503, so that open work can finish."},
    Key{"storage.allocate_ahead",
        Size{member<&Options::storage, &Storage::allocate_ahead>, bytes(0, 1 * kGiB)}, kRestart,
        "Zeros written behind the log's end: commits into them are faster. 0 writes none."},
    Key{"storage.checkpoint_events",
        Count{member<&Options::storage, &Storage::checkpoint_events>, {1, 10'000'000}, "events"},
        kRestart, "The state is written after this many; with more a restart has more to fold."},
    Key{"storage.checkpoint_interval",
        Duration{member<&Options::storage, &Storage::checkpoint_interval>,
                 {10 * kMillisecond, kHour}},
        kRestart, "The state is written at least this often while events arrive."},
    Key{"storage.history_retention",
        Duration{member<&Options::storage, &Storage::history_retention>,
                 {0, 3'650 * kDay, kSecond}},
        kTunable,
        "Events older than this leave the log; rows stay. 0 keeps all: the state can be rebuilt."},

    Key{"engine.inbox_max", Count{member<&Options::engine, &Engine::inbox_max>, kQueue, "commands"},
        kRestart, "Waiting to be decided; above it requests are refused with 503."},
    Key{"engine.batch_max",
        Count{member<&Options::engine, &Engine::batch_max>, {1, 65'536}, "commands"}, kRestart,
        "Decided together and made durable by one commit."},

    Key{"gateway.kind", choice<&Options::gateway, &Gateway::kind>(kGatewayKinds), kRestart,
        "The mock answers inside this process and moves no money; http calls gateway.url."},
    Key{"gateway.url", Text{member<&Options::gateway, &Gateway::url>, Text::Rule::kUrl, kUrlOrNone},
        kRestart, "Where the gateway is called; needed where gateway.kind is http."},
    Key{"gateway.api_key",
        Text{member<&Options::gateway, &Gateway::api_key>, Text::Rule::kAny,
             "text, empty for none"},
        kRestart, "Sent to the gateway as a bearer token.", kSecret},
    Key{"gateway.ca_file",
        Text{member<&Options::gateway, &Gateway::ca_file>, Text::Rule::kAny, kPathOrSystem},
        kRestart, "The certificates that may vouch for the gateway."},
    Key{"gateway.calls_max", Count{member<&Options::gateway, &Gateway::calls_max>, kCalls, "calls"},
        kRestart,
        "Calls to the gateway at the same time; one that waits costs a socket and no thread."},
    Key{"gateway.queue_max", Count{member<&Options::gateway, &Gateway::queue_max>, kQueue, "calls"},
        kRestart, "Held in memory to be made; the rest wait in the state."},
    Key{"gateway.connect_timeout",
        Duration{member<&Options::gateway, &Gateway::connect_timeout>, kIoTimeout}, kRestart,
        "A connection that takes longer is given up; the gateway has seen nothing."},
    Key{"gateway.timeout", Duration{member<&Options::gateway, &Gateway::timeout>, kIoTimeout},
        kRestart, "From the start of a call to its end; without an answer by then it is in doubt."},
    Key{"gateway.refused_errors",
        TextList{member<&Options::gateway, &Gateway::refused_errors>, Text::Rule::kNotEmpty,
                 kErrorCodesMax, "error codes"},
        kRestart, "What the gateway answers with these is final: the call is not repeated."},
    Key{"gateway.inquiry_initial_interval",
        Duration{member<&Options::gateway, &Gateway::inquiry_initial_interval>, kInterval},
        kRestart, "Wait before the gateway is first asked what became of a call in doubt."},
    Key{"gateway.inquiry_maximum_interval",
        Duration{member<&Options::gateway, &Gateway::inquiry_maximum_interval>, kInterval},
        kRestart, "No wait between two such inquiries is longer."},
    Key{"gateway.callback_secrets",
        TextList{member<&Options::gateway, &Gateway::callback_secrets>, Text::Rule::kWebhookSecret,
                 kSecretsMax, "secrets, each whsec_ and base64"},
        kRestart, "Any one of them may sign a callback; with none, no signature is asked for.",
        kSecret},
    Key{"gateway.callback_tolerance",
        Duration{member<&Options::gateway, &Gateway::callback_tolerance>, {kSecond, kDay, kSecond}},
        kRestart, "A signature that is older, or further in the future, is refused."},
    Key{"gateway.callback_timeout",
        Duration{member<&Options::gateway, &Gateway::callback_timeout>, kPatience}, kRestart,
        "A promised callback has this long to come; then the payment fails and is undone."},
    Key{"gateway.callback_delay",
        Duration{member<&Options::gateway, &Gateway::callback_delay>, kMockDelay}, kRestart,
        "How long the mock takes to call back about pm_async."},
    Key{"gateway.latency", Duration{member<&Options::gateway, &Gateway::latency>, kMockDelay},
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

    Key{"fraud.mode", choice<&Options::fraud, &Fraud::mode>(kFraudModes), kRestart,
        "Automatic gives fraud.verdict, manual waits for a person, http asks fraud.url."},
    Key{"fraud.delay", Duration{member<&Options::fraud, &Fraud::delay>, kMockDelay}, kRestart,
        "How long the automatic check takes."},
    Key{"fraud.slow_delay", Duration{member<&Options::fraud, &Fraud::slow_delay>, kMockDelay},
        kRestart, "How long the automatic check takes for pm_fraud_slow."},
    Key{"fraud.verdict", choice<&Options::fraud, &Fraud::verdict>(kFraudVerdicts), kRestart,
        "What the automatic check finds."},
    Key{"fraud.timeout", Duration{member<&Options::fraud, &Fraud::timeout>, kPatience}, kRestart,
        "A check without a verdict by then has timed out."},
    Key{"fraud.parent_close", choice<&Options::fraud, &Fraud::parent_close>(kFraudCloses), kRestart,
        "What becomes of a running check when its payment ends."},
    Key{"fraud.url", Text{member<&Options::fraud, &Fraud::url>, Text::Rule::kUrl, kUrlOrNone},
        kRestart, "Where the check is asked for; needed where fraud.mode is http."},
    Key{"fraud.request_timeout",
        Duration{member<&Options::fraud, &Fraud::request_timeout>, kIoTimeout}, kRestart,
        "A request to fraud.url that takes longer has failed."},
    Key{"fraud.calls_max", Count{member<&Options::fraud, &Fraud::calls_max>, kCalls, "checks"},
        kRestart, "Checks made at the same time; one that waits costs a socket and no thread."},
    Key{"fraud.queue_max", Count{member<&Options::fraud, &Fraud::queue_max>, kQueue, "checks"},
        kRestart, "Held in memory to be made; the rest wait in the state."},
    Key{"fraud.retry.initial_interval",
        Duration{member<&Options::fraud, &Fraud::retry, &RetryPolicy::initial_interval>, kInterval},
        kRestart, "Wait before the second attempt."},
    Key{"fraud.retry.backoff_coefficient",
        Decimal{member<&Options::fraud, &Fraud::retry, &RetryPolicy::backoff_coefficient_permille>,
                kCoefficient, "factor"},
        kRestart, "Each further wait is this many times the one before."},
    Key{"fraud.retry.maximum_interval",
        Duration{member<&Options::fraud, &Fraud::retry, &RetryPolicy::maximum_interval>, kInterval},
        kRestart, "No wait is longer."},
    Key{"fraud.retry.maximum_attempts",
        Count{member<&Options::fraud, &Fraud::retry, &RetryPolicy::maximum_attempts>, kAttempts,
              "attempts"},
        kRestart, "The first one included; then fraud.timeout ends the check."},

    Key{"notify.log", Flag{member<&Options::notify, &Notify::log>}, kRestart,
        "Whether each notification writes a line to standard error."},
    Key{"notify.workers", Count{member<&Options::notify, &Notify::workers>, kWorkers, "threads"},
        kRestart, "Notifications delivered at the same time, for each of webhook and mail."},
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
    Key{"notify.webhook.url",
        Text{member<&Options::notify, &Notify::webhook, &Webhook::url>, Text::Rule::kUrl,
             kUrlOrNone},
        kRestart, "Each notification is posted here."},
    Key{"notify.webhook.secret",
        Text{member<&Options::notify, &Notify::webhook, &Webhook::secret>,
             Text::Rule::kWebhookSecret, "whsec_ and base64 of 24 to 64 bytes"},
        kRestart, "Signs each request; needed where notify.webhook.url is set.", kSecret},
    Key{"notify.webhook.ca_file",
        Text{member<&Options::notify, &Notify::webhook, &Webhook::ca_file>, Text::Rule::kAny,
             kPathOrSystem},
        kRestart, "The certificates that may vouch for the receiver."},
    Key{"notify.webhook.timeout",
        Duration{member<&Options::notify, &Notify::webhook, &Webhook::timeout>, kIoTimeout},
        kRestart, "A request that takes longer has failed."},
    Key{"notify.webhook.schedule",
        DurationList{member<&Options::notify, &Notify::webhook, &Webhook::schedule>, kInterval,
                     kWaitsMax},
        kRestart, "The waits before attempt 2, 3 and so on; after the last one it is given up."},
    Key{"notify.webhook.allow_private",
        Flag{member<&Options::notify, &Notify::webhook, &Webhook::allow_private>}, kRestart,
        "Without it private, loopback and link-local addresses are refused."},

    Key{"notify.smtp.host",
        Text{member<&Options::notify, &Notify::smtp, &Smtp::host>, Text::Rule::kAny,
             "name or address, empty for none"},
        kRestart, "Each notification is mailed through this server."},
    Key{"notify.smtp.port",
        Count{member<&Options::notify, &Notify::smtp, &Smtp::port>, {1, 65'535}, "port"}, kRestart,
        "Usually 25 or 587 for none and starttls, 465 for tls."},
    Key{"notify.smtp.from",
        Text{member<&Options::notify, &Notify::smtp, &Smtp::from>, Text::Rule::kAny,
             "mail address"},
        kRestart, "Who sends the mail; needed where notify.smtp.host is set."},
    Key{"notify.smtp.to",
        Text{member<&Options::notify, &Notify::smtp, &Smtp::to>, Text::Rule::kNotEmpty,
             "mail address"},
        kRestart, "Who receives it; {user_id} stands for the id of the user."},
    Key{"notify.smtp.username",
        Text{member<&Options::notify, &Notify::smtp, &Smtp::username>, Text::Rule::kAny,
             "text, empty for none"},
        kRestart, "Logs in to the server."},
    Key{"notify.smtp.password",
        Text{member<&Options::notify, &Notify::smtp, &Smtp::password>, Text::Rule::kAny,
             "text, empty for none"},
        kRestart, "Goes with notify.smtp.username.", kSecret},
    Key{"notify.smtp.tls", choice<&Options::notify, &Notify::smtp, &Smtp::tls>(kSmtpTls), kRestart,
        "How the connection is encrypted: not at all, after STARTTLS, or from its start."},
    Key{"notify.smtp.ca_file",
        Text{member<&Options::notify, &Notify::smtp, &Smtp::ca_file>, Text::Rule::kAny,
             kPathOrSystem},
        kRestart, "The certificates that may vouch for the server."},
    Key{"notify.smtp.timeout",
        Duration{member<&Options::notify, &Notify::smtp, &Smtp::timeout>, kIoTimeout}, kRestart,
        "A delivery that takes longer has failed."},

    Key{"payments.currency",
        Text{member<&Options::payments, &Payments::currency>, Text::Rule::kCurrency,
             "ISO 4217 code"},
        kRestart, "For requests that name none."},
    Key{"payments.open_max",
        Count{member<&Options::payments, &Payments::open_max>, {1, 100'000'000}, "payments"},
        kRestart, "With a call to the gateway or a fraud check still to come; above it, 503."},

    Key{"saga.payment.version",
        Count{member<&Options::saga, &Saga::payment_version>, {1, 2}, "version"}, kRestart,
        "Recorded in each payment at birth and kept to its end."},
    Key{"saga.payment.fraud_gate_amount",
        Text{member<&Options::saga, &Saga::fraud_gate_amount>, Text::Rule::kAmount,
             "decimal, in major units"},
        kRestart, "From this amount on, version 2 asks the fraud check first."},
    Key{"saga.payment.compensation.initial_interval",
        Duration{member<&Options::saga, &Saga::compensation, &RetryPolicy::initial_interval>,
                 kInterval},
        kRestart, "Wait before the second attempt."},
    Key{"saga.payment.compensation.backoff_coefficient",
        Decimal{
            member<&Options::saga, &Saga::compensation, &RetryPolicy::backoff_coefficient_permille>,
            kCoefficient, "factor"},
        kRestart, "Each further wait is this many times the one before."},
    Key{"saga.payment.compensation.maximum_interval",
        Duration{member<&Options::saga, &Saga::compensation, &RetryPolicy::maximum_interval>,
                 kInterval},
        kRestart, "No wait is longer."},
    Key{"saga.payment.compensation.maximum_attempts",
        Count{member<&Options::saga, &Saga::compensation, &RetryPolicy::maximum_attempts>,
              kAttempts, "attempts"},
        kRestart, "The first one included; then an operator has to look at it."},

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
