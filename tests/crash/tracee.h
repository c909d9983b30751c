// tests/crash/tracee.h: a traced process as its tracer sees it: calls, memory, files.
//
// Everything here is for a thread that stands still at a call, and gives what there is: an empty
// text when the thread has died meanwhile.
#pragma once

#include <sys/types.h>

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

namespace payonce::crash {

struct Watched {
  int number;
  const char* name;
};
// The calls by which files change or anything is said to the outside.
[[nodiscard]] std::span<const Watched> watched_calls();

struct Call {
  pid_t tid = 0;
  int number = 0;
  const char* name = "";
  std::array<std::uint64_t, 6> arguments{};
  std::string target;  // path of the file, or "socket"
};

// The call at which the thread stands, if it writes to a socket or changes what is below `data`.
[[nodiscard]] std::optional<Call> look(pid_t tid, const std::string& data);

[[nodiscard]] std::string read_memory(pid_t pid, std::uint64_t address, std::uint64_t size);
[[nodiscard]] std::string read_text(pid_t pid, std::uint64_t address);
[[nodiscard]] std::string read_vectors(pid_t pid, std::uint64_t address, std::uint64_t count);
// What a call writes to a socket.
[[nodiscard]] std::string sent(const Call& call);

// Of the descriptor that is the call's first argument.
[[nodiscard]] bool is_directory(const Call& call);
struct OpenFile {
  bool durable = false;  // with O_DSYNC: what is written is synced
  std::uint64_t position = 0;
};
[[nodiscard]] OpenFile open_file(const Call& call);
[[nodiscard]] std::uint64_t inode(const Call& call);  // 0: not known

}  // namespace payonce::crash
