#include "app/fault_handler.h"

#include <fcntl.h>
#include <unistd.h>

#include <csignal>
#include <cstring>
#include <string_view>

#include "app/store.h"

// The sanitizers report such faults themselves, and better.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define PAYONCE_SANITIZED 1
#endif

namespace payonce::app {
namespace {

constexpr std::size_t kPathMax = 4096;
char g_note_path[kPathMax];

// Only async-signal-safe calls from here on.
extern "C" void on_fault(int signal) {
  constexpr std::string_view kText =
      "payonce: memory fault; if it comes again, the data files may be damaged. "
      "The state will be rebuilt from the log at the next start, if the log is whole.\n";
  static_cast<void>(::write(STDERR_FILENO, kText.data(), kText.size()) < 0);
  const int note = ::open(g_note_path, O_WRONLY | O_CREAT | O_CLOEXEC, 0640);
  if (note >= 0) {
    ::close(note);
  }
  std::signal(signal, SIG_DFL);
  ::raise(signal);
}

}  // namespace

void install_fault_handler(const std::string& data_path) {
  const std::string note = distrust_path(data_path);
  if (note.size() >= kPathMax) {
    return;
  }
  std::memcpy(g_note_path, note.c_str(), note.size() + 1);
#ifndef PAYONCE_SANITIZED
  struct sigaction action {};
  action.sa_handler = on_fault;
  ::sigaction(SIGBUS, &action, nullptr);
  ::sigaction(SIGSEGV, &action, nullptr);
#endif
}

}  // namespace payonce::app
