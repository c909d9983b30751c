// base/result.h: operational failures as values.
//
// Three kinds of trouble are kept apart: a bug hits PAYONCE_ASSERT, a business outcome is a closed
// enum of its own, and an operational failure (disk, file, format, limit) is an Error in a Result.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <utility>

namespace payonce {

enum class Errc : std::uint8_t {
  kIo,        // the operating system or the store reported a failure
  kCorrupt,   // stored bytes do not decode, or fail their checksum
  kForeign,   // the file belongs to something else, or to another server
  kVersion,   // written by a newer format than this build reads
  kInUse,     // another process holds it
  kInvalid,   // the caller's text or value is not acceptable
  kFull,      // a bound has been reached
  kNotFound,  // there is no such thing
  kDropped,   // it was there, and went with the old history (storage.history_retention)
};

struct Error {
  Errc code = Errc::kIo;
  std::string message;  // one sentence for people, without a final full stop
};

template <class T>
using Result = std::expected<T, Error>;

[[nodiscard]] inline std::unexpected<Error> fail(Errc code, std::string message) {
  return std::unexpected<Error>(Error{code, std::move(message)});
}

}  // namespace payonce
