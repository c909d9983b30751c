#include "log/data_dir.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <utility>

#include "log/lmdb_env.h"

namespace payonce::log {
namespace {

std::string holder_of(int fd) {
  std::array<char, 32> text{};
  const ssize_t size = ::pread(fd, text.data(), text.size() - 1, 0);
  std::string pid(text.data(), size > 0 ? static_cast<std::size_t>(size) : 0);
  while (!pid.empty() && (pid.back() < '0' || pid.back() > '9')) {
    pid.pop_back();
  }
  return pid.empty() ? "another process" : "process " + pid;
}

std::unexpected<Error> system_error(const std::string& doing, int code) {
  return fail(Errc::kIo, doing + ": " + std::strerror(code));
}

}  // namespace

DataDir::DataDir(DataDir&& other) noexcept
    : path_(std::move(other.path_)), fd_(std::exchange(other.fd_, -1)) {}

DataDir::~DataDir() {
  if (fd_ >= 0) {
    ::close(fd_);  // gives the lock up
  }
}

Result<DataDir> DataDir::acquire(const std::string& path) {
  if (auto made = make_directory(path); !made) {
    return std::unexpected(made.error());
  }
  const std::string name = path + "/LOCK";
  const int fd = ::open(name.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0640);
  if (fd < 0) {
    return system_error("cannot open " + name, errno);
  }
  DataDir dir(path, fd);
  if (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
    const int code = errno;
    if (code == EWOULDBLOCK) {
      return fail(Errc::kInUse, "data directory " + path + " is in use by " + holder_of(fd));
    }
    return system_error("cannot lock " + name, code);
  }
  const std::string pid = std::to_string(::getpid()) + "\n";
  if (::ftruncate(fd, 0) != 0 ||
      ::pwrite(fd, pid.data(), pid.size(), 0) != static_cast<ssize_t>(pid.size())) {
    return system_error("cannot write " + name, errno);
  }
  if (auto synced = sync_directory(path); !synced) {
    return std::unexpected(synced.error());
  }
  return dir;
}

Result<std::uint64_t> DataDir::free_bytes() const {
  struct statvfs stat {};
  if (::statvfs(path_.c_str(), &stat) != 0) {
    return system_error("cannot ask for the free space of " + path_, errno);
  }
  return static_cast<std::uint64_t>(stat.f_bavail) * stat.f_frsize;
}

bool has_no_bytes(const std::string& file) {
  std::error_code trouble;
  const auto size = std::filesystem::file_size(file, trouble);
  return trouble || size == 0;
}

}  // namespace payonce::log
