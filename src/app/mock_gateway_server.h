// app/mock_gateway_server.h: the mock gateway behind HTTP, for `payonce mock-gateway` and its
// tests.
//
// The contract is that of adapters/http_gateway.h, the behaviours are those of
// adapters/mock_gateway.h. The book (and the journal, if there is one) is the whole state: a server
// that is started again on its journal gives the same answers and catches up on its callbacks.
// Threads: a fixed pool for connections. Lifetime: open(), bind(), serve() in a thread of its own,
// stop() from any other. Errors: in the Result; a request that is not sound is answered with 4xx.
#pragma once

#include <memory>

#include "app/mock_gateway_command.h"
#include "base/result.h"

namespace payonce::app {

class MockGatewayServer {
 public:
  // kInvalid: a secret, the callback URL or the address is not acceptable; else the journal's.
  [[nodiscard]] static Result<std::unique_ptr<MockGatewayServer>> open(
      const MockGatewayCommand& command);
  ~MockGatewayServer();
  MockGatewayServer(const MockGatewayServer&) = delete;
  MockGatewayServer& operator=(const MockGatewayServer&) = delete;

  // Takes the address; answers "HOST:PORT" with the port that was chosen when 0 was asked for.
  [[nodiscard]] Result<std::string> bind();
  void serve();  // until stop()
  void stop();

 private:
  class Library;  // keeps httplib.h out of this header

  explicit MockGatewayServer(std::unique_ptr<Library> library);
  std::unique_ptr<Library> library_;
};

}  // namespace payonce::app
