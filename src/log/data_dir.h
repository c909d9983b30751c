// log/data_dir.h: a data directory and the right to use it.
//
//   DIR/LOCK     held by the one process that serves the directory (flock; the text names its pid)
//   DIR/log/     the log environment: the truth
//   DIR/state/   the state environment: a fold of the log, rebuilt from it when it is lost
// Lifetime: the lock is held as long as the object lives; the kernel drops it when the process
// dies.
#pragma once

#include <string>

#include "base/result.h"

namespace payonce::log {

class DataDir {
 public:
  DataDir(DataDir&& other) noexcept;
  DataDir& operator=(DataDir&&) = delete;
  DataDir(const DataDir&) = delete;
  DataDir& operator=(const DataDir&) = delete;
  ~DataDir();

  // Creates the directory when absent and takes the lock. kInUse: another process holds it.
  // kIo: it cannot be created or written.
  [[nodiscard]] static Result<DataDir> acquire(const std::string& path);

  [[nodiscard]] std::string log_path() const { return path_ + "/log"; }
  [[nodiscard]] std::string state_path() const { return path_ + "/state"; }
  [[nodiscard]] const std::string& path() const { return path_; }

  // Bytes that an unprivileged process may still write to the file system.
  [[nodiscard]] Result<std::uint64_t> free_bytes() const;

 private:
  DataDir(std::string path, int fd) : path_(std::move(path)), fd_(fd) {}

  std::string path_;
  int fd_ = -1;
};

// Whether the file is empty or not there at all.
[[nodiscard]] bool has_no_bytes(const std::string& file);

}  // namespace payonce::log
