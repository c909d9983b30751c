// app/mock_gateway_command.h: `payonce mock-gateway`: the mock as a server of its own.
//
// It serves the contract of adapters/http_gateway.h with the behaviours of adapters/mock_gateway.h,
// and calls back with signed webhooks, so that the whole path of a payment crosses real sockets. It
// has books of its own and never touches a server's data directory.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace payonce::app {

struct MockGatewayCommand {
  std::string listen = "127.0.0.1:8090";
  std::string callback_url;          // empty: nobody is called back
  std::vector<std::string> secrets;  // whsec_…; empty: callbacks are not signed
  std::int64_t callback_delay_ms = 500;
  std::int64_t latency_ms = 0;
  double failure_rate = 0.0;
  std::string journal;  // empty: the books end with the process
  bool hang = false;    // no answer: the connection is held for a minute, not cut at once
};

// Serves until SIGTERM or SIGINT; prints the address once it listens.
// kExitOk; kExitUsage when an option is not acceptable or the address cannot be taken.
[[nodiscard]] int mock_gateway(const MockGatewayCommand& command);

}  // namespace payonce::app
