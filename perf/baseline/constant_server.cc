// The yardstick of perf/: cpp-httplib on its own thread pool, answering a constant.
//
// It reads every request body, as payonce must, and answers one JSON text about as long as a
// payment. What payonce does beyond this is the price of its durability and its state machine.
// Limits: one thread per open connection; more connections than threads wait.
//
// usage: constant_server [--listen HOST:PORT] [--threads N]

#include <charconv>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <thread>

#include "httplib.h"

namespace {

// As payonce listened when the budgets were set.
constexpr std::size_t kThreadsDefault = 96;
constexpr std::size_t kKeepAliveRequestsMax = 1'000'000;
constexpr time_t kKeepAliveTimeoutSeconds = 60;
constexpr time_t kIoTimeoutSeconds = 10;
constexpr std::size_t kBodyBytesMax = 1 << 20;

constexpr std::size_t kThreadsMax = 4096;
constexpr std::size_t kWaitingConnectionsMax = 1024;

// As long as the answer to an accepted payment, so that both servers write as much.
constexpr std::string_view kAnswer =
    R"({"id":"pay_01890a5d-ac96-774b-bcce-b302099a8057","user_id":"bench-0","amount":"1.00",)"
    R"("currency":"USD","payment_method":"pm_ok","status":"processing","current_step":"gateway",)"
    R"("failure":null,"compensation":null,)"
    R"("gateway":{"reference":null,"attempts":0,"state":"none"},)"
    R"("fraud":{"workflow_id":null,"result":null},"version":1,)"
    R"("created_at":"2000-01-01T00:00:00.000Z","updated_at":"2000-01-01T00:00:00.000Z",)"
    R"("metadata":{}})";

struct Options {
  std::string host = "127.0.0.1";
  int port = 8081;
  std::size_t threads = kThreadsDefault;
};

[[noreturn]] void usage_error(std::string_view problem) {
  std::fprintf(stderr, "constant_server: %.*s\n", static_cast<int>(problem.size()), problem.data());
  std::fputs("usage: constant_server [--listen HOST:PORT] [--threads N]\n", stderr);
  std::exit(2);
}

std::size_t parse_number(std::string_view text, std::size_t min, std::size_t max) {
  std::size_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || value < min || value > max) {
    usage_error("bad number: " + std::string(text));
  }
  return value;
}

void parse_listen(std::string_view text, Options& options) {
  const auto colon = text.rfind(':');
  if (colon == std::string_view::npos) usage_error("--listen wants HOST:PORT");
  options.host = text.substr(0, colon);
  options.port = static_cast<int>(parse_number(text.substr(colon + 1), 1, 65535));
}

Options parse_options(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; i += 2) {
    const std::string_view flag = argv[i];
    if (i + 1 >= argc) usage_error("no value for " + std::string(flag));
    if (flag == "--listen") {
      parse_listen(argv[i + 1], options);
    } else if (flag == "--threads") {
      options.threads = parse_number(argv[i + 1], 1, kThreadsMax);
    } else {
      usage_error("unknown flag " + std::string(flag));
    }
  }
  return options;
}

void answer_constant(const httplib::Request&, httplib::Response& response) {
  response.set_content(kAnswer.data(), kAnswer.size(), "application/json");
}

void configure(httplib::Server& server, std::size_t threads) {
  // The server takes ownership of the queue that this makes.
  server.new_task_queue = [threads] {
    return new httplib::ThreadPool(threads, threads, kWaitingConnectionsMax);
  };
  server.set_keep_alive_max_count(kKeepAliveRequestsMax);
  server.set_keep_alive_timeout(kKeepAliveTimeoutSeconds);
  server.set_read_timeout(kIoTimeoutSeconds, 0);
  server.set_write_timeout(kIoTimeoutSeconds, 0);
  server.set_payload_max_length(kBodyBytesMax);
  server.set_tcp_nodelay(true);
  // The measured route first and by the cheaper matcher: a yardstick must not be slow. The
  // regular expression takes every other path.
  for (const char* path : {"/:a/:b", ".*"}) {
    server.Get(path, answer_constant);
    server.Post(path, answer_constant);
  }
}

}  // namespace

int main(int argc, char** argv) {
  const Options options = parse_options(argc, argv);

  // Blocked before any thread exists, so that only sigwait below ever sees them.
  sigset_t stop_signals;
  sigemptyset(&stop_signals);
  sigaddset(&stop_signals, SIGTERM);
  sigaddset(&stop_signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &stop_signals, nullptr);

  httplib::Server server;
  configure(server, options.threads);
  if (!server.bind_to_port(options.host, options.port)) {
    std::fprintf(stderr, "constant_server: cannot listen on %s:%d\n", options.host.c_str(),
                 options.port);
    return 1;
  }
  std::thread stopper([&server, &stop_signals] {
    int signal = 0;
    sigwait(&stop_signals, &signal);
    server.stop();
  });
  const bool clean = server.listen_after_bind();
  if (!clean) pthread_kill(stopper.native_handle(), SIGTERM);
  stopper.join();
  return clean ? 0 : 1;
}
