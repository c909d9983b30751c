#include "app/simulate_apart.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <memory>
#include <sstream>
#include <string_view>
#include <system_error>
#include <utility>

namespace payonce::app {
namespace {

// A run that takes longer makes no progress, and is a finding.
constexpr unsigned kLongestS = 240;

// What the child writes, a line each: what happens as it happens, then the report.
constexpr char kTrace = 't';
constexpr char kNumbers = 'n';
constexpr char kRule = 'r';
constexpr char kWhat = 'w';

struct Close {
  void operator()(std::FILE* file) const { std::fclose(file); }
};
using File = std::unique_ptr<std::FILE, Close>;

void say(std::FILE* to, char kind, std::string text) {
  std::ranges::replace(text, '\n', ' ');
  std::fprintf(to, "%c%s\n", kind, text.c_str());
}

std::string numbers_of(const sim::Report& report) {
  std::ostringstream out;
  out << report.hash << ' ' << report.simulated.us << ' ' << report.answers << ' '
      << report.payments << ' ' << report.commits << ' ' << report.starts << ' ' << report.crashes
      << ' ' << report.rebuilds;
  return out.str();
}

void read_numbers(const std::string& text, sim::Report& report) {
  std::istringstream in(text);
  in >> report.hash >> report.simulated.us >> report.answers >> report.payments >> report.commits >>
      report.starts >> report.crashes >> report.rebuilds;
}

[[noreturn]] void run_child(const sim::Plan& plan, const std::string& dir, bool traced, int fd) {
  const File out(::fdopen(fd, "w"));
  ::alarm(kLongestS);
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // nobody would read what it finds
  sim::Trace trace;
  if (traced) {
    trace = [&](const std::string& line) {
      say(out.get(), kTrace, line);
      std::fflush(out.get());  // the next step may be the last
    };
  }
  const sim::Report report = sim::simulate(plan, dir, trace);
  if (report.violation) {
    say(out.get(), kRule, report.violation->rule);
    say(out.get(), kWhat, report.violation->what);
  }
  say(out.get(), kNumbers, numbers_of(report));
  std::fflush(out.get());
  ::_exit(0);
}

// The report and the last `lines` of what happened; false: it is not whole.
bool read_report(std::FILE* from, std::size_t lines, sim::Report& report) {
  bool whole = false;
  std::string line;
  for (int c = std::fgetc(from); c != EOF; c = std::fgetc(from)) {
    if (c != '\n') {
      line += static_cast<char>(c);
      continue;
    }
    const std::string text = line.empty() ? line : line.substr(1);
    switch (line.empty() ? '\0' : line.front()) {
      case kTrace:
        if (report.trace.size() >= 2 * lines) {
          report.trace.erase(report.trace.begin(),
                             report.trace.end() - static_cast<std::ptrdiff_t>(lines));
        }
        report.trace.push_back(text);
        break;
      case kRule:
        report.violation.emplace().rule = text;
        break;
      case kWhat:
        report.violation->what = text;
        break;
      case kNumbers:
        read_numbers(text, report);
        whole = true;
        break;
      default:
        break;
    }
    line.clear();
  }
  if (report.trace.size() > lines) {
    report.trace.erase(report.trace.begin(),
                       report.trace.end() - static_cast<std::ptrdiff_t>(lines));
  }
  return whole;
}

}  // namespace

Result<sim::Report> simulate_apart(const sim::Plan& plan, const std::string& dir,
                                   std::size_t trace_lines) {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
    return fail(Errc::kIo, std::string("no pipe: ") + std::strerror(errno));
  }
  std::fflush(nullptr);
  const pid_t child = ::fork();
  if (child < 0) {
    ::close(ends[0]);
    ::close(ends[1]);
    return fail(Errc::kIo, std::string("no process: ") + std::strerror(errno));
  }
  if (child == 0) {
    ::close(ends[0]);
    run_child(plan, dir, trace_lines > 0, ends[1]);
  }
  ::close(ends[1]);
  sim::Report report;
  bool whole = false;
  {
    const File in(::fdopen(ends[0], "r"));
    whole = read_report(in.get(), trace_lines, report);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  if (!whole) {
    const std::string how = WIFSIGNALED(status) ? "signal " + std::to_string(WTERMSIG(status))
                                                : "code " + std::to_string(WEXITSTATUS(status));
    report.violation = sim::Violation{.rule = "assertion", .what = "the process ended by " + how};
    std::error_code ignored;
    std::filesystem::remove_all(dir, ignored);
  }
  return report;
}

}  // namespace payonce::app
