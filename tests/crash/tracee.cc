#include "tracee.h"

#include <fcntl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <cstdio>
#include <cstring>
#include <string_view>

namespace payonce::crash {
namespace {

constexpr std::size_t kIovecsMax = 1024;
constexpr std::uint64_t kBytesMax = std::uint64_t{64} << 20;

constexpr Watched kWatched[] = {
    {SYS_pwrite64, "pwrite64"},   {SYS_pwritev, "pwritev"},     {SYS_pwritev2, "pwritev2"},
    {SYS_write, "write"},         {SYS_writev, "writev"},       {SYS_fdatasync, "fdatasync"},
    {SYS_fsync, "fsync"},         {SYS_msync, "msync"},         {SYS_ftruncate, "ftruncate"},
    {SYS_truncate, "truncate"},   {SYS_fallocate, "fallocate"}, {SYS_renameat, "renameat"},
    {SYS_renameat2, "renameat2"}, {SYS_unlinkat, "unlinkat"},   {SYS_mkdirat, "mkdirat"},
    {SYS_openat, "openat"},       {SYS_sendto, "sendto"},       {SYS_sendmsg, "sendmsg"},
#ifdef SYS_rename
    {SYS_rename, "rename"},       {SYS_unlink, "unlink"},       {SYS_mkdir, "mkdir"},
    {SYS_open, "open"},           {SYS_rmdir, "rmdir"},
#endif
};

std::string read_link(const std::string& path) {
  std::array<char, PATH_MAX> text{};
  const ssize_t size = ::readlink(path.c_str(), text.data(), text.size());
  return {text.data(), size > 0 ? static_cast<std::size_t>(size) : 0};
}

std::string fd_path(pid_t pid, std::uint64_t fd) {
  return "/proc/" + std::to_string(pid) + "/fd/" + std::to_string(static_cast<int>(fd));
}

bool is_path_call(int number) {
  switch (number) {
    case SYS_openat:
    case SYS_renameat:
    case SYS_renameat2:
    case SYS_unlinkat:
    case SYS_mkdirat:
    case SYS_truncate:
#ifdef SYS_rename
    case SYS_rename:
    case SYS_unlink:
    case SYS_mkdir:
    case SYS_open:
    case SYS_rmdir:
#endif
      return true;
    default:
      return false;
  }
}

bool takes_directory(int number) {
  return number == SYS_openat || number == SYS_renameat || number == SYS_renameat2 ||
         number == SYS_unlinkat || number == SYS_mkdirat;
}

bool matters_by_path(Call& call, const std::string& data) {
  const std::size_t at = takes_directory(call.number) ? 1 : 0;
  call.target = read_text(call.tid, call.arguments[at]);
  const bool opens = call.number == SYS_openat || std::string_view(call.name) == "open";
  if (opens && (call.arguments[at + 1] & O_CREAT) == 0) {
    return false;
  }
  return call.target.starts_with(data);
}

}  // namespace

std::span<const Watched> watched_calls() { return kWatched; }

std::string read_memory(pid_t pid, std::uint64_t address, std::uint64_t size) {
  std::string bytes(std::min(size, kBytesMax), '\0');
  iovec to{.iov_base = bytes.data(), .iov_len = bytes.size()};
  iovec from{.iov_base = reinterpret_cast<void*>(address), .iov_len = bytes.size()};
  const ssize_t got = ::process_vm_readv(pid, &to, 1, &from, 1, 0);
  bytes.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
  return bytes;
}

std::string read_text(pid_t pid, std::uint64_t address) {
  // Not beyond the end of the page, behind which nothing may be.
  constexpr std::uint64_t kPage = 4096;
  std::string text;
  while (text.size() < PATH_MAX) {
    const std::string part = read_memory(pid, address, kPage - address % kPage);
    const std::size_t end = part.find('\0');
    text += part.substr(0, end);
    if (end != std::string::npos || part.empty()) {
      break;
    }
    address += part.size();
  }
  return text;
}

std::string read_vectors(pid_t pid, std::uint64_t address, std::uint64_t count) {
  std::string bytes;
  const std::string raw =
      read_memory(pid, address, std::min<std::uint64_t>(count, kIovecsMax) * sizeof(iovec));
  for (std::size_t at = 0; at + sizeof(iovec) <= raw.size(); at += sizeof(iovec)) {
    iovec one{};
    std::memcpy(&one, raw.data() + at, sizeof one);
    bytes += read_memory(pid, reinterpret_cast<std::uint64_t>(one.iov_base), one.iov_len);
  }
  return bytes;
}

std::optional<Call> look(pid_t tid, const std::string& data) {
  __ptrace_syscall_info info{};
  if (::ptrace(PTRACE_GET_SYSCALL_INFO, tid, sizeof info, &info) <= 0 ||
      info.op != PTRACE_SYSCALL_INFO_SECCOMP) {
    return std::nullopt;
  }
  Call call;
  call.tid = tid;
  call.number = static_cast<int>(info.seccomp.nr);
  for (std::size_t i = 0; i < call.arguments.size(); ++i) {
    call.arguments[i] = info.seccomp.args[i];
  }
  for (const Watched& watched : kWatched) {
    if (watched.number == call.number) {
      call.name = watched.name;
    }
  }
  if (call.number == SYS_msync) {
    call.target = "map";
    return call;
  }
  if (is_path_call(call.number)) {
    return matters_by_path(call, data) ? std::optional(call) : std::nullopt;
  }
  call.target = read_link(fd_path(tid, call.arguments[0]));
  if (call.target.starts_with("socket:")) {
    call.target = "socket";
    return call;
  }
  return call.target.starts_with(data) ? std::optional(call) : std::nullopt;
}

bool is_directory(const Call& call) {
  struct stat status {};
  return ::stat(fd_path(call.tid, call.arguments[0]).c_str(), &status) == 0 &&
         S_ISDIR(status.st_mode);
}

std::string sent(const Call& call) {
  const auto& a = call.arguments;
  switch (call.number) {
    case SYS_write:
    case SYS_sendto:
      return read_memory(call.tid, a[1], a[2]);
    case SYS_writev:
      return read_vectors(call.tid, a[1], a[2]);
    case SYS_sendmsg: {
      msghdr message{};
      const std::string raw = read_memory(call.tid, a[1], sizeof message);
      if (raw.size() == sizeof message) {
        std::memcpy(&message, raw.data(), sizeof message);
        return read_vectors(call.tid, reinterpret_cast<std::uint64_t>(message.msg_iov),
                            message.msg_iovlen);
      }
      return {};
    }
    default:
      return {};
  }
}

OpenFile open_file(const Call& call) {
  const std::string path = "/proc/" + std::to_string(call.tid) + "/fdinfo/" +
                           std::to_string(static_cast<int>(call.arguments[0]));
  OpenFile file;
  std::FILE* const info = std::fopen(path.c_str(), "re");
  if (info == nullptr) {
    return file;
  }
  std::array<char, 256> line{};
  while (std::fgets(line.data(), line.size(), info) != nullptr) {
    unsigned flags = 0;
    unsigned long long position = 0;
    if (std::sscanf(line.data(), "flags: %o", &flags) == 1) {
      file.durable = (flags & O_DSYNC) != 0;
    } else if (std::sscanf(line.data(), "pos: %llu", &position) == 1) {
      file.position = position;
    }
  }
  std::fclose(info);
  return file;
}

std::uint64_t inode(const Call& call) {
  struct stat status {};
  const bool known = ::stat(fd_path(call.tid, call.arguments[0]).c_str(), &status) == 0;
  return known ? status.st_ino : 0;
}

}  // namespace payonce::crash
