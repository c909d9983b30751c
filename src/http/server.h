// http/server.h: the HTTP server: cpp-httplib with every limit set, joined to the Api.
//
// A few threads serve all connections (loop.h); requests that read much run on `readers`, so that
// they hold nobody up. Lifetime: bind(), serve() in a thread of its own, stop(); and it outlives
// the engine, which may still wake who waited here. All functions from any thread; stop() may be
// called at any time.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "base/result.h"
#include "http/api.h"
#include "observe/logger.h"

namespace payonce::http {

struct ServerOptions {
  std::string host = "127.0.0.1";
  int port = 8080;  // 0: any free port
  std::size_t threads = 4;
  std::size_t readers = 8;  // threads for requests that read much of the disk
  std::size_t connections_max = 10'000;
  std::size_t requests_max = 1'024;
  std::chrono::seconds keep_alive_timeout{60};
  std::size_t keep_alive_max_requests = 1'000'000;
  std::chrono::milliseconds read_timeout{10'000};
  std::chrono::milliseconds write_timeout{10'000};
  std::size_t body_bytes_max = 1 << 20;
  bool access_log = false;
};

class Server {
 public:
  Server(Api& api, observe::Logger& log, ServerOptions options);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // Takes the address; the port, which is the one chosen when 0 was asked for. From now on
  // connections are accepted by the kernel, and answered once serve() runs.
  [[nodiscard]] Result<int> bind();
  // Answers requests until stop(); returns when the last connection has ended. False: it ended by
  // itself, since no connection can be accepted any more.
  [[nodiscard]] bool serve();
  void stop();

 private:
  struct Library;  // keeps httplib.h out of this header
  std::unique_ptr<Library> library_;
};

// GET http://HOST:PORT/PATH of a server on this machine: its status code. For health checks.
[[nodiscard]] Result<int> probe(const std::string& host, int port, const std::string& path,
                                std::chrono::milliseconds timeout);

}  // namespace payonce::http
