#include "app/mock_gateway_command.h"

#include <csignal>
#include <cstdio>
#include <thread>

#include "app/exit_code.h"
#include "app/mock_gateway_server.h"

namespace payonce::app {
namespace {

int refuse(const Error& error) {
  std::fprintf(stderr, "payonce: %s\n", error.message.c_str());
  return kExitUsage;
}

}  // namespace

int mock_gateway(const MockGatewayCommand& command) {
  // Taken by sigwait below; every thread inherits the mask.
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  const auto server = MockGatewayServer::open(command);
  if (!server) {
    return refuse(server.error());
  }
  const auto address = (*server)->bind();
  if (!address) {
    return refuse(address.error());
  }
  std::thread serving([&] { (*server)->serve(); });
  std::printf("mock gateway listening on http://%s\n", address->c_str());
  std::fflush(stdout);
  int signal = 0;
  sigwait(&signals, &signal);
  (*server)->stop();
  serving.join();
  return kExitOk;
}

}  // namespace payonce::app
