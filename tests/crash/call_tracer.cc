// call_tracer: runs a program and stops it at the system calls by which it changes its data
// directory or says something to the outside, in the order in which they begin, over all threads.
//
//   call_tracer --data DIR [--kill N (--before | --after)] [--record FILE] -- PROGRAM ARGUMENT...
//
// --kill sends SIGKILL to the whole process right before the N-th such call is carried out, or
// right after; what other threads do at that moment is theirs, as it is with any kill. --record
// writes every call and its bytes to FILE (trace_format.h). The last line on standard error is
//   call_tracer: calls=N killed=NAME:TARGET
// SIGTERM and SIGINT are passed on. The exit code is the program's, 128 + the signal if it was
// killed, 125 when tracing failed. Linux only. A filter (seccomp) lets all other calls run at full
// speed.
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "trace_format.h"
#include "tracee.h"

namespace payonce::crash {
namespace {

constexpr int kTracingFailed = 125;

struct Options {
  std::string data;
  std::uint64_t kill = 0;  // 0: never
  bool after = false;
  std::string record;
  char** program = nullptr;
};

pid_t g_child = 0;

extern "C" void pass_on(int signal) {
  if (g_child > 0) {
    ::kill(g_child, signal);
  }
}

[[noreturn]] void give_up(const std::string& doing) {
  std::fprintf(stderr, "call_tracer: %s: %s\n", doing.c_str(), std::strerror(errno));
  if (g_child > 0) {
    ::kill(g_child, SIGKILL);
  }
  std::_Exit(kTracingFailed);
}

// ---- In the child

void install_filter() {
  std::vector<sock_filter> filter;
  filter.push_back(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)));
  for (const Watched& call : watched_calls()) {
    filter.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<unsigned>(call.number), 0, 1));
    filter.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE));
  }
  filter.push_back(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
  const sock_fprog program{.len = static_cast<unsigned short>(filter.size()),
                           .filter = filter.data()};
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
      ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) {
    give_up("cannot install the filter");
  }
}

[[noreturn]] void be_child(char** program) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) != 0) {
    give_up("cannot be traced");
  }
  ::raise(SIGSTOP);
  install_filter();
  ::execvp(program[0], program);
  give_up(std::string("cannot run ") + program[0]);
}

class Tracer {
 public:
  explicit Tracer(Options options) : options_(std::move(options)) {
    if (!options_.record.empty()) {
      out_ = std::fopen(options_.record.c_str(), "wbe");
      if (out_ == nullptr) {
        give_up("cannot write " + options_.record);
      }
    }
  }

  int run() {
    g_child = ::fork();
    if (g_child < 0) {
      give_up("cannot fork");
    }
    if (g_child == 0) {
      be_child(options_.program);
    }
    begin();
    int status = 0;
    for (pid_t tid = ::waitpid(-1, &status, __WALL); tid > 0 || errno == EINTR;
         tid = ::waitpid(-1, &status, __WALL)) {
      if (tid > 0 && handle(tid, status)) {
        break;
      }
    }
    if (out_ != nullptr && std::fclose(out_) != 0) {
      give_up("cannot write " + options_.record);
    }
    std::fprintf(stderr, "call_tracer: calls=%llu killed=%s\n",
                 static_cast<unsigned long long>(calls_), killed_.c_str());
    return exit_code_;
  }

 private:
  void begin() const {
    int status = 0;
    if (::waitpid(g_child, &status, __WALL) != g_child || !WIFSTOPPED(status)) {
      give_up("the program did not stop for its tracer");
    }
    constexpr long kOptions = PTRACE_O_TRACESECCOMP | PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK |
                              PTRACE_O_TRACEVFORK | PTRACE_O_TRACEEXEC | PTRACE_O_TRACESYSGOOD |
                              PTRACE_O_EXITKILL;
    if (::ptrace(PTRACE_SETOPTIONS, g_child, nullptr, kOptions) != 0) {
      give_up("cannot set the tracer's options");
    }
    go_on(g_child, PTRACE_CONT, 0);
  }

  // The thread may have died meanwhile: then there is nothing to be told.
  static void go_on(pid_t tid, int how, int signal) {
    ::ptrace(static_cast<__ptrace_request>(how), tid, nullptr, static_cast<long>(signal));
  }

  // True when the process has ended.
  bool handle(pid_t tid, int status) {
    if (WIFEXITED(status) || WIFSIGNALED(status)) {
      if (tid == g_child) {
        exit_code_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
        return true;
      }
      return false;
    }
    if (!WIFSTOPPED(status)) {
      return false;
    }
    const int signal = WSTOPSIG(status);
    const int event = status >> 16;
    if (event == PTRACE_EVENT_SECCOMP) {
      enter(tid);
    } else if (event != 0) {
      go_on(tid, PTRACE_CONT, 0);
    } else if (signal == (SIGTRAP | 0x80)) {
      leave(tid);
    } else {
      // A new thread begins with a stop that is ours; every other signal is its own.
      const bool first = signal == SIGSTOP && tid != g_child && known_.insert(tid).second;
      go_on(tid, PTRACE_CONT, first ? 0 : signal);
    }
    return false;
  }

  void enter(pid_t tid) {
    const auto call = look(tid, options_.data);
    if (!call) {
      go_on(tid, PTRACE_CONT, 0);
      return;
    }
    const std::uint64_t number = ++calls_;
    if (out_ != nullptr) {
      record(number, *call);
    }
    if (number == options_.kill && !options_.after) {
      kill(*call);
      return;
    }
    if (out_ != nullptr || number == options_.kill) {
      open_[tid] = {number, *call};
      go_on(tid, PTRACE_SYSCALL, 0);
    } else {
      go_on(tid, PTRACE_CONT, 0);
    }
  }

  void leave(pid_t tid) {
    const auto found = open_.find(tid);
    if (found != open_.end()) {
      const auto [number, call] = found->second;
      open_.erase(found);
      if (number == options_.kill) {
        kill(call);
        return;
      }
      __ptrace_syscall_info info{};
      ::ptrace(PTRACE_GET_SYSCALL_INFO, tid, sizeof info, &info);
      write(Head{.kind = Kind::kEnd,
                 .call = number,
                 .offset = static_cast<std::uint64_t>(info.exit.rval)},
            {});
    }
    go_on(tid, PTRACE_CONT, 0);
  }

  void kill(const Call& call) {
    killed_ = std::string(call.name) + ":" + call.target;
    ::kill(g_child, SIGKILL);
  }

  // ---- The record

  void write(Head head, std::string_view bytes) {
    if (out_ == nullptr) {
      return;
    }
    head.size = bytes.size();
    if (std::fwrite(&head, sizeof head, 1, out_) != 1 ||
        (!bytes.empty() && std::fwrite(bytes.data(), bytes.size(), 1, out_) != 1)) {
      give_up("cannot write " + options_.record);
    }
  }

  // The inode behind a descriptor; its name is written down when it is new.
  std::uint64_t file_of(const Call& call) {
    const std::uint64_t file = inode(call);
    std::string& known = files_[file];
    if (known != call.target) {
      known = call.target;
      write(Head{.kind = Kind::kFile, .file = file}, call.target);
    }
    return file;
  }

  void record(std::uint64_t number, const Call& call) {
    const auto& a = call.arguments;
    Head head{.kind = Kind::kOther, .call = number};
    std::string bytes = call.name;
    if (call.target == "socket") {
      head.kind = Kind::kSend;
      bytes = sent(call);
    } else {
      switch (call.number) {
        case SYS_pwrite64:
          head.kind = Kind::kWrite;
          bytes = read_memory(call.tid, a[1], a[2]);
          head.offset = a[3];
          break;
        case SYS_pwritev:
        case SYS_pwritev2:
          head.kind = Kind::kWrite;
          bytes = read_vectors(call.tid, a[1], a[2]);
          head.offset = a[3];
          break;
        case SYS_write:
          head.kind = Kind::kWrite;
          bytes = read_memory(call.tid, a[1], a[2]);
          head.offset = open_file(call).position;
          break;
        case SYS_writev:
          head.kind = Kind::kWrite;
          bytes = read_vectors(call.tid, a[1], a[2]);
          head.offset = open_file(call).position;
          break;
        case SYS_ftruncate:
          head.kind = Kind::kTruncate;
          bytes.clear();
          head.offset = a[1];
          break;
        case SYS_fdatasync:
        case SYS_fsync:
          head.kind = is_directory(call) ? Kind::kSyncDir : Kind::kSync;
          bytes = call.target;
          break;
#ifdef SYS_rename
        case SYS_rename:
          head.kind = Kind::kRename;
          bytes = call.target + '\0' + read_text(call.tid, a[1]);
          break;
#endif
        case SYS_renameat:
        case SYS_renameat2:
          head.kind = Kind::kRename;
          bytes = call.target + '\0' + read_text(call.tid, a[3]);
          break;
        default:
          break;
      }
    }
    if (head.kind == Kind::kWrite || head.kind == Kind::kSync || head.kind == Kind::kTruncate) {
      head.file = file_of(call);
      head.durable = open_file(call).durable ? 1 : 0;
    }
    write(head, bytes);
  }

  Options options_;
  std::FILE* out_ = nullptr;
  std::uint64_t calls_ = 0;
  std::string killed_ = "nothing";
  int exit_code_ = kTracingFailed;
  std::set<pid_t> known_;
  std::map<pid_t, std::pair<std::uint64_t, Call>> open_;  // calls that have not returned
  std::map<std::uint64_t, std::string> files_;
};

std::optional<Options> parse(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    const bool more = i + 1 < argc;
    if (word == "--data" && more) {
      options.data = argv[++i];
    } else if (word == "--kill" && more) {
      options.kill = std::strtoull(argv[++i], nullptr, 10);
    } else if (word == "--before") {
      options.after = false;
    } else if (word == "--after") {
      options.after = true;
    } else if (word == "--record" && more) {
      options.record = argv[++i];
    } else if (word == "--" && more && !options.data.empty()) {
      options.program = argv + i + 1;
      return options;
    } else {
      break;
    }
  }
  return std::nullopt;
}

}  // namespace
}  // namespace payonce::crash

int main(int argc, char** argv) {
  using namespace payonce::crash;
  auto options = parse(argc, argv);
  if (!options) {
    std::fputs(
        "usage: call_tracer --data DIR [--kill N (--before | --after)] [--record FILE] -- "
        "PROGRAM ARGUMENT...\n",
        stderr);
    return kTracingFailed;
  }
  std::signal(SIGTERM, pass_on);
  std::signal(SIGINT, pass_on);
  return Tracer(*std::move(options)).run();
}
