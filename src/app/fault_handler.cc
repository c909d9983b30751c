#include "app/fault_handler.h"

#include <fcntl.h>
#include <unistd.h>

#include <csignal>
#include <cstring>
#include <exception>
#include <new>
#include <string_view>

#include "app/exit_code.h"
#include "app/store.h"

// The sanitizers report such faults themselves, and better.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define PAYONCE_SANITIZED 1
#endif

namespace payonce::app {
namespace {

constexpr std::size_t kPathMax = 4096;
char g_note_path[kPathMax];
std::terminate_handler g_default_terminate = nullptr;

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

// An exception that nobody handled. Without memory nothing can be finished, and what was being
// decided must not be shown; what was acknowledged is durable.
void on_terminate() {
  if (const std::exception_ptr thrown = std::current_exception()) {
    try {
      std::rethrow_exception(thrown);
    } catch (const std::bad_alloc&) {
      constexpr std::string_view kText =
          "{\"level\":\"error\",\"event\":\"out_of_memory\","
          "\"next\":\"stopping; what was acknowledged is durable, start again to recover\"}\n";
      static_cast<void>(::write(STDERR_FILENO, kText.data(), kText.size()) < 0);
      ::_exit(kExitFailed);
    } catch (...) {  // the default handler below says what it is
    }
  }
  g_default_terminate();
}

}  // namespace

void install_fault_handler(const std::string& data_path) {
  g_default_terminate = std::set_terminate(on_terminate);
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
