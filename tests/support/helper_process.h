// tests/support/helper_process.h: a Python program of tests/support that serves a test.
//
// It speaks in JSON objects, one a line, on its standard output. It ends when its standard input
// does, so it does not outlive the test, however that ends.
#pragma once

#include <fcntl.h>
#include <poll.h>
#include <rapidjson/document.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <string>
#include <utility>
#include <vector>

namespace payonce::testing_support {

class HelperProcess {
 public:
  // `arguments`: the file in tests/support, then what it takes.
  explicit HelperProcess(std::vector<std::string> arguments) {
    arguments.front() = std::string(PAYONCE_SOURCE_DIR) + "/tests/support/" + arguments.front();
    // Debian's Python, which has Debian's packages.
    std::vector<char*> argv{const_cast<char*>("/usr/bin/python3"), const_cast<char*>("-B")};
    for (std::string& argument : arguments) {
      argv.push_back(argument.data());
    }
    argv.push_back(nullptr);
    std::array<int, 2> in{};
    std::array<int, 2> out{};
    if (::pipe2(in.data(), O_CLOEXEC) != 0 || ::pipe2(out.data(), O_CLOEXEC) != 0) {
      return;
    }
    posix_spawn_file_actions_t actions{};
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_adddup2(&actions, in[0], STDIN_FILENO);
    ::posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
    if (::posix_spawn(&pid_, argv.front(), &actions, nullptr, argv.data(), environ) != 0) {
      pid_ = -1;
    }
    ::posix_spawn_file_actions_destroy(&actions);
    ::close(in[0]);
    ::close(out[1]);
    to_ = in[1];
    from_ = out[0];
  }
  ~HelperProcess() {
    ::close(to_);
    ::close(from_);
    if (pid_ > 0) {
      ::kill(pid_, SIGKILL);
      ::waitpid(pid_, nullptr, 0);
    }
  }
  HelperProcess(const HelperProcess&) = delete;
  HelperProcess& operator=(const HelperProcess&) = delete;

  // The next thing that it says; null after half a minute, or if it has ended.
  [[nodiscard]] rapidjson::Document next() {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    std::size_t end = 0;
    while ((end = said_.find('\n')) == std::string::npos) {
      const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
          deadline - std::chrono::steady_clock::now());
      pollfd waiting{.fd = from_, .events = POLLIN, .revents = 0};
      std::array<char, 4096> buffer{};
      if (left.count() <= 0 || ::poll(&waiting, 1, static_cast<int>(left.count())) <= 0) {
        return {};
      }
      const ssize_t size = ::read(from_, buffer.data(), buffer.size());
      if (size <= 0) {
        return {};
      }
      said_.append(buffer.data(), static_cast<std::size_t>(size));
    }
    rapidjson::Document document;
    document.Parse(said_.data(), end);
    said_.erase(0, end + 1);
    return document;
  }

 private:
  pid_t pid_ = -1;
  int to_ = -1;
  int from_ = -1;
  std::string said_;
};

}  // namespace payonce::testing_support
