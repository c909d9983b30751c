// log/mapped_file.h: a file's bytes for reading, as they are when it is opened.
//
// Nobody may cut the file while it is mapped. Owner: whoever opened it.
#pragma once

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <string_view>

#include "base/result.h"

namespace payonce::log {

// Empty when there is no such file.
class MappedFile {
 public:
  MappedFile() = default;
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  ~MappedFile() {
    if (!bytes_.empty()) {
      ::munmap(const_cast<char*>(bytes_.data()), bytes_.size());
    }
  }

  [[nodiscard]] Result<void> open(const std::string& file) {
    const int fd = ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
      return errno == ENOENT ? Result<void>{} : trouble(file);
    }
    struct stat status {};
    const bool known = ::fstat(fd, &status) == 0;
    const auto size = known ? static_cast<std::size_t>(status.st_size) : 0;
    void* const at = size == 0 ? nullptr : ::mmap(nullptr, size, PROT_READ, MAP_SHARED, fd, 0);
    const int code = errno;
    ::close(fd);
    errno = code;
    if (!known || at == MAP_FAILED) {
      return trouble(file);
    }
    if (at != nullptr) {
      bytes_ = {static_cast<const char*>(at), size};
    }
    return {};
  }
  [[nodiscard]] std::string_view bytes() const { return bytes_; }

 private:
  static Result<void> trouble(const std::string& file) {
    return fail(Errc::kIo, "cannot read " + file + ": " + std::strerror(errno));
  }
  std::string_view bytes_;
};

}  // namespace payonce::log
